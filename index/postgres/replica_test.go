package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/postgres"
	"github.com/ragproxy/ragproxy/internal/pgtest"
)

// TestReadReplica: with target_session_attrs=prefer-standby searches are the
// standby's, which has whatever was acknowledged, and runs the primary's.
func TestReadReplica(t *testing.T) {
	primary := pgtest.Start(t)
	url := primary.Database(t)
	standby := primary.Standby(t)
	x := open(t, postgres.Options{URL: pgtest.Hosts(url, standby) + "&target_session_attrs=prefer-standby", Embedder: letters{}})
	for i := range 30 {
		publish(t, x, docs(fmt.Sprintf("%d word%d", i, i))...)
		legs, err := x.Search(t.Context(), index.Query{Text: fmt.Sprintf("word%d", i), Collection: "c", Depth: 3})
		if err != nil || legs.Vector.Err != nil || len(legs.Keyword.Hits) == 0 || legs.Keyword.Hits[0].Chunk.DocumentID != fmt.Sprint(i) {
			t.Fatalf("document %d: got %v, %v, %v right after it was published", i, legs.Keyword, legs.Vector.Err, err)
		}
	}
	if what, err := x.Check(t.Context()); err != nil || !strings.HasSuffix(what, "standby") {
		t.Errorf("got %q, %v, want the standby", what, err)
	}
	// Embedding all again drops the tables that searches ask.
	r, err := x.Begin(t.Context(), index.BuildOptions{Collection: "c", Reembed: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	look := func() {
		t.Helper()
		legs, err := x.Search(t.Context(), index.Query{Text: "word7", Collection: "c", Depth: 3})
		if err != nil || legs.Vector.Err != nil || len(legs.Keyword.Hits) == 0 || legs.Keyword.Hits[0].Chunk.DocumentID != "7" {
			t.Errorf("got %v, %v, %v", legs.Keyword, legs.Vector.Err, err)
		}
	}
	look()
	primary.Kill(t)
	look()
	if err := begin(t, x); err == nil || !strings.Contains(err.Error(), "primary") {
		t.Errorf("got %v, want to be told that there is no primary", err)
	}
}
