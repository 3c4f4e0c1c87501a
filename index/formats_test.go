package index_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

func fixtureDocument() index.Document {
	a := doc("a", twoChunks)
	a.Title = "The a" // as in the first fixture
	a.Meta = map[string]any{"lang": "en", "n": int64(9007199254740993)}
	return a
}

// TestWriteFixture writes an index of the present format into the folder that
// RAGPROXY_WRITE_FIXTURE names, to be kept in testdata when it is a new one.
func TestWriteFixture(t *testing.T) {
	dir := os.Getenv("RAGPROXY_WRITE_FIXTURE")
	if dir == "" {
		t.Skip("RAGPROXY_WRITE_FIXTURE names no folder")
	}
	x := open(t, dir, newEmbedder())
	ingest(t, x, "src", fixtureDocument(), doc("b", "a fox that goes"), doc("empty", ""), doc("f", "the fox of then"))
	ingest(t, x, "other", doc("d", "the old fox"), doc("f", "the fox of now"))
	ingest(t, x, "other", doc("g", "one more fox"))
	if _, err := x.Delete(t.Context(), "c", []string{"f"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "collections", "c", "lock")); err != nil {
		t.Fatal(err)
	}
}

// TestFormats opens an index of each format that there ever was, as it was
// written then, and goes on with it; nothing is embedded again.
func TestFormats(t *testing.T) {
	for format, documents := range map[string][]string{
		"format1": {"a", "b", "d"},
		"format2": {"a", "b", "d", "g"},
	} {
		t.Run(format, func(t *testing.T) {
			e := newEmbedder()
			dir := copyFolder(t, filepath.Join("testdata", format))
			x := open(t, dir, e)
			legs := ask(t, x, "the quick brown fox jumps over it.")
			if got := ids(t, legs.Vector); len(got) == 0 || got[0] != "a#chunk-0" {
				t.Errorf("got %q first from the vector leg, want a's first chunk", got)
			}
			switch {
			case format != "format1":
				holds(t, x, documents...)
				if err := x.Verify("c"); err != nil {
					t.Errorf("verify: %v", err)
				}
			case legs.Keyword.Err != nil && !strings.Contains(legs.Keyword.Err.Error(), "`ragproxy compact` makes it again"):
				t.Errorf("got error %v from the keyword leg, want what to do", legs.Keyword.Err)
			}
			compacted := open(t, copyFolder(t, dir), e)
			if m, err := compacted.Compact(t.Context(), "c"); err != nil || len(m.Segments) != 1 || m.Format != index.Format {
				t.Errorf("got %+v, error %v from compact, want one segment", m, err)
			}
			holds(t, compacted, documents...)

			m, changes := ingest(t, x, "src", fixtureDocument(), doc("new", "the old fox"))
			if want := []index.Change{index.Unchanged, index.Added}; m.Format != index.Format || !slices.Equal(changes, want) {
				t.Errorf("got format %d, changes %v, want format %d, %v", m.Format, changes, index.Format, want)
			}
			holds(t, x, append(documents, "new")...)
			if err := x.Verify("c"); err != nil {
				t.Errorf("verify: %v", err)
			}
			legs, err := x.Search(t.Context(), index.Query{Text: "quick", Collection: "c", Depth: 1, Filters: map[string]any{"n": int64(9007199254740993)}})
			if err != nil || legs.Keyword.Err != nil || len(legs.Keyword.Hits) != 1 || legs.Keyword.Hits[0].Chunk.Start != 0 {
				t.Errorf("got %+v, error %v, want the first chunk of a", legs.Keyword, err)
			}
			if got := e.takeAsked(); got != nil {
				t.Errorf("got %q embedded, want nothing: all was embedded before", got)
			}
		})
	}
}

// TestNextRunLeavesFormat1 also where no document changed.
func TestNextRunLeavesFormat1(t *testing.T) {
	x := open(t, copyFolder(t, filepath.Join("testdata", "format1")), newEmbedder())
	if m, _ := ingest(t, x, "src", fixtureDocument()); m.Format != index.Format || m.Generation != 3 || len(m.Segments) != 1 {
		t.Errorf("got %+v, want generation 3 in format %d", m, index.Format)
	}
	holds(t, x, "a", "b", "d")
}
