package eval_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/load"
	"github.com/ragproxy/ragproxy/retrieval"
	"github.com/ragproxy/ragproxy/retrieval/eval"
)

// fakeSearcher answers each query with chunks, named "<document>#<number>", by
// the vector leg.
type fakeSearcher struct {
	chunks map[string][]string
	err    error

	mu    sync.Mutex
	asked []string
	depth int
}

func (s *fakeSearcher) Search(_ context.Context, q index.Query) (index.Legs, error) {
	s.mu.Lock()
	s.asked, s.depth = append(s.asked, q.Text), q.Depth
	s.mu.Unlock()
	legs := index.Legs{Vector: index.Leg{Err: s.err}}
	for i, id := range s.chunks[q.Text] {
		doc, _, _ := strings.Cut(id, "#")
		legs.Vector.Hits = append(legs.Vector.Hits, index.Hit{
			Chunk: index.Chunk{ID: id, DocumentID: doc, Text: "text of " + id, Start: 0, End: 10}, Score: 1 / float64(i+1),
		})
	}
	return legs, nil
}

func (s *fakeSearcher) Exists(context.Context, string) error { return nil }

// queries are what was asked, sorted.
func (s *fakeSearcher) queries() string {
	slices.Sort(s.asked)
	return strings.Join(s.asked, " ")
}

func conversation() eval.Question {
	return eval.Question{
		ID: "q", Rewrite: "b of a", Grades: map[string]float64{"d2": 1},
		Messages: []retrieval.Message{{Role: "user", Text: "a"}, {Role: "user", Text: "b"}},
	}
}

