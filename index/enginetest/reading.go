package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

func search(t *testing.T, b Backend) {
	x := b.New(t)(t, newEmbedder())
	ingest(t, x, "c", doc("a", "red apples grow on trees"), doc("b", "green pears"), doc("c", "getHTTPResponse returns pears"))
	legs := ask(t, x, index.Query{Text: "green pears"})
	if h := legs.Vector.Hits; len(h) != 3 || h[0].Chunk.DocumentID != "b" {
		t.Errorf("vectors: got %v, want b first of 3", found(t, legs.Vector))
	}
	if h := legs.Keyword.Hits; len(h) != 2 || h[0].Chunk.DocumentID != "b" {
		t.Errorf("keywords: got %v, want b before c", found(t, legs.Keyword))
	}
	c := legs.Keyword.Hits[0].Chunk
	if c.ID != "b#chunk-0" || c.Text != "green pears" || c.URL != "https://example.com/b" || c.Title != "b" || c.Start != 0 || c.End != 11 {
		t.Errorf("got the chunk %+v", c)
	}
	if legs.Generation != 1 {
		t.Errorf("got generation %d, want 1", legs.Generation)
	}
	same(t, "stemmed", found(t, ask(t, x, index.Query{Text: "apple"}).Keyword), []string{"a"})
	same(t, "part of an identifier", found(t, ask(t, x, index.Query{Text: "http response"}).Keyword), []string{"c"})
	if h := ask(t, x, index.Query{Text: "pears", Depth: 1}); len(h.Keyword.Hits) != 1 {
		t.Errorf("got %d hits of depth 1", len(h.Keyword.Hits))
	}
	only := ask(t, x, index.Query{Text: "pears", SkipVector: true})
	if only.Vector.Hits != nil || only.Vector.Err != nil || len(only.Keyword.Hits) != 2 {
		t.Errorf("without vectors: got %v and %v", only.Vector, only.Keyword)
	}
	only = ask(t, x, index.Query{Text: "pears", SkipKeyword: true})
	if only.Keyword.Hits != nil || only.Keyword.Err != nil || len(only.Vector.Hits) != 3 {
		t.Errorf("without keywords: got %v and %v", only.Keyword, only.Vector)
	}
	if legs := ask(t, x, index.Query{Text: "zyzzyva"}); len(legs.Keyword.Hits) != 0 || legs.Keyword.Err != nil {
		t.Errorf("an unknown word: got %v", legs.Keyword)
	}
	if legs := ask(t, x, index.Query{Text: "  "}); legs.Vector.Err != nil || legs.Keyword.Err != nil {
		t.Errorf("a blank query: got %v and %v, want no error", legs.Vector.Err, legs.Keyword.Err)
	}
	for _, name := range []string{"nothing", "../c", ""} {
		if _, err := x.Search(t.Context(), index.Query{Text: "x", Collection: name, Depth: 1}); !errors.Is(err, index.ErrNotFound) {
			t.Errorf("search of %q: got %v, want ErrNotFound", name, err)
		}
		if err := x.Exists(t.Context(), name); !errors.Is(err, index.ErrNotFound) {
			t.Errorf("%q exists: got %v, want ErrNotFound", name, err)
		}
	}
	if err := x.Exists(t.Context(), "c"); err != nil {
		t.Error(err)
	}
}

// scores holds the numbers against the formulas, so that engines rank alike.
func scores(t *testing.T, b Backend) {
	x := b.New(t)(t, newEmbedder())
	ingest(t, x, "c", index.Document{ID: "1", Text: "fox fox jumps"}, index.Document{ID: "2", Text: "fox sleeps long days"}, index.Document{ID: "3", Text: "bear"})
	legs := ask(t, x, index.Query{Text: "fox"})
	idf := math.Log(1 + (3-2+.5)/(2+.5))
	bm25 := func(tf, length float64) float64 { return idf * tf / (tf + 1.2*(.25+.75*length/(8./3))) }
	want := []float64{bm25(2, 3), bm25(1, 4)}
	for i, h := range legs.Keyword.Hits {
		if i >= len(want) || math.Abs(h.Score-want[i]) > 1e-5 {
			t.Errorf("BM25 of %s: got %v, want %v", h.Chunk.ID, h.Score, want)
		}
	}
	if want := .45*idf + 1.1*math.Log(1+(3-1+.5)/1.5); len(legs.Keyword.Hits) != 2 || math.Abs(legs.Keyword.Ceiling-want) > 1e-5 {
		t.Errorf("got %d hits below the ceiling %v, want 2 below %v", len(legs.Keyword.Hits), legs.Keyword.Ceiling, want)
	}
	if h := legs.Vector.Hits; len(h) != 3 || math.Abs(h[0].Score-2/math.Sqrt(5)) > 1e-3 {
		t.Errorf("cosines: got %v, want the first %v", h, 2/math.Sqrt(5))
	}
	if l := legs.Vector; l.Ceiling != 1 || l.Floor <= 0 || l.Floor >= 1 {
		t.Errorf("got the floor %v and the ceiling %v of cosines", l.Floor, l.Ceiling)
	}
	// What only the keyword leg found has its cosine appended.
	if legs = ask(t, x, index.Query{Text: "bear bear fox", Depth: 1}); legs.Vector.Err != nil {
		t.Fatal(legs.Vector.Err)
	}
	known := map[string]bool{}
	for _, h := range legs.Vector.Hits {
		known[h.Chunk.ID] = true
	}
	for _, h := range legs.Keyword.Hits {
		if !known[h.Chunk.ID] {
			t.Errorf("the vector leg has no score of %s", h.Chunk.ID)
		}
	}
}

