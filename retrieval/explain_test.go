package retrieval

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

// explained is an explanation as lines.
func explained(hits []ExplainedHit) []string {
	var out []string
	rank := func(r *Rank) string {
		if r == nil {
			return "-"
		}
		return fmt.Sprint(r.Rank)
	}
	for _, h := range hits {
		line := fmt.Sprintf("%d %s v%s k%s", h.N, h.ID, rank(h.Vector), rank(h.Keyword))
		if h.Rerank > 0 {
			line += fmt.Sprintf(" r%d", h.Rerank)
		}
		out = append(out, strings.TrimSpace(line+" "+h.Cut))
	}
	return out
}

func TestExplain(t *testing.T) {
	twin := hit("b2", 6)
	twin.Chunk.Text = "text of b"
	legs := index.Legs{
		Vector:  leg(hit("a", .9), hit("b", .8), hit("c", .3)),
		Keyword: leg(hit("b", 8), twin, hit("d", 2), hit("a", 1)),
	}
	for name, c := range map[string]struct {
		change func(*Options)
		want   []string
	}{
		"top k":     {func(*Options) {}, []string{"1 b v2 k1", "2 a v1 k4", "0 b2 v- k2 top_k", "0 d v- k3 top_k", "0 c v3 k- top_k"}},
		"min score": {func(o *Options) { o.TopK, o.MinScore = 5, .3 }, []string{"1 b v2 k1", "2 a v1 k4", "0 b2 v- k2 duplicate", "0 d v- k3 min_score", "0 c v3 k- min_score"}},
		"budget":    {func(o *Options) { o.MaxContextTokens, o.Tokens = 5, &TokenCounter{} }, []string{"0 b v2 k1 budget", "0 a v1 k4 budget", "0 b2 v- k2 top_k", "0 d v- k3 top_k", "0 c v3 k- top_k"}},
		"re-ranked": {func(o *Options) {
			o.TopK = 1
			o.Rerank = RerankOptions{Reranker: fakeReranker(func(_ context.Context, _ string, passages []string) ([]float64, error) {
				scores := make([]float64, len(passages))
				for i := range scores {
					scores[i] = float64(i)
				}
				return scores, nil
			}), Depth: 3}
		}, []string{"0 b v2 k1 r3 rerank", "0 a v1 k4 r2 top_k", "0 b2 v- k2 duplicate", "1 d v- k3 r1", "0 c v3 k- top_k"}},
	} {
		t.Run(name, func(t *testing.T) {
			opts := options(t, finds(legs))
			c.change(&opts)
			res, err := New(opts).Retrieve(t.Context(), Request{Turn: "q", Explain: true}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, explained(res.Explanation)); diff != "" {
				t.Errorf("explanation (-want +got):\n%s", diff)
			}
			passages := 0
			for _, h := range res.Explanation {
				if h.N > 0 {
					passages++
				}
			}
			if passages != len(res.Sources) {
				t.Errorf("got %d passages explained, want the %d of the result", passages, len(res.Sources))
			}
			plain, err := New(opts).Retrieve(t.Context(), Request{Turn: "q"}, nil)
			if err != nil || plain.Explanation != nil {
				t.Errorf("got an explanation that nobody asked for, or %v", err)
			}
		})
	}
}

// TestExplainBeside has a hit that only the search for an earlier turn found.
func TestExplainBeside(t *testing.T) {
	s := fakeSearcher{search: func(_ context.Context, q index.Query) (index.Legs, error) {
		if q.Text == "earlier" {
			return index.Legs{Vector: leg(hit("x", .9), hit("a", .2)), Keyword: leg(hit("a", 3))}, nil
		}
		return index.Legs{Vector: leg(hit("a", .9)), Keyword: leg(hit("b", 3), hit("a", 2))}, nil
	}}
	opts := options(t, s)
	opts.Rewrite = RewriteOptions{Mode: RewriteNever, History: true}
	opts.TopK = 3
	res, err := New(opts).Retrieve(t.Context(), Request{History: []Message{{"user", "earlier"}}, Turn: "q", Explain: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1 a v1 k2", "2 b v- k1", "3 x v1 k-"}
	if diff := cmp.Diff(want, explained(res.Explanation)); diff != "" {
		t.Errorf("explanation (-want +got):\n%s", diff)
	}
}

func TestStages(t *testing.T) {
	dead := errors.New("dead")
	opts := options(t, finds(index.Legs{
		Vector: index.Leg{Err: fmt.Errorf("embed query: %w", dead), Took: 5}, Embed: index.Embed{Took: 4, Err: dead},
		Keyword: leg(hit("a", 1), hit("b", 2)),
	}))
	opts.Rerank = RerankOptions{Reranker: fakeReranker(func(context.Context, string, []string) ([]float64, error) { return nil, dead }), Depth: 3}
	res, err := New(opts).Retrieve(t.Context(), Request{History: []Message{{"user", "x"}}, Turn: "q", Completer: says("query")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range res.Stages {
		line := s.Name
		if s.Err != nil {
			line += " " + s.Err.Code
		}
		if s.Begin.IsZero() || s.Took < 0 {
			t.Errorf("got %s from %v for %v, want a span of time", s.Name, s.Begin, s.Took)
		}
		got = append(got, line)
	}
	want := []string{"rewrite", "embed leg_failed", "bm25", "rerank rerank_failed", "budget"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
}
