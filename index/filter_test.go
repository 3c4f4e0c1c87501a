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

// TestComparisons are filters as OpenAI's vector stores spell them, over the
// same documents in both legs.
func TestComparisons(t *testing.T) {
	x := open(t, t.TempDir(), newEmbedder())
	metas := map[string]string{
		"a": `{"year": 2020, "lang": "en", "draft": true, "v": "10"}`,
		"b": `{"year": 2021.5, "lang": "de", "draft": false, "v": "9"}`,
		"c": `{"year": "2022", "lang": "Fr", "v": 9007199254740993}`,
		"d": `{"lang": null, "year": -1e3, "v": 9007199254740992}`,
	}
	for id, meta := range metas {
		d := doc(id, id+" fox")
		dec := json.NewDecoder(strings.NewReader(meta))
		dec.UseNumber()
		if err := dec.Decode(&d.Meta); err != nil {
			t.Fatal(err)
		}
		ingest(t, x, "src", d)
	}
	tests := []struct{ filter, want string }{
		{`{"type":"eq","key":"year","value":2020}`, "a"},
		{`{"type":"eq","key":"year","value":2020.0}`, "a"},
		{`{"type":"eq","key":"year","value":"2020"}`, ""},
		{`{"type":"eq","key":"lang","value":null}`, "d"},
		{`{"type":"eq","key":"draft","value":true}`, "a"},
		{`{"type":"eq","key":"nope","value":1}`, ""},
		{`{"type":"ne","key":"year","value":2020}`, "bcd"},
		{`{"type":"ne","key":"draft","value":true}`, "bcd"},
		{`{"type":"ne","key":"nope","value":1}`, "abcd"},
		{`{"type":"gt","key":"year","value":2020}`, "b"},
		{`{"type":"gte","key":"year","value":2020}`, "ab"},
		{`{"type":"lt","key":"year","value":2020}`, "d"},
		{`{"type":"lte","key":"year","value":2020}`, "ad"},
		{`{"type":"gt","key":"year","value":"2021"}`, "c"},
		{`{"type":"gt","key":"nope","value":0}`, ""},
		{`{"type":"lt","key":"nope","value":0}`, ""},
		{`{"type":"lt","key":"v","value":"9"}`, "a"},
		{`{"type":"gt","key":"v","value":9007199254740992}`, "c"},
		{`{"type":"gte","key":"lang","value":"de"}`, "ab"},
		{`{"type":"in","key":"lang","value":["en","de",3]}`, "ab"},
		{`{"type":"in","key":"lang","value":[]}`, ""},
		{`{"type":"nin","key":"lang","value":["en","de"]}`, "cd"},
		{`{"type":"nin","key":"nope","value":["en"]}`, "abcd"},
		{`{"type":"nin","key":"lang","value":[]}`, "abcd"},
		{`{"type":"eq","key":"document_id","value":"c"}`, "c"},
		{`{"type":"eq","key":"url","value":"https://example.com/b"}`, "b"},
		{`{"type":"and","filters":[{"type":"gt","key":"year","value":2000},{"type":"ne","key":"lang","value":"en"}]}`, "b"},
		{`{"type":"or","filters":[{"type":"eq","key":"lang","value":"en"},{"type":"eq","key":"lang","value":"Fr"}]}`, "ac"},
		{`{"type":"or","filters":[{"type":"and","filters":[{"type":"eq","key":"lang","value":"en"},{"type":"eq","key":"draft","value":false}]},{"type":"in","key":"title","value":["d"]}]}`, "d"},
		{`{"type":"eq"}`, ""}, // metadata called "type"
		{`{"type":["eq","gt"],"lang":"en"}`, ""},
	}
	for _, tt := range tests {
		for _, exact := range []bool{true, false} {
			dec := json.NewDecoder(strings.NewReader(tt.filter))
			if exact {
				dec.UseNumber()
			} else if strings.Contains(tt.filter, "9007199254740992") {
				continue // float64 cannot tell it from its neighbour in JSON
			}
			var filters map[string]any
			if err := dec.Decode(&filters); err != nil {
				t.Fatal(err)
			}
			if err := index.CheckFilters(filters); err != nil {
				t.Errorf("%s: %v", tt.filter, err)
			}
			legs, err := x.Search(t.Context(), index.Query{Text: "fox", Collection: "c", Depth: 10, Filters: filters})
			if err != nil {
				t.Errorf("%s: %v", tt.filter, err)
			}
			for name, leg := range map[string]index.Leg{"vector": legs.Vector, "keyword": legs.Keyword} {
				var got []string
				for _, id := range ids(t, leg) {
					got = append(got, strings.TrimSuffix(id, "#chunk-0"))
				}
				slices.Sort(got)
				if strings.Join(got, "") != tt.want {
					t.Errorf("%s, %s leg: got %q, want %q", tt.filter, name, got, tt.want)
				}
			}
		}
	}
}

func TestBadFilters(t *testing.T) {
	deep := strings.Repeat(`{"type":"and","filters":[`, 17) + `{"type":"eq","key":"a","value":1}` + strings.Repeat(`]}`, 17)
	wide := `{"type":"in","key":"a","value":[` + strings.Repeat("1,", 5000) + `1]}`
	tests := []struct{ filter, want string }{
		{`{"type":"like","key":"a","value":1}`, `filters.type: got "like", want one of eq, ne`},
		{`{"type":"eq","key":"","value":1}`, "filters.key"},
		{`{"type":"eq","key":3,"value":1}`, "filters.key"},
		{`{"type":"eq","key":"a"}`, "filters.value: is missing"},
		{`{"type":"eq","key":"a","value":[1]}`, "use in or nin"},
		{`{"type":"in","key":"a","value":1}`, "filters.value: in wants a list"},
		{`{"type":"gt","key":"a","value":true}`, "gt wants a number or a string"},
		{`{"type":"gt","key":"a","value":1,"extra":2}`, `filters: unknown member "extra"`},
		{`{"type":"and","filters":[]}`, "filters.filters: want a list"},
		{`{"type":"and","filters":{"type":"eq"}}`, "filters.filters: want a list"},
		{`{"type":"or","filters":[{"type":"eq","key":"a","value":1},3]}`, "filters.filters[1]: want an object"},
		{`{"type":"or","filters":[{"type":"and","filters":[{"key":"a","value":1}]}]}`, "filters.filters[0].filters[0].type"},
		{deep, "nested more than 16 deep"},
		{wide, "more than 4096"},
		{`{"a":[` + strings.Repeat("1,", 5000) + `1]}`, "filter a: "},
	}
	x := open(t, t.TempDir(), newEmbedder())
	for _, tt := range tests {
		var filters map[string]any
		if err := json.Unmarshal([]byte(tt.filter), &filters); err != nil {
			t.Fatal(err)
		}
		_, err := x.Search(t.Context(), index.Query{Text: "fox", Collection: "c", Depth: 1, Filters: filters})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.80s: got error %v, want one with %q", tt.filter, err, tt.want)
		}
	}
}
