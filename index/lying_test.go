package index_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/vector"
)

// lyingVector and lyingKeyword open searchers that answer with what say says.
type lyingVector struct {
	index.VectorEngine
	say func() []index.Match
}

func (e lyingVector) Open(index.Matrix, string) (index.VectorSearcher, error) {
	return lyingSearcher{e.say}, nil
}

type lyingKeyword struct {
	index.KeywordEngine
	say func() []index.Match
}

func (e lyingKeyword) Open([]string) (index.KeywordSearcher, error) {
	return lyingKeywords{lyingSearcher{e.say}}, nil
}

type lyingSearcher struct{ say func() []index.Match }

func (s lyingSearcher) Search(context.Context, []float32, int, index.Allow) ([]index.Match, error) {
	return s.say(), nil
}
func (lyingSearcher) Close() error { return nil }

type lyingKeywords struct{ lyingSearcher }

func (s lyingKeywords) Search(context.Context, string, int, index.Allow) ([]index.Match, error) {
	return s.say(), nil
}

// TestEngineIsNotBelieved: a leg whose engine gives what cannot be, or panics,
// has failed, and the other one answers.
func TestEngineIsNotBelieved(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir, newEmbedder())
	ingest(t, x, "src", foxes(3)...)
	if gone, err := x.Delete(t.Context(), "c", []string{"doc02"}); err != nil || len(gone) != 1 {
		t.Fatalf("delete: %v, %v", gone, err)
	}
	for _, tt := range []struct {
		name, want string
		say        func() []index.Match
	}{
		{"NaN", "not finite", func() []index.Match { return []index.Match{{Row: 0, Score: math.NaN()}} }},
		{"infinite", "not finite", func() []index.Match { return []index.Match{{Row: 0, Score: math.Inf(1)}} }},
		{"unknown row", "has 3", func() []index.Match { return []index.Match{{Row: 3, Score: 1}} }},
		{"negative row", "has 3", func() []index.Match { return []index.Match{{Row: -1, Score: 1}} }},
		{"deleted row", "deleted or filtered out", func() []index.Match { return []index.Match{{Row: 2, Score: 1}} }},
		{"panic", "panic", func() []index.Match { panic("boom") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			exact, err := vector.New("exact")
			if err != nil {
				t.Fatal(err)
			}
			lie := open(t, dir, newEmbedder(), func(o *index.Options) {
				o.VectorByName = func(string) (index.VectorEngine, error) { return lyingVector{exact, tt.say}, nil }
			})
			if legs := ask(t, lie, "fox"); legs.Vector.Err == nil || !strings.Contains(legs.Vector.Err.Error(), tt.want) || len(ids(t, legs.Keyword)) != 2 {
				t.Errorf("vector leg: got %v, want an error with %q and the keyword leg's hits", legs.Vector.Err, tt.want)
			}
			lie = open(t, dir, newEmbedder(), func(o *index.Options) {
				o.Keyword = lyingKeyword{o.Keyword, tt.say}
			})
			if legs := ask(t, lie, "fox"); legs.Keyword.Err == nil || !strings.Contains(legs.Keyword.Err.Error(), tt.want) || len(ids(t, legs.Vector)) != 2 {
				t.Errorf("keyword leg: got %v, want an error with %q and the vector leg's hits", legs.Keyword.Err, tt.want)
			}
		})
	}
}

type panickingVector struct{ index.VectorEngine }

func (panickingVector) Open(index.Matrix, string) (index.VectorSearcher, error) { panic("boom") }

type panickingKeyword struct{ index.KeywordEngine }

func (panickingKeyword) Open([]string) (index.KeywordSearcher, error) { panic("boom") }

// TestEnginePanicsWhileOpening: the other leg answers.
func TestEnginePanicsWhileOpening(t *testing.T) {
	dir := t.TempDir()
	ingest(t, open(t, dir, newEmbedder()), "src", doc("a", "a fox"))
	legs := ask(t, open(t, dir, newEmbedder(), func(o *index.Options) {
		o.VectorByName = func(string) (index.VectorEngine, error) { return panickingVector{o.Vector}, nil }
	}), "fox")
	if legs.Vector.Err == nil || len(ids(t, legs.Keyword)) != 1 {
		t.Errorf("vector leg: got %v, want an error and the keyword leg's hit", legs.Vector.Err)
	}
	legs = ask(t, open(t, dir, newEmbedder(), func(o *index.Options) { o.Keyword = panickingKeyword{o.Keyword} }), "fox")
	if legs.Keyword.Err == nil || len(ids(t, legs.Vector)) != 1 {
		t.Errorf("keyword leg: got %v, want an error and the vector leg's hit", legs.Keyword.Err)
	}
}
