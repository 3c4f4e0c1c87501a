package retrieval

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

type fakeReranker func(ctx context.Context, query string, passages []string) ([]float64, error)

func (f fakeReranker) Rerank(ctx context.Context, query string, passages []string) ([]float64, error) {
	return f(ctx, query, passages)
}

// gives scores passages by their texts; others have 0.
func gives(scores map[string]float64) fakeReranker {
	return func(_ context.Context, _ string, passages []string) ([]float64, error) {
		out := make([]float64, len(passages))
		for i, p := range passages {
			out[i] = scores[p]
		}
		return out, nil
	}
}

// abcde is a search of five chunks whose fused order is a to e.
func abcde() fakeSearcher {
	return finds(index.Legs{Vector: leg(hit("a", .9), hit("b", .8), hit("c", .7), hit("d", .6), hit("e", .5))})
}

func TestRerankedOrder(t *testing.T) {
	scores := map[string]float64{"text of c": 3, "text of d": 2, "text of e": 9, "text of a": -1, "text of b": -1}
	tests := []struct {
		name        string
		depth, topK int
		minScore    float64
		want        []string
	}{
		{"all", 10, 5, 0, []string{"e", "c", "d", "a", "b"}},
		{"from below the top k", 10, 2, 0, []string{"e", "c"}},
		{"the rest follows", 3, 5, 0, []string{"c", "a", "b", "d", "e"}},
		{"within the depth only", 3, 1, 0, []string{"c"}},
		{"depth 1 changes nothing", 1, 3, 0, []string{"a", "b", "c"}},
		{"no depth changes nothing", 0, 3, 0, []string{"a", "b", "c"}},
		{"min_score is of the fused", 10, 5, .2, []string{"c", "a", "b"}},
		{"none wanted", 10, 0, 0, []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opts := options(t, abcde())
			opts.MinScore, opts.Rerank = tt.minScore, RerankOptions{Reranker: gives(scores), Depth: tt.depth}
			found, err := New(opts).Search(t.Context(), SearchRequest{Query: "q", Collection: "c", TopK: tt.topK})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, sourceIDs(found.Sources)); diff != "" || len(found.Failed) > 0 {
				t.Errorf("failed: %v; (-want +got):\n%s", found.Failed, diff)
			}
		})
	}
}

func TestRerankKeepsFusedScores(t *testing.T) {
	search := func(r Reranker) map[string]float64 {
		opts := options(t, abcde())
		opts.Rerank = RerankOptions{Reranker: r, Depth: 10}
		found, err := New(opts).Search(t.Context(), SearchRequest{Query: "q", TopK: 5})
		if err != nil {
			t.Fatal(err)
		}
		scores := map[string]float64{}
		for _, s := range found.Sources {
			scores[s.Chunk.ID] = s.Score
		}
		return scores
	}
	if diff := cmp.Diff(search(nil), search(gives(map[string]float64{"text of e": 7}))); diff != "" {
		t.Errorf("(-without +with a re-ranker):\n%s", diff)
	}
}

// TestRerankSeesEachTextOnce has it asked for the final query and for texts
// that differ.
func TestRerankSeesEachTextOnce(t *testing.T) {
	same := hit("b", .8)
	same.Chunk.Text = "text of  a"
	var gotQuery string
	var got []string
	opts := options(t, finds(index.Legs{Vector: leg(hit("a", .9), same, hit("c", .7), hit("d", .6), hit("e", .5))}))
	opts.Rerank = RerankOptions{Depth: 3, Reranker: fakeReranker(func(_ context.Context, query string, passages []string) ([]float64, error) {
		gotQuery, got = query, passages
		return make([]float64, len(passages)), nil
	})}
	req := Request{Turn: "and it?", History: []Message{{"user", "hi"}}, Completer: says("what is it?")}
	if _, err := New(opts).Retrieve(t.Context(), req, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"text of a", "text of c", "text of d"}, got); diff != "" || gotQuery != "what is it?" {
		t.Errorf("got the query %q, want the rewrite; passages (-want +got):\n%s", gotQuery, diff)
	}
}

