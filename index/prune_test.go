package index_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

func TestPrune(t *testing.T) {
	x := open(t, t.TempDir(), newEmbedder())
	ingest(t, x, "one", doc("a", "a fox"), doc("b", "b fox"), doc("c", "c fox"))
	ingest(t, x, "two", doc("d", "d fox"), doc("e", "e fox"))
	holds(t, x, "a", "b", "c", "d", "e")

	b := begin(t, x)
	add(t, b, "one", doc("a", "a fox"))
	b.Keep("b") // it could not be loaded this time
	if got := b.Prune("one"); got != 1 {
		t.Errorf("got %d pruned, want 1 (c)", got)
	}
	if got := b.Prune("one"); got != 0 {
		t.Errorf("got %d pruned the second time, want 0", got)
	}
	if got := b.Prune("three"); got != 0 {
		t.Errorf("got %d pruned of an unknown source, want 0", got)
	}
	if m := commit(t, b); m.Documents != 4 {
		t.Errorf("got %d documents, want 4", m.Documents)
	}
	holds(t, x, "a", "b", "d", "e")
}

// TestPrunedThenSeen is a document that moves from one source to another of
// the same run: the first source is pruned before the second is loaded.
func TestPrunedThenSeen(t *testing.T) {
	for _, text := range []string{"a fox", "a fox that changed"} {
		x := open(t, t.TempDir(), newEmbedder())
		ingest(t, x, "one", doc("a", "a fox"))
		b := begin(t, x)
		b.Prune("one")
		add(t, b, "two", doc("a", text))
		if m := commit(t, b); m.Documents != 1 {
			t.Errorf("%q: got %d documents, want 1", text, m.Documents)
		}
		holds(t, x, "a")
	}
}

func TestDocumentErrors(t *testing.T) {
	tests := []struct {
		name string
		doc  index.Document
		want []string
	}{
		{"twice in a run", doc("a", "another fox"), []string{`"a"`, "twice", "src", "rename"}},
		{"metadata that is no JSON", index.Document{ID: "b", Text: "a fox", Meta: map[string]any{"x": math.NaN()}}, []string{`"b"`, "metadata"}},
		{"an id that is no UTF-8", index.Document{ID: "b\xff", Text: "a fox"}, []string{`"b\xff"`, "UTF-8"}},
		{"no id", index.Document{Text: "a fox"}, []string{"no id"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := open(t, t.TempDir(), newEmbedder())
			ingest(t, x, "src", doc("b", "the fox that was there before"))
			b := begin(t, x)
			add(t, b, "src", doc("a", "a fox"))
			_, err := b.Add(t.Context(), "other", tt.doc)
			var bad *index.DocumentError
			if !errors.As(err, &bad) {
				t.Fatalf("got error %v, want a DocumentError", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got error %q, want one with %s", err, want)
				}
			}
			if got := strings.Contains(tt.name, "metadata"); got {
				b.Prune("src") // a document that failed stays
			}
			commit(t, b)
			holds(t, x, "a", "b")
		})
	}
}
