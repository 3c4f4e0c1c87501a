package index_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/enginetest"
)

func TestFollowsAnotherWriter(t *testing.T) {
	dir := t.TempDir()
	reader, writer := open(t, dir, newEmbedder()), open(t, dir, newEmbedder())
	if err := reader.Exists(t.Context(), "c"); err == nil {
		t.Error("got a collection before there was one")
	}
	ingest(t, writer, "src", doc("a", "a fox"))
	holds(t, reader, "a")
	ingest(t, writer, "src", doc("b", "a fox"))
	holds(t, reader, "a", "b")
	b := begin(t, writer)
	b.Prune("src")
	holds(t, reader, "a", "b") // not yet
	commit(t, b)
	holds(t, reader)
}

func TestSearchAfterClose(t *testing.T) {
	x := open(t, t.TempDir(), newEmbedder())
	ingest(t, x, "src", doc("a", "a fox"))
	holds(t, x, "a")
	for range 2 {
		if err := x.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	holds(t, x, "a") // it opens again; the test's end closes it
}

// TestSearchesDuringPublishing searches without a pause while another writer
// publishes one generation after the other. Each publication has its number in
// every document, so a search that mixes two would be seen.
func TestSearchesDuringPublishing(t *testing.T) {
	dir := t.TempDir()
	reader, writer := open(t, dir, newEmbedder()), open(t, dir, newEmbedder())
	version := func(n int) []index.Document {
		docs := foxes(5)
		for i := range docs {
			docs[i].Text = fmt.Sprintf("fox of version%d in %d", n, i)
		}
		return docs
	}
	ingest(t, writer, "src", version(0)...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := sameVersion(t.Context(), reader); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	const last = 12
	for n := 1; n <= last; n++ {
		ingest(t, writer, "src", version(n)...)
	}
	cancel()
	wg.Wait()
	for _, h := range ask(t, reader, "fox").Keyword.Hits {
		if want := fmt.Sprintf("fox of version%d in %d", last, slices.Index([]string{"doc00", "doc01", "doc02", "doc03", "doc04"}, h.Chunk.DocumentID)); h.Chunk.Text != want {
			t.Errorf("got %q after the last publication, want %q", h.Chunk.Text, want)
		}
	}
}

// sameVersion searches once: both legs must answer with all five documents of
// one version.
func sameVersion(ctx context.Context, x *index.Index) error {
	legs, err := x.Search(ctx, index.Query{Text: "fox of", Collection: "c", Depth: 10})
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	for name, leg := range map[string]index.Leg{"vector": legs.Vector, "keyword": legs.Keyword} {
		if leg.Err != nil {
			return fmt.Errorf("%s leg: %w", name, leg.Err)
		}
		if err := enginetest.Load(ctx, leg.Hits); err != nil { // its generation may be gone by now
			return fmt.Errorf("%s leg: %w", name, err)
		}
		if len(leg.Hits) != 5 {
			return fmt.Errorf("%s leg: got %d hits, want 5", name, len(leg.Hits))
		}
	}
	var want, n int
	if _, err := fmt.Sscanf(legs.Vector.Hits[0].Chunk.Text, "fox of version%d", &want); err != nil {
		return err
	}
	for _, h := range slices.Concat(legs.Vector.Hits, legs.Keyword.Hits) {
		if _, err := fmt.Sscanf(h.Chunk.Text, "fox of version%d", &n); err != nil || n != want {
			return fmt.Errorf("got %q beside version %d in one search", h.Chunk.Text, want)
		}
	}
	return nil
}

// hookedKeyword runs before once, ahead of opening the keyword leg.
type hookedKeyword struct {
	index.KeywordEngine
	before func()
}

func (e *hookedKeyword) Open(dirs []string) (index.KeywordSearcher, error) {
	if before := e.before; before != nil {
		e.before = nil
		before()
	}
	return e.KeywordEngine.Open(dirs)
}

// TestReplacedWhileOpening publishes, and so removes the generation that is read,
// when a search has opened half of it.
func TestReplacedWhileOpening(t *testing.T) {
	dir := t.TempDir()
	writer := open(t, dir, newEmbedder())
	ingest(t, writer, "src", doc("a", "a fox"))
	reader := open(t, dir, newEmbedder(), func(o *index.Options) {
		o.Keyword = &hookedKeyword{o.Keyword, func() {
			for _, id := range []string{"b", "d"} { // the one before is kept
				b := begin(t, writer)
				b.Prune("src")
				add(t, b, "src", doc(id, "a fox"))
				commit(t, b)
			}
		}}
	})
	holds(t, reader, "d")
}
