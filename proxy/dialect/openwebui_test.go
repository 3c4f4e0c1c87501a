package dialect

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/retrieval"
)

// TestOpenWebUIName: no name is an address, for which the page would ask
// Google, and an id that is one is not taken for the name.
func TestOpenWebUIName(t *testing.T) {
	const page = "https://intranet.example/a"
	for _, c := range []struct {
		name     string
		chunk    index.Chunk
		want     string
		external bool
	}{
		{"id and title", index.Chunk{ID: "a.md#chunk-0", Title: "A"}, "A", false},
		{"no title", index.Chunk{ID: "a.md#chunk-0"}, "a.md#chunk-0", false},
		{"an address for id", index.Chunk{ID: page + "#chunk-0", URL: page, Title: "A"}, "A", true},
		{"an address for id, no title", index.Chunk{ID: page + "#chunk-0", URL: page}, "intranet.example/a#chunk-0", true},
		{"an address for title", index.Chunk{ID: "a.md#chunk-0", Title: "http://intranet.example/"}, "intranet.example/", false},
		{"a title that begins so", index.Chunk{ID: "a.md#chunk-0", Title: "https explained"}, "https explained", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out recorder
			o := &openwebui{newCore(testRequest(), &out)}
			o.source(retrieval.Source{N: 1, Hit: index.Hit{Chunk: c.chunk}})
			if len(out.frames) != 1 {
				t.Fatalf("got %d frames, want 1", len(out.frames))
			}
			data := gjson.GetBytes(out.frames[0], "event.data")
			got := []any{data.Get("source.name").Str, data.Get("metadata.0.name").Str, data.Get("metadata.0.source").Str, data.Get("metadata.0.external").Bool()}
			if diff := cmp.Diff([]any{c.want, c.want, c.chunk.ID, c.external}, got); diff != "" {
				t.Errorf("name, name, id, external (-want +got):\n%s", diff)
			}
		})
	}
}
