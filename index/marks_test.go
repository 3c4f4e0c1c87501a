package index_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

// TestMarks has chunks with the metadata of the mark that they start behind,
// over the document's own; also after a merge, and a mark that changed is a
// document that changed.
func TestMarks(t *testing.T) {
	x := open(t, t.TempDir(), newEmbedder())
	d := doc("a", twoChunks)
	second := strings.Index(twoChunks, "the lazy")
	d.Meta = map[string]any{"lang": "en", "page": "none"}
	d.Marks = []index.Mark{{Start: 4, Meta: map[string]any{"page": "1"}}, {Start: second, Meta: map[string]any{"page": "2", "heading": "Dogs"}}, {Start: second + 9}}
	ingest(t, x, "src", d)
	want := map[string]map[string]any{
		"a#chunk-0": {"lang": "en", "page": "none"}, // it starts before the first mark
		"a#chunk-1": {"lang": "en", "page": "2", "heading": "Dogs"},
	}
	check := func(when string) {
		t.Helper()
		got := map[string]map[string]any{}
		for _, h := range ask(t, x, "the quick brown lazy dog").Keyword.Hits {
			got[h.Chunk.ID] = h.Chunk.Meta
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: metadata (-want +got):\n%s", when, diff)
		}
	}
	check("indexed")
	if _, changes := ingest(t, x, "src", d, doc("b", "another")); !slices.Equal(changes, []index.Change{index.Unchanged, index.Added}) {
		t.Errorf("got changes %v, want unchanged and added", changes)
	}
	if _, err := x.Compact(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	check("compacted")
	d.Marks[1].Meta = map[string]any{"page": "3"}
	want["a#chunk-1"] = map[string]any{"lang": "en", "page": "3"}
	if _, changes := ingest(t, x, "src", d); !slices.Equal(changes, []index.Change{index.Updated}) {
		t.Errorf("got changes %v, want updated", changes)
	}
	check("changed")
}

// TestTitlesAreEmbedded with the chunks, but not names of files.
func TestTitlesAreEmbedded(t *testing.T) {
	e := newEmbedder()
	x := open(t, t.TempDir(), e)
	long := strings.Repeat("é", 200)
	ingest(t, x, "src",
		index.Document{ID: "docs/a.txt", Title: "a.txt", Text: "the fox one"},
		index.Document{ID: "b", URL: "/docs/b.txt", Title: "b.txt", Text: "the fox two"},
		index.Document{ID: "c", Title: "Foxes", Text: "the fox three"},
		index.Document{ID: "d", Title: "Foxes", Text: "Foxes are four"},
		index.Document{ID: "e", Title: long, Text: "the fox five"},
		index.Document{ID: "f", Text: "the fox six"})
	want := []string{"the fox one", "the fox two", "Foxes\nthe fox three", "Foxes are four", strings.Repeat("é", 128) + "\nthe fox five", "the fox six"}
	if diff := cmp.Diff(want, e.takeAsked()); diff != "" {
		t.Errorf("embedded (-want +got):\n%s", diff)
	}
	if err := x.Verify("c"); err != nil {
		t.Error(err)
	}
}