func TestRerankIsNotAskedInVain(t *testing.T) {
	for name, tt := range map[string]struct {
		query string
		legs  index.Legs
	}{
		"nothing found": {"q", index.Legs{}},
		"one found":     {"q", index.Legs{Vector: leg(hit("a", 1))}},
		"no query":      {" \n", index.Legs{Vector: leg(hit("a", 1), hit("b", .5))}},
	} {
		opts := options(t, finds(tt.legs))
		opts.Rerank = RerankOptions{Depth: 10, Reranker: fakeReranker(func(context.Context, string, []string) ([]float64, error) {
			t.Errorf("%s: the re-ranker was asked, want no call", name)
			return nil, errDead
		})}
		if _, err := New(opts).Search(t.Context(), SearchRequest{Query: tt.query, TopK: 4}); err != nil {
			t.Error(err)
		}
	}
}

// TestRerankDegrades has the fused order stand, and says so, whatever the
// re-ranker does.
func TestRerankDegrades(t *testing.T) {
	tests := []struct {
		name   string
		rerank fakeReranker
		code   string
	}{
		{"refused", func(context.Context, string, []string) ([]float64, error) { return nil, errDead }, "rerank_failed"},
		{"too few", func(context.Context, string, []string) ([]float64, error) { return []float64{1, 2, 3, 4}, nil }, "rerank_failed"},
		{"too many", func(context.Context, string, []string) ([]float64, error) { return make([]float64, 6), nil }, "rerank_failed"},
		{"NaN", func(context.Context, string, []string) ([]float64, error) {
			return []float64{1, 2, math.NaN(), 4, 5}, nil
		}, "rerank_failed"},
		{"infinite", func(context.Context, string, []string) ([]float64, error) {
			return []float64{1, 2, math.Inf(1), 4, 5}, nil
		}, "rerank_failed"},
		{"late", func(ctx context.Context, _ string, _ []string) ([]float64, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, "deadline"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := options(t, abcde())
				opts.Rerank = RerankOptions{Reranker: tt.rerank, Depth: 10, Deadline: 2 * time.Second}
				var got tape
				begin := time.Now()
				res, err := New(opts).Retrieve(t.Context(), Request{Turn: "q"}, got.on)
				if err != nil {
					t.Fatal(err)
				}
				want := tape{
					`retrieval.started: "q" 2 of default`,
					"retrieval.failed: rerank " + tt.code + `, so ""`,
					`retrieval.done: "q" [rerank] [a b]`,
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff([]string{StageRerank}, res.Degraded); diff != "" || len(res.Causes) != 1 {
					t.Errorf("got the causes %v, want one; degraded (-want +got):\n%s", res.Causes, diff)
				}
				if took := time.Since(begin); tt.code == "deadline" && took != 2*time.Second {
					t.Errorf("got an answer after %s, want it after 2s", took)
				}
			})
		})
	}
}

func TestRerankAfterADeadLeg(t *testing.T) {
	legs := index.Legs{Vector: index.Leg{Err: errDead}, Keyword: leg(hit("a", 9), hit("b", 5))}
	opts := options(t, finds(legs))
	opts.Rerank = RerankOptions{Depth: 10, Reranker: fakeReranker(func(context.Context, string, []string) ([]float64, error) { return nil, errDead })}
	found, err := New(opts).Search(t.Context(), SearchRequest{Query: "q", TopK: 4})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found.Failed {
		got = append(got, f.Leg+" "+f.Fallback)
	}
	if diff := cmp.Diff([]string{"vector bm25", "rerank "}, got); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
}

// TestRerankCancelled has the client leave meanwhile: nothing is told, and the
// error is why.
func TestRerankCancelled(t *testing.T) {
	gone := errors.New("the client has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	opts := options(t, abcde())
	opts.Rerank = RerankOptions{Depth: 10, Deadline: time.Minute, Reranker: fakeReranker(func(ctx context.Context, _ string, _ []string) ([]float64, error) {
		cancel(gone)
		<-ctx.Done()
		return nil, ctx.Err()
	})}
	var got tape
	_, err := New(opts).Retrieve(ctx, Request{Turn: "q"}, got.on)
	if want := (tape{`retrieval.started: "q" 2 of default`}); !errors.Is(err, gone) || !cmp.Equal(want, got) {
		t.Errorf("got error %v and events %v, want the context's cause and %v", err, got, want)
	}
}