func filters(t *testing.T, b Backend) {
	x := b.New(t)(t, newEmbedder())
	with := func(id string, meta map[string]any) index.Document {
		d := doc(id, "fox")
		d.Meta = meta
		return d
	}
	ingest(t, x, "c",
		with("a", map[string]any{"lang": "en", "year": 2024, "draft": false, "tags": []any{"x"}}),
		with("b", map[string]any{"lang": "de", "year": 2025.5, "draft": true, "none": nil}),
		with("c", map[string]any{"lang": "Zz", "year": "2024", "big": json.Number("9007199254740993")}),
		with("d", nil))
	for _, c := range []struct {
		filters string
		want    []string
	}{
		{`{"lang": "en"}`, []string{"a"}},
		{`{"lang": ["en", "de"]}`, []string{"a", "b"}},
		{`{"lang": ["en", "de"], "draft": true}`, []string{"b"}},
		{`{"year": 2024}`, []string{"a"}},
		{`{"year": 2024.0}`, []string{"a"}},
		{`{"year": "2024"}`, []string{"c"}},
		{`{"none": null}`, []string{"b"}},
		{`{"big": 9007199254740993}`, []string{"c"}},
		{`{"big": 9007199254740992}`, []string{}},
		{`{"document_id": "d"}`, []string{"d"}},
		{`{"url": "https://example.com/b"}`, []string{"b"}},
		{`{"title": ["a", "d"]}`, []string{"a", "d"}},
		{`{"type": "eq", "key": "lang", "value": "de"}`, []string{"b"}},
		{`{"type": "ne", "key": "lang", "value": "de"}`, []string{"a", "c", "d"}},
		{`{"type": "nin", "key": "year", "value": [2024, 2025.5]}`, []string{"c", "d"}},
		{`{"type": "in", "key": "year", "value": []}`, []string{}},
		{`{"type": "gt", "key": "year", "value": 2024}`, []string{"b"}},
		{`{"type": "gte", "key": "year", "value": 2024}`, []string{"a", "b"}},
		{`{"type": "lt", "key": "year", "value": 2025}`, []string{"a"}},
		{`{"type": "lte", "key": "year", "value": "2024"}`, []string{"c"}},
		{`{"type": "lt", "key": "lang", "value": "de"}`, []string{"c"}}, // by bytes: capitals first
		{`{"type": "gt", "key": "draft", "value": 0}`, []string{}},
		{`{"type": "or", "filters": [{"type": "eq", "key": "lang", "value": "en"}, {"type": "gt", "key": "year", "value": 2025}]}`, []string{"a", "b"}},
		{`{"type": "and", "filters": [{"type": "ne", "key": "lang", "value": "en"}, {"type": "lt", "key": "document_id", "value": "c"}]}`, []string{"b"}},
		{`{"lang": "it's \"; DROP TABLE collection; --"}`, []string{}},
		{`{"it's \"; --": 1}`, []string{}},
		{`{"lang": "a\u0000b"}`, []string{}},
	} {
		dec := json.NewDecoder(bytesOf(c.filters))
		dec.UseNumber()
		var f map[string]any
		if err := dec.Decode(&f); err != nil {
			t.Fatal(err)
		}
		legs := ask(t, x, index.Query{Text: "fox", Filters: f})
		same(t, "vectors, "+c.filters, found(t, legs.Vector), c.want)
		same(t, "keywords, "+c.filters, found(t, legs.Keyword), c.want)
		list, _, err := x.Documents(t.Context(), "c", index.DocumentsQuery{Limit: 10, Filters: f})
		if err != nil || len(list) != len(c.want) {
			t.Errorf("documents, %s: got %v, %v, want %q", c.filters, list, err, c.want)
		}
	}
	if _, err := x.Search(t.Context(), index.Query{Text: "fox", Collection: "c", Depth: 1, Filters: map[string]any{"type": "huh", "key": "x"}}); err == nil {
		t.Error("got no error of a filter that is none")
	}
}

