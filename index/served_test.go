package index_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ragproxy/ragproxy/index"
)

func TestServed(t *testing.T) {
	dir := t.TempDir()
	reader, writer := open(t, dir, newEmbedder()), open(t, dir, newEmbedder())
	served := func(want ...index.Served) []index.Served {
		t.Helper()
		got, err := reader.Served()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(index.Served{}, "Lag")); diff != "" {
			t.Errorf("served (-want +got):\n%s", diff)
		}
		return got
	}
	served()
	ingest(t, writer, "src", doc("a", "a fox"))
	served(index.Served{Collection: "c", Generation: 1, Documents: 1}) // nobody has searched
	holds(t, reader, "a")
	served(index.Served{Collection: "c", Generation: 1, Documents: 1, Open: true})
	ingest(t, writer, "src", doc("b", "a fox"))
	got := served(index.Served{Collection: "c", Generation: 2, Documents: 2, Open: true}) // followed without a search
	if lag := got[0].Lag; lag < 0 || lag > time.Minute {
		t.Errorf("got a lag of %v, want that of the call", lag)
	}
}

func TestLegsTellTheEmbedding(t *testing.T) {
	e := newEmbedder()
	x := open(t, t.TempDir(), e)
	ingest(t, x, "src", doc("a", "a fox"))
	legs := ask(t, x, "fox")
	if legs.Embed.Err != nil || legs.Embed.Took <= 0 || legs.Embed.Took > legs.Vector.Took {
		t.Errorf("got %+v within %v of the vector leg, want a part of it", legs.Embed, legs.Vector.Took)
	}
}