func evaluate(t *testing.T, s *fakeSearcher, turns string, set *eval.Set) *eval.Report {
	t.Helper()
	r, err := eval.Evaluate(t.Context(), set, eval.Options{
		Retriever: pipeline(t, s, 1), Collection: collection, Depth: 50, TopK: 2, Turns: turns,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A document counts with its best chunk.
func TestEvaluateDocuments(t *testing.T) {
	s := &fakeSearcher{chunks: map[string][]string{"b": {"d1#1", "d1#2", "d2#3", "d1#3", "d3#1"}}}
	set := &eval.Set{Layout: eval.Queries, Questions: []eval.Question{
		conversation(), {ID: "nothing found", Messages: []retrieval.Message{{Role: "user", Text: "c"}}, Grades: map[string]float64{"d1": 1}},
	}}
	r := evaluate(t, s, eval.TurnsLast, set)
	want := eval.Run{"q": {{Document: "d1", Score: 1}, {Document: "d2", Score: 1. / 3}, {Document: "d3", Score: 1. / 5}}, "nothing found": nil}
	if diff := cmp.Diff(want, r.Run); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"ndcg@10", "r@4", "r@5", "mrr"}, r.Measures); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	all := r.All()
	if all.Queries != 2 {
		t.Errorf("got %d queries, want every judged one, 2", all.Queries)
	}
	near(t, "ndcg@10", all.Means[0].Value, .63093/2)
	near(t, "mrr", all.Means[3].Value, .25)
	near(t, "mrr of the first", r.Of([]int{0}).Means[3].Value, .5)
	if s.depth < 50 {
		t.Errorf("got depth %d, want at least 50", s.depth)
	}
}

func TestEvaluateTurns(t *testing.T) {
	first := eval.Question{ID: "first", Rewrite: "never asked", Messages: []retrieval.Message{{Role: "user", Text: "x"}}, Grades: map[string]float64{"d": 1}}
	for _, test := range []struct {
		turns     string
		asked     string // in any order: the user's own words are searched beside the rewrite
		rewritten int
	}{
		{eval.TurnsLast, "b x", 0},
		{eval.TurnsRewrite, "b b of a x", 1},
		{eval.TurnsHistory, "b x", 0},
	} {
		s := &fakeSearcher{}
		set := &eval.Set{Layout: eval.Conversations, Questions: []eval.Question{conversation(), first}}
		r := evaluate(t, s, test.turns, set)
		if got := s.queries(); got != test.asked || r.Rewritten != test.rewritten {
			t.Errorf("turns %s: got %q asked and %d rewritten, want %q and %d", test.turns, got, r.Rewritten, test.asked, test.rewritten)
		}
	}
}

// Passages are judged as they go into the prompt: the first TopK chunks.
func TestEvaluatePassages(t *testing.T) {
	s := &fakeSearcher{chunks: map[string][]string{"b": {"d2#1", "d3#1", "d4#1"}}}
	q := conversation()
	q.Spans = eval.Spanned{Document: "d2", Spans: []eval.Span{{5, 15}}}
	q.MustContain = []string{"of d4"}
	for _, test := range []struct {
		layout, measure string
		want            float64
	}{{eval.Spans, "covered@2", .5}, {eval.Strings, "contained@2", 0}} {
		r := evaluate(t, s, eval.TurnsLast, &eval.Set{Layout: test.layout, Questions: []eval.Question{q}})
		if m := r.All().Means[0]; m.Measure != test.measure || m.Value != test.want || len(r.Run) > 0 {
			t.Errorf("%s: got %+v and the run %v, want %s %v and none", test.layout, m, r.Run, test.measure, test.want)
		}
		if _, err := r.CompareRun(eval.Run{"q": nil}); err == nil {
			t.Errorf("%s: got no error from CompareRun, want one", test.layout)
		}
	}
}

// The numbers of a pipeline with a dead leg would be those of another one.
func TestEvaluateDegraded(t *testing.T) {
	dead := errors.New("connection refused")
	set := &eval.Set{Layout: eval.Conversations, Questions: []eval.Question{conversation()}}
	opts := eval.Options{Retriever: pipeline(t, &fakeSearcher{err: dead}, 1), Collection: collection, Depth: 50}
	if _, err := eval.Evaluate(t.Context(), set, opts); !errors.Is(err, dead) || !strings.Contains(err.Error(), "ask q: ") {
		t.Errorf("got error %v, want the leg's and the query", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := eval.Evaluate(ctx, set, opts); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want the context's", err)
	}
}

func TestCompareRun(t *testing.T) {
	s := &fakeSearcher{chunks: map[string][]string{"b": {"d2#1"}}}
	r := evaluate(t, s, eval.TurnsLast, &eval.Set{Layout: eval.Queries, Questions: []eval.Question{conversation()}})
	if c, err := r.CompareRun(r.Run); err != nil || c != (eval.Comparison{P: 1}) {
		t.Errorf("with itself: got %+v, %v, want no difference", c, err)
	}
	c, err := r.CompareRun(eval.Run{"q": {{Document: "d1"}, {Document: "d2"}}})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "difference", c.Difference, 1-.63093)
	if _, err := r.CompareRun(eval.Run{"other": {{Document: "d1"}}}); err == nil {
		t.Error("got no error for a run of other queries, want one")
	}
}

// TestDocs holds the keyword leg to what it reached on a set of documentation.
func TestDocs(t *testing.T) {
	dir := os.Getenv("RAGPROXY_TEST_DATA")
	if dir == "" {
		t.Skip("RAGPROXY_TEST_DATA does not name a folder with docs/")
	}
	set, err := eval.Open(filepath.Join(dir, "docs"))
	if err != nil {
		t.Fatal(err)
	}
	loader, err := load.Open(set.Sources[0], load.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := eval.Evaluate(t.Context(), set, eval.Options{
		Retriever: pipeline(t, build(t, noEmbedder{}, loader), 0), Collection: collection, Depth: 100, Turns: eval.TurnsLast,
	})
	if err != nil {
		t.Fatal(err)
	}
	got := r.All().Means[0]
	t.Logf("%s %.4f [%.4f, %.4f]", got.Measure, got.Value, got.Low, got.High)
	if got.Value < .70 {
		t.Errorf("got nDCG@10 %.4f, want at least .70", got.Value)
	}
}