// filterKinds: a value's metadata come back as they went in.
func filterKinds(t *testing.T, b Backend) {
	x := b.New(t)(t, newEmbedder())
	d := doc("a", "fox")
	d.Meta = map[string]any{"n": json.Number("12345678901234567890"), "list": []any{"ä", true, nil}, "o": map[string]any{"k": "v"}}
	ingest(t, x, "c", d)
	got, err := json.Marshal(ask(t, x, index.Query{Text: "fox"}).Keyword.Hits[0].Chunk.Meta)
	if want := `{"list":["ä",true,null],"n":12345678901234567890,"o":{"k":"v"}}`; err != nil || string(got) != want {
		t.Errorf("got the metadata %s, %v, want %s", got, err, want)
	}
}

func collections(t *testing.T, b Backend) {
	x := b.New(t)(t, newEmbedder())
	if list, err := x.Collections(); err != nil || len(list) != 0 {
		t.Errorf("at first: got %v, %v, want none", list, err)
	}
	ingest(t, x, "one", doc("a", "fox"))
	ingest(t, x, "two", doc("b", "fox"), doc("c", "bear"))
	same(t, "one", found(t, ask(t, x, index.Query{Text: "fox", Collection: "one"}).Vector), []string{"a"})
	same(t, "two", found(t, ask(t, x, index.Query{Text: "fox", Collection: "two"}).Keyword), []string{"b"})
	list, err := x.Collections()
	if err != nil || len(list) != 2 {
		t.Fatalf("got %v, %v, want two", list, err)
	}
	m := list[1].Manifest
	if list[1].Name != "two" || m.Documents != 2 || m.Chunks != 2 || m.Space != "words@32" || m.Dims != dims || m.Generation != 1 || m.Keyword != "bleve-bm25:default" || m.Size() == 0 {
		t.Errorf("got %+v", list[1])
	}
	names, err := x.Names()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "names", names, []string{"one", "two"})
	if served, err := x.Served(); err != nil || len(served) != 2 || served[1].Documents != 2 {
		t.Errorf("served: got %v, %v", served, err)
	}
	page, more, err := x.Documents(t.Context(), "two", index.DocumentsQuery{Limit: 1})
	if err != nil || !more || len(page) != 1 || page[0].ID != "b" || page[0].Chunks != 1 {
		t.Errorf("first page: got %v, %v, %v", page, more, err)
	}
	page, more, err = x.Documents(t.Context(), "two", index.DocumentsQuery{After: "b", Limit: 1})
	if err != nil || more || len(page) != 1 || page[0].ID != "c" {
		t.Errorf("second page: got %v, %v, %v", page, more, err)
	}
	info, chunks, err := x.Document(t.Context(), "two", "b", nil)
	if err != nil || info.ID != "b" || len(chunks) != 1 || chunks[0].Text != "fox" {
		t.Errorf("document: got %v, %v, %v", info, chunks, err)
	}
	if _, _, err := x.Document(t.Context(), "two", "a", nil); !errors.Is(err, index.ErrNoDocument) {
		t.Errorf("another's document: got %v, want ErrNoDocument", err)
	}
}

func deadline(t *testing.T, b Backend) {
	e := newEmbedder()
	x := b.New(t)(t, e)
	ingest(t, x, "c", foxes(0, 3)...)
	// An embedder that hangs costs the vector leg only.
	free := make(chan struct{})
	defer close(free)
	e.setQuery(func(context.Context, string) ([]float32, error) { <-free; return nil, errors.New("freed") })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	legs, err := x.Search(ctx, index.Query{Text: "fox", Collection: "c", Depth: 10})
	if err != nil || !errors.Is(legs.Vector.Err, context.DeadlineExceeded) || len(legs.Keyword.Hits) != 3 {
		t.Errorf("got %v, the legs %v and %v, want keywords and the vectors' deadline", err, legs.Vector, legs.Keyword)
	}
	e.setQuery(nil)
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	legs, err = x.Search(ctx, index.Query{Text: "fox", Collection: "c", Depth: 10})
	if err == nil && len(legs.Keyword.Hits) == 0 && legs.Keyword.Err == nil {
		t.Error("a search that is over before it begins found nothing and has no error")
	}
	same(t, "afterwards", found(t, ask(t, x, index.Query{Text: "number1", Depth: 1}).Keyword), []string{"doc001"})
}

