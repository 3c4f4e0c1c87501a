package index_test

import (
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

// TestSearchSaysItsGeneration asks between two runs, as a follow-up's two
// searches may.
func TestSearchSaysItsGeneration(t *testing.T) {
	x := open(t, t.TempDir(), newEmbedder())
	for _, text := range []string{"a fox", "another fox"} {
		m, _ := ingest(t, x, "src", doc("a", text))
		legs, err := x.Search(t.Context(), index.Query{Text: "fox", Collection: "c", Depth: 1})
		if err != nil || legs.Generation != m.Generation {
			t.Errorf("got generation %d (%v), want the published %d", legs.Generation, err, m.Generation)
		}
	}
}
