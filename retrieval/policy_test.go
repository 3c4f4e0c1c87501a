package retrieval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/internal/breaker"
)

// TestLegErrors gives each failure of a leg its stage and its code.
func TestLegErrors(t *testing.T) {
	for _, tt := range []struct {
		err         error
		stage, code string
	}{
		{errDead, LegVector, "leg_failed"},
		{context.DeadlineExceeded, LegVector, "deadline"},
		{fmt.Errorf("%w: %w", index.ErrEmbed, errDead), StageEmbed, "embedding_failed"},
		{fmt.Errorf("%w: %w", index.ErrEmbed, context.DeadlineExceeded), StageEmbed, "deadline"},
		{fmt.Errorf("%w: %w", index.ErrEmbed, breaker.ErrOpen), StageEmbed, "circuit_open"},
		{fmt.Errorf("%w: %w", index.ErrEmbed, index.ErrSpace), StageEmbed, "embedding_space_mismatch"},
		{index.ErrSpace, StageEmbed, "embedding_space_mismatch"},
		{fmt.Errorf("%w: %w", index.ErrOpen, errDead), StageIndex, "index_failed"},
		{fmt.Errorf("%w: %w", index.ErrOpen, context.DeadlineExceeded), StageIndex, "deadline"},
	} {
		f := RetrievalFailed{Leg: LegVector, Err: legError(tt.err)}
		if f.Stage() != tt.stage || f.Err.Code != tt.code || !errors.Is(f.Err, tt.err) {
			t.Errorf("%v: got stage %s, code %s, want %s, %s", tt.err, f.Stage(), f.Err.Code, tt.stage, tt.code)
		}
	}
}

// TestPolicies has every stage fail under the policies of each other one.
func TestPolicies(t *testing.T) {
	good := leg(hit("a", 1), hit("b", .5))
	broken := map[string]func(*Options, *Request){
		StageRewrite: func(_ *Options, req *Request) { req.Completer = says("") },
		StageEmbed: func(o *Options, _ *Request) {
			o.Searcher = finds(index.Legs{Vector: index.Leg{Err: index.ErrEmbed}, Keyword: good})
		},
		LegVector: func(o *Options, _ *Request) {
			o.Searcher = finds(index.Legs{Vector: index.Leg{Err: errDead}, Keyword: good})
		},
		LegKeyword: func(o *Options, _ *Request) {
			o.Searcher = finds(index.Legs{Vector: good, Keyword: index.Leg{Err: errDead}})
		},
		StageRerank: func(o *Options, _ *Request) {
			o.Rerank = RerankOptions{Depth: 2, Reranker: fakeReranker(func(context.Context, string, []string) ([]float64, error) { return nil, errDead })}
		},
		StageIndex: func(o *Options, _ *Request) {
			o.Searcher = finds(index.Legs{Vector: index.Leg{Err: index.ErrOpen}, Keyword: index.Leg{Err: index.ErrOpen}})
		},
	}
	for fault, apply := range broken {
		for policy := range broken {
			t.Run(fault+" fails, "+policy+" must not", func(t *testing.T) {
				opts := options(t, finds(index.Legs{Vector: good, Keyword: good}))
				opts.Policies = Policies{policy: true}
				req := Request{Turn: "raw", History: history, Completer: says("new query")}
				apply(&opts, &req)
				var got tape
				res, err := New(opts).Retrieve(t.Context(), req, got.on)
				var failed *StageFailed
				if fault != policy {
					if err != nil || len(res.Degraded) == 0 {
						t.Errorf("got %+v, error %v, want a degraded answer", res, err)
					}
					return
				}
				if !errors.As(err, &failed) || failed.Stage != policy || res != nil {
					t.Fatalf("got %+v, error %v, want the stage %s failed", res, err, policy)
				}
				if last := got[len(got)-1]; !strings.Contains(last, ".failed: ") {
					t.Errorf("got %q last, want the failure told", last)
				}
				if fault != StageRewrite {
					if _, err := New(opts).Search(t.Context(), SearchRequest{Query: "q", TopK: 2}); !errors.As(err, &failed) || failed.Stage != policy {
						t.Errorf("search: got %v, want the stage %s failed", err, policy)
					}
				}
			})
		}
	}
}

// TestSearcherIsNotBelieved: no order follows from such answers.
func TestSearcherIsNotBelieved(t *testing.T) {
	good := leg(hit("a", 1))
	for name, bad := range map[string]index.Leg{
		"NaN":          leg(hit("a", math.NaN())),
		"infinite":     leg(hit("b", 1), hit("a", math.Inf(-1))),
		"no id":        leg(hit("", 1)),
		"NaN floor":    {Hits: good.Hits, Floor: math.NaN()},
		"infinite top": {Hits: good.Hits, Ceiling: math.Inf(1)},
	} {
		found, err := New(options(t, finds(index.Legs{Vector: bad, Keyword: good}))).Search(t.Context(), SearchRequest{Query: "q", TopK: 4})
		if err != nil || len(found.Failed) != 1 || found.Failed[0].Err.Code != "leg_failed" {
			t.Errorf("%s: got %+v, error %v, want a failed leg", name, found.Failed, err)
		}
		if diff := cmp.Diff([]string{"a"}, sourceIDs(found.Sources)); diff != "" {
			t.Errorf("%s: sources (-want +got):\n%s", name, diff)
		}
	}
}

func TestQueryFault(t *testing.T) {
	long := strings.Repeat("word ", 1000)
	for _, tt := range []struct {
		query, turn string
		ok          bool
	}{
		{"what is planning", "and that?", true},
		{"计划是什么", "那个呢", true},
		{"42", "and then?", true},
		{"", "q", false},
		{"?!", "q", false},
		{"👍", "q", false},
		{"👍", "👍", true}, // as the user said it
		{long, "q", false},
		{long, long[:3000], true},
		{long, long, true},
	} {
		if err := queryFault(tt.query, tt.turn); (err == nil) != tt.ok {
			t.Errorf("%.20q for %.20q: got %v, want a query %t", tt.query, tt.turn, err, tt.ok)
		}
	}
}

// TestNamedCollectionThatCannotBeRead: only an unknown one is the client's
// mistake.
func TestNamedCollectionThatCannotBeRead(t *testing.T) {
	s := finds(index.Legs{Vector: index.Leg{Err: index.ErrOpen}, Keyword: index.Leg{Err: index.ErrOpen}})
	s.exists = func(context.Context, string) error { return errDead }
	res, err := New(options(t, s)).Retrieve(t.Context(), Request{Turn: "q", Collection: "mine"}, nil)
	if err != nil {
		t.Fatalf("got error %v, want a degraded answer", err)
	}
	if diff := cmp.Diff([]string{LegVector, LegKeyword}, res.Degraded); diff != "" {
		t.Errorf("degraded (-want +got):\n%s", diff)
	}
}