func embedderFails(t *testing.T, b Backend) {
	e := newEmbedder()
	x := b.New(t)(t, e)
	ingest(t, x, "c", foxes(0, 3)...)
	for name, query := range map[string]func(context.Context, string) ([]float32, error){
		"error":      func(context.Context, string) ([]float32, error) { return nil, errors.New("down") },
		"dimensions": func(context.Context, string) ([]float32, error) { return make([]float32, 3), nil },
		"zero":       func(context.Context, string) ([]float32, error) { return make([]float32, dims), nil },
		"NaN": func(context.Context, string) ([]float32, error) {
			v := embed("fox")
			v[0] = float32(math.NaN())
			return v, nil
		},
	} {
		e.setQuery(query)
		legs := ask(t, x, index.Query{Text: "fox"})
		if !errors.Is(legs.Vector.Err, index.ErrEmbed) || len(legs.Keyword.Hits) != 3 || legs.Keyword.Err != nil {
			t.Errorf("%s: got %v and %v, want ErrEmbed and keywords", name, legs.Vector, legs.Keyword)
		}
	}
}

func serverGone(t *testing.T, b Backend) {
	if b.Kill == nil {
		t.Skip("this engine has no server")
	}
	x := b.New(t)(t, newEmbedder())
	ingest(t, x, "c", foxes(0, 3)...)
	ask(t, x, index.Query{Text: "fox"})
	run := begin(t, x, index.BuildOptions{Collection: "c"})
	add(t, run, foxes(3, 6)...)
	b.Kill(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	legs, err := x.Search(ctx, index.Query{Text: "fox", Collection: "c", Depth: 10})
	if err != nil || !errors.Is(legs.Vector.Err, index.ErrOpen) || !errors.Is(legs.Keyword.Err, index.ErrOpen) {
		t.Errorf("got %v, the legs' %v and %v, want ErrOpen of both", err, legs.Vector.Err, legs.Keyword.Err)
	}
	if err := x.Exists(ctx, "c"); err == nil || errors.Is(err, index.ErrNotFound) {
		t.Errorf("exists: got %v, want an error that is not ErrNotFound", err)
	}
	if _, err := run.Commit(ctx); err == nil {
		t.Error("got no error of a commit to a server that is gone")
	}
	b.Restart(t)
	same(t, "after the restart", found(t, ask(t, x, index.Query{Text: "fox"}).Vector), []string{"doc000", "doc001", "doc002"})
	m, _ := ingest(t, x, "c", foxes(3, 6)...)
	if m.Documents != 6 {
		t.Errorf("got %d documents after another run, want 6", m.Documents)
	}
	same(t, "after another run", found(t, ask(t, x, index.Query{Text: "number5", Depth: 1}).Keyword), []string{"doc005"})
}

// held keeps hits while their documents are replaced, and while all vectors are
// made anew: what a search has found can be read after it.
func held(t *testing.T, b Backend) {
	store := b.New(t)
	x := store(t, newEmbedder())
	ingest(t, x, "c", doc("a", "red fox"), doc("b", "blue fox"), doc("c", "black fox"))
	search := func() []index.Hit {
		legs, err := x.Search(t.Context(), index.Query{Text: "fox", Collection: "c", Depth: 10})
		if err != nil || len(legs.Vector.Hits) != 3 || len(legs.Keyword.Hits) != 3 {
			t.Fatalf("got %+v, %v, want 3 hits of each leg", legs, err)
		}
		return slices.Concat(legs.Vector.Hits, legs.Keyword.Hits)
	}
	check := func(when string, hits []index.Hit, texts map[string]string) {
		if err := Load(t.Context(), hits); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		for _, h := range hits {
			want := doc(h.Chunk.DocumentID, texts[h.Chunk.DocumentID])
			if h.Chunk.Text != want.Text || h.Chunk.URL != want.URL || h.Chunk.Title != want.Title || h.Chunk.End != len(want.Text) {
				t.Errorf("%s: got %+v, want the text %q", when, h.Chunk, want.Text)
			}
		}
	}
	first := search()
	ingest(t, x, "c", doc("a", "red fox, now of another text"), doc("b", "blue fox"))
	if _, err := x.Delete(t.Context(), "c", []string{"c"}); err != nil {
		t.Fatal(err)
	}
	check("replaced and deleted", first, map[string]string{"a": "red fox", "b": "blue fox", "c": "black fox"})

	ingest(t, x, "c", doc("a", "red fox"), doc("b", "blue fox"), doc("c", "black fox"))
	second := search()
	other := newEmbedder()
	other.Name = "other@32"
	commit(t, begin(t, store(t, other), index.BuildOptions{Collection: "c", Reembed: true}))
	check("embedded anew", second, map[string]string{"a": "red fox", "b": "blue fox", "c": "black fox"})
}
