package index_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

func TestOtherSpaceIsRefused(t *testing.T) {
	dir := t.TempDir()
	ingest(t, open(t, dir, newEmbedder()), "src", doc("a", "a fox"))
	other := newEmbedder()
	other.space = "other@8"
	x := open(t, dir, other)
	_, err := x.Build(t.Context(), index.BuildOptions{Collection: "c"})
	if !errors.Is(err, index.ErrSpace) {
		t.Fatalf("got error %v, want ErrSpace", err)
	}
	for _, want := range []string{`"c"`, "fake@16", "other@8", "--collection"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got error %q, want one with %s", err, want)
		}
	}
	// Of as many dimensions as the collection has: only the name tells.
	other.query = func(string) ([]float32, error) { return make([]float32, 16), nil }
	legs := ask(t, x, "fox")
	if !errors.Is(legs.Vector.Err, index.ErrSpace) || legs.Vector.Hits != nil {
		t.Errorf("got %+v from the vector leg, want ErrSpace", legs.Vector)
	}
	if got := ids(t, legs.Keyword); len(got) != 1 {
		t.Errorf("got %q from the keyword leg, want the one chunk", got)
	}
	// The refused run has let go of the collection.
	ingest(t, open(t, dir, newEmbedder()), "src", doc("b", "a fox"))
}

func TestEmptyCollectionTakesAnySpace(t *testing.T) {
	dir := t.TempDir()
	ingest(t, open(t, dir, newEmbedder()), "src", doc("a", ""))
	other := &fakeEmbedder{space: "other@2", documents: func(texts []string) ([][]float32, error) {
		return [][]float32{{3, 4}}, nil
	}, query: func(string) ([]float32, error) { return []float32{1, 0}, nil }}
	x := open(t, dir, other)
	if m, _ := ingest(t, x, "src", doc("b", "a fox")); m.Space != "other@2" || m.Dims != 2 {
		t.Errorf("got space %s with %d dimensions, want other@2 with 2", m.Space, m.Dims)
	}
	if hits := ask(t, x, "fox").Vector.Hits; len(hits) != 1 || math.Abs(hits[0].Score-0.6) > 1e-6 {
		t.Errorf("got %+v, want one hit with the cosine 0.6", hits)
	}
}

func TestBadEmbedderEndsTheRun(t *testing.T) {
	dead := errors.New("connection refused")
	filled := func(n int, v ...float32) func([]string) ([][]float32, error) {
		return func(texts []string) ([][]float32, error) {
			out := make([][]float32, len(texts)+n)
			for i := range out {
				out[i] = append([]float32{}, v...)
			}
			return out, nil
		}
	}
	tests := []struct {
		name      string
		documents func([]string) ([][]float32, error)
		want      string
	}{
		{"dead", func([]string) ([][]float32, error) { return nil, dead }, dead.Error()},
		{"too few", filled(-1, make([]float32, dims)...), "vectors for"},
		{"too many", filled(1, make([]float32, dims)...), "vectors for"},
		{"NaN", filled(0, append(make([]float32, dims-1), float32(math.NaN()))...), "not finite"},
		{"infinite", filled(0, append(make([]float32, dims-1), float32(math.Inf(1)))...), "not finite"},
		{"other dimensions", filled(0, 1, 2, 3), "3 dimensions, the collection has 16"},
		{"no dimensions", filled(0), "0 dimensions"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, e := t.TempDir(), newEmbedder()
			x := open(t, dir, e)
			ingest(t, x, "src", doc("a", "a fox"))
			before := folder(t, dir)
			e.documents = tt.documents

			b := begin(t, x)
			add(t, b, "src", doc("b", "one more fox"), doc("d", "and another fox"))
			_, err := b.Commit(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("commit: got error %v, want one with %q", err, tt.want)
			}
			var one *index.DocumentError
			if errors.As(err, &one) {
				t.Error("got a DocumentError, want one that ends the run")
			}
			if diff := cmp.Diff(before, folder(t, dir)); diff != "" {
				t.Errorf("the failed run changed files:\n%s", diff)
			}
			holds(t, x, "a")

			b = begin(t, x) // many documents: it fails within Add
			for _, d := range foxes(200) {
				if _, err = b.Add(t.Context(), "src", d); err != nil {
					break
				}
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("add: got error %v, want one with %q", err, tt.want)
			}
			if m, err := b.Commit(t.Context()); err == nil {
				t.Errorf("got generation %d published after the run ended with an error", m.Generation)
			}
			holds(t, x, "a")

			e.documents = nil
			ingest(t, x, "src", doc("b", "one more fox"))
			holds(t, x, "a", "b")
		})
	}
}

// TestNoDimensionsInFirstRun has no dimensions to compare with.
func TestNoDimensionsInFirstRun(t *testing.T) {
	e := newEmbedder()
	e.documents = func(texts []string) ([][]float32, error) { return make([][]float32, len(texts)), nil }
	b := begin(t, open(t, t.TempDir(), e))
	add(t, b, "src", doc("a", "a fox"))
	if _, err := b.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "0 dimensions") {
		t.Errorf("got error %v, want one about 0 dimensions", err)
	}
}

func TestBadQueryVectorIsTheLegsError(t *testing.T) {
	e := newEmbedder()
	x := open(t, t.TempDir(), e)
	ingest(t, x, "src", doc("a", "a fox"))
	for want, v := range map[string][]float32{
		"dimensions": {1, 2},
		"not finite": append(make([]float32, dims-1), float32(math.NaN())),
		"all zero":   make([]float32, dims),
		"refused":    nil,
	} {
		e.query = func(string) ([]float32, error) {
			if v == nil {
				return nil, errors.New("refused")
			}
			return v, nil
		}
		legs := ask(t, x, "fox")
		if !errors.Is(legs.Vector.Err, index.ErrEmbed) || !strings.Contains(legs.Vector.Err.Error(), want) {
			t.Errorf("got error %v, want one with %q", legs.Vector.Err, want)
		}
		if got := ids(t, legs.Keyword); len(got) != 1 {
			t.Errorf("%s: got %q from the keyword leg, want the one chunk", want, got)
		}
	}
	e.query = func(string) ([]float32, error) { return make([]float32, dims), nil }
	if got := ids(t, ask(t, x, " ").Vector); len(got) != 0 {
		t.Errorf("got %q for a blank query, want none", got)
	}
}

func TestCancelledRun(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir, newEmbedder())
	ingest(t, x, "src", doc("a", "a fox"))
	before := folder(t, dir)
	b := begin(t, x)
	add(t, b, "src", doc("b", "one more fox"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	if diff := cmp.Diff(before, folder(t, dir)); diff != "" {
		t.Errorf("the cancelled run changed files:\n%s", diff)
	}
	legs, err := x.Search(ctx, index.Query{Text: "fox", Collection: "c", Depth: 1})
	if err != nil || !errors.Is(legs.Vector.Err, context.Canceled) || !errors.Is(legs.Keyword.Err, context.Canceled) {
		t.Errorf("got %+v, error %v from a cancelled search, want both legs cancelled", legs, err)
	}
}
