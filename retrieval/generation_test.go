package retrieval

import (
	"slices"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

// TestSourcesAreOfOneGeneration has the index published anew between the
// searches of one follow-up: the old one had a document that is deleted now.
func TestSourcesAreOfOneGeneration(t *testing.T) {
	old := index.Legs{Vector: leg(hit("deleted", .9)), Generation: 1}
	now := index.Legs{Vector: leg(hit("new", .8)), Generation: 2}
	for _, tt := range []struct {
		name      string
		completer Completer
		legs      map[string]index.Legs
		want      []string
	}{
		{"the user's words before", says("rewritten"), map[string]index.Legs{"raw": old, "rewritten": now}, []string{"new"}},
		{"the same", says("rewritten"), map[string]index.Legs{"raw": {Vector: leg(hit("more", .1)), Generation: 2}, "rewritten": now}, []string{"new", "more"}},
		{"the history behind", says(""), map[string]index.Legs{"raw": old, history[0].Text: now, history[1].Text: now}, []string{"deleted"}},
	} {
		opts := options(t, &searches{legs: tt.legs})
		opts.Rewrite.History = true
		res, err := New(opts).Retrieve(t.Context(), Request{Turn: "raw", History: history, Completer: tt.completer}, nil)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := sourceIDs(res.Sources); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got sources %q, want %q", tt.name, got, tt.want)
		}
	}
}
