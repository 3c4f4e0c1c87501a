package index_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

func TestFilters(t *testing.T) {
	x := open(t, t.TempDir(), newEmbedder())
	var fromJSON map[string]any // as a loader reads it
	dec := json.NewDecoder(strings.NewReader(`{"big":9007199254740993,"n":1.0,"lang":null}`))
	dec.UseNumber()
	if err := dec.Decode(&fromJSON); err != nil {
		t.Fatal(err)
	}
	a, b, c, d := doc("a", "a fox"), doc("b", "b fox"), doc("c", "c fox"), doc("d", "d fox")
	a.Meta = map[string]any{"lang": "en", "n": 1, "tags": []any{"x", "y"}, "ok": true}
	b.Meta = map[string]any{"lang": "de", "n": 2.5, "ok": false, "big": int64(9007199254740992)}
	c.Meta = fromJSON
	d.Meta = map[string]any{"n": 0}
	d.Title = `a "title" <b>`
	ingest(t, x, "src", a, b, c, d)

	tests := []struct {
		name    string
		filters map[string]any
		want    []string
	}{
		{"none", nil, []string{"a", "b", "c", "d"}},
		{"empty", map[string]any{}, []string{"a", "b", "c", "d"}},
		{"string", map[string]any{"lang": "en"}, []string{"a"}},
		{"list", map[string]any{"lang": []any{"en", "de", "fr"}}, []string{"a", "b"}},
		{"empty list", map[string]any{"lang": []any{}}, nil},
		{"two keys", map[string]any{"lang": []any{"en", "de"}, "ok": true}, []string{"a"}},
		{"contradiction", map[string]any{"lang": "en", "ok": false}, nil},
		{"null is not missing", map[string]any{"lang": nil}, []string{"c"}},
		{"no such key", map[string]any{"nope": "en"}, nil},
		{"empty string is not missing", map[string]any{"nope": ""}, nil},
		{"no such value", map[string]any{"lang": "EN"}, nil},
		{"true", map[string]any{"ok": true}, []string{"a"}},
		{"a string is no number", map[string]any{"n": "1"}, nil},
		{"int", map[string]any{"n": 1}, []string{"a", "c"}},
		{"float", map[string]any{"n": 1.0}, []string{"a", "c"}},
		{"number", map[string]any{"n": json.Number("1")}, []string{"a", "c"}},
		{"number as it is written", map[string]any{"n": json.Number("1.0")}, []string{"a", "c"}},
		{"minus zero", map[string]any{"n": json.Number("-0")}, []string{"d"}},
		{"exponent", map[string]any{"n": json.Number("25e-1")}, []string{"b"}},
		{"big", map[string]any{"big": json.Number("9007199254740993")}, []string{"c"}},
		{"big int64", map[string]any{"big": int64(9007199254740993)}, []string{"c"}},
		{"big neighbour", map[string]any{"big": json.Number("9007199254740992")}, []string{"b"}},
		{"big float", map[string]any{"big": 9007199254740992.0}, []string{"b"}},
		{"document_id", map[string]any{"document_id": []any{"b", "d"}}, []string{"b", "d"}},
		{"url", map[string]any{"url": "https://example.com/c"}, []string{"c"}},
		{"title", map[string]any{"title": `a "title" <b>`}, []string{"d"}},
		{"whole list value", map[string]any{"tags": []any{[]any{"x", "y"}}}, []string{"a"}},
		{"after a part of a document", map[string]any{"document_id": "b#chunk-0"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			legs, err := x.Search(t.Context(), index.Query{Text: "fox", Collection: "c", Depth: 10, Filters: tt.filters})
			if err != nil {
				t.Fatal(err)
			}
			for name, leg := range map[string]index.Leg{"vector": legs.Vector, "keyword": legs.Keyword} {
				var got []string
				for _, id := range ids(t, leg) {
					got = append(got, strings.TrimSuffix(id, "#chunk-0"))
				}
				slices.Sort(got)
				if !slices.Equal(got, tt.want) {
					t.Errorf("%s leg: got %q, want %q", name, got, tt.want)
				}
			}
		})
	}
	_, err := x.Search(t.Context(), index.Query{Text: "fox", Collection: "c", Depth: 1, Filters: map[string]any{"n": math.NaN()}})
	if err == nil || !strings.Contains(err.Error(), "filter n") {
		t.Errorf("got error %v for a filter that is no JSON, want one that names it", err)
	}
}

// TestFilterLeavesTheBestThatPass asks for fewer hits than there are
// documents that do not pass.
func TestFilterLeavesTheBestThatPass(t *testing.T) {
	x := open(t, t.TempDir(), newEmbedder())
	docs := foxes(50)
	ingest(t, x, "src", docs...)
	q := index.Query{Text: "the fox number49 jumps", Collection: "c", Depth: 2, Filters: map[string]any{"document_id": []any{"doc07", "doc08"}}}
	legs, err := x.Search(t.Context(), q)
	if err != nil || len(legs.Vector.Hits) != 2 || len(legs.Keyword.Hits) != 2 {
		t.Errorf("got %+v, error %v, want two hits a leg", legs, err)
	}
}
