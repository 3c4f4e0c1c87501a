package retrieval

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ragproxy/ragproxy/index"
)

// searches answers by query and keeps what it was asked.
type searches struct {
	legs map[string]index.Legs

	mu    sync.Mutex
	asked []string
}

func (s *searches) Exists(context.Context, string) error { return nil }

func (s *searches) Search(_ context.Context, q index.Query) (index.Legs, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, q.Text)
	return s.legs[q.Text], nil
}

func (s *searches) queries() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.asked)
	return strings.Join(s.asked, ", ")
}

func TestWhichSearchStands(t *testing.T) {
	legs := map[string]index.Legs{
		"how does it work?":       {Vector: leg(hit("own", .8), hit("both", .4), hit("low", .1))},
		"How does the pump work?": {Vector: leg(hit("both", .9), hit("new", .8), hit("low", .1))},
	}
	tests := []struct {
		name      string
		completer Completer
		history   []Message
		asked     string
		sources   []string
	}{
		{"no history", noModel(t), nil, "how does it work?", []string{"own", "both"}},
		{"rewritten", says("How does the pump work?"), history, "How does the pump work?, how does it work?", []string{"both", "new"}},
		{"left as it is", says("How does  it work"), history, "how does it work?", []string{"own", "both"}},
		{"failed", says(""), history, "how does it work?", []string{"own", "both"}},
	}
	for _, tt := range tests {
		s := &searches{legs: legs}
		res, err := New(options(t, s)).Retrieve(t.Context(), Request{Turn: "how does it work?", History: tt.history, Completer: tt.completer}, nil)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := s.queries(); got != tt.asked {
			t.Errorf("%s: got searches for %q, want %q", tt.name, got, tt.asked)
		}
		if got := sourceIDs(res.Sources); !slices.Equal(got, tt.sources) {
			t.Errorf("%s: got sources %q, want %q", tt.name, got, tt.sources)
		}
	}
}

// TestSearchDoesNotWaitForTheRewrite lets the model answer only when the
// user's own words have been searched.
func TestSearchDoesNotWaitForTheRewrite(t *testing.T) {
	searched := make(chan struct{})
	s := fakeSearcher{search: func(_ context.Context, q index.Query) (index.Legs, error) {
		if q.Text == "raw" {
			close(searched)
		}
		return index.Legs{}, nil
	}}
	model := fakeCompleter{func(ctx context.Context, _ CompletionRequest) (Completion, error) {
		select {
		case <-searched:
			return Completion{Text: "new"}, nil
		case <-ctx.Done():
			return Completion{}, ctx.Err()
		}
	}}
	opts := options(t, s)
	opts.Rewrite.Deadline = time.Minute
	res, err := New(opts).Retrieve(t.Context(), Request{Turn: "raw", History: history, Completer: model}, nil)
	if err != nil || res.Query != "new" {
		t.Errorf("got %+v, error %v, want the rewritten query", res, err)
	}
}

// TestLateRewriteCostsItsDeadlineOnly has a search that takes a while beside a
// model that never answers: what waits is the deadline, not the sum.
func TestLateRewriteCostsItsDeadlineOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakeSearcher{search: func(context.Context, index.Query) (index.Legs, error) {
			time.Sleep(2 * time.Second)
			return index.Legs{Vector: leg(hit("a", 1))}, nil
		}}
		model := fakeCompleter{func(ctx context.Context, _ CompletionRequest) (Completion, error) {
			<-ctx.Done()
			return Completion{}, ctx.Err()
		}}
		opts := options(t, s)
		opts.Rewrite.Deadline = 3 * time.Second
		begin := time.Now()
		res, err := New(opts).Retrieve(t.Context(), Request{Turn: "raw", History: history, Completer: model}, nil)
		if err != nil || len(res.Sources) != 1 || !slices.Equal(res.Degraded, []string{"rewrite"}) {
			t.Errorf("got %+v, error %v, want the raw turn's source, degraded", res, err)
		}
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("took %v, want the deadline of 3s", took)
		}
	})
}

func TestMerge(t *testing.T) {
	list := func(weight float64, hits ...index.Hit) weighted {
		return weighted{New(Options{VectorWeight: 1}).fuse(index.Legs{Vector: leg(hits...)}, 10), weight}
	}
	scores := func(list []fused) map[string]float64 {
		out := map[string]float64{}
		for _, f := range list {
			out[f.hit.Chunk.ID] = f.score
		}
		return out
	}
	tests := []struct {
		name  string
		lists []weighted
		want  map[string]float64
	}{
		{"both", []weighted{list(1, hit("a", .8), hit("b", .4)), list(.25, hit("b", 1), hit("c", .5))}, map[string]float64{"a": .64, "b": .32 + .2, "c": .1}},
		{"three", []weighted{list(1, hit("a", 1)), list(.6, hit("b", 1)), list(.4, hit("b", 1))}, map[string]float64{"a": .5, "b": .5}},
		{"only the first finds", []weighted{list(1, hit("a", .8)), list(.4)}, map[string]float64{"a": .8}},
		{"only the second finds", []weighted{list(1), list(.4, hit("a", .8))}, map[string]float64{"a": .8}},
		{"none finds", []weighted{list(1), list(.4)}, map[string]float64{}},
	}
	for _, tt := range tests {
		got := merge(tt.lists)
		if diff := cmp.Diff(tt.want, scores(got), cmpopts.EquateApprox(0, 1e-12)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if !slices.IsSortedFunc(got, func(a, b fused) int { return int(b.score*1e6 - a.score*1e6) }) {
			t.Errorf("%s: got %v, want the best first", tt.name, scores(got))
		}
	}
}

// TestHistoryIsSearched sees which earlier turns are searched for, when no
// model rewrites, and what they change.
func TestHistoryIsSearched(t *testing.T) {
	legs := map[string]index.Legs{
		"and the price?":        {Vector: leg(hit("prices", .6), hit("pump", .5), hit("low", 0))},
		"What is a pump?":       {Vector: leg(hit("pump", .9), hit("low", 0))},
		"A pump moves liquids.": {Vector: leg(hit("pump", .8), hit("low", 0))},
	}
	turns := []Message{{"user", "hello"}, {"assistant", "Hi!"}, {"user", "What is a pump?"}, {"assistant", "A pump moves liquids."}, {"assistant", " "}}
	all := "A pump moves liquids., What is a pump?, and the price?"
	tests := []struct {
		name      string
		on        bool
		completer Completer
		mode      string
		history   []Message
		asked     string
		sources   []string
	}{
		{"switched off", false, nil, RewriteNever, turns, "and the price?", []string{"prices", "pump"}},
		{"never rewritten", true, noModel(t), RewriteNever, turns, all, []string{"pump", "prices"}},
		{"no model", true, nil, RewriteAuto, turns, all, []string{"pump", "prices"}},
		{"the model failed", true, says(""), RewriteAuto, turns, all, []string{"pump", "prices"}},
		{"the model says it stands alone", true, says("And the price?"), RewriteAuto, turns, "and the price?", []string{"prices", "pump"}},
		{"the first turn", true, nil, RewriteAuto, nil, "and the price?", []string{"prices", "pump"}},
		{"only the user spoke", true, nil, RewriteAuto, turns[2:3], "What is a pump?, and the price?", []string{"pump", "prices"}},
	}
	for _, tt := range tests {
		s := &searches{legs: legs}
		opts := options(t, s)
		opts.VectorWeight, opts.Rewrite.History = 1, tt.on
		res, err := New(opts).Retrieve(t.Context(), Request{Turn: "and the price?", History: tt.history, Completer: tt.completer, Rewrite: tt.mode}, nil)
		if err != nil || res.Query != "and the price?" && tt.name != "the model says it stands alone" {
			t.Errorf("%s: got %+v, error %v", tt.name, res, err)
			continue
		}
		if got := s.queries(); got != tt.asked {
			t.Errorf("%s: got searches for %q, want %q", tt.name, got, tt.asked)
		}
		if got := sourceIDs(res.Sources); !slices.Equal(got, tt.sources) {
			t.Errorf("%s: got sources %q, want %q", tt.name, got, tt.sources)
		}
	}
}

// TestHistoryThatFails costs nothing but what it would have added; and of a
// very long turn only the beginning is searched for.
func TestHistoryThatFails(t *testing.T) {
	s := fakeSearcher{search: func(_ context.Context, q index.Query) (index.Legs, error) {
		if q.Text == "turn" {
			return index.Legs{Vector: leg(hit("a", 1))}, nil
		}
		if len(q.Text) > maxTurn || !utf8.ValidString(q.Text) {
			t.Errorf("got a query of %d bytes, want at most %d, whole characters", len(q.Text), maxTurn)
		}
		return index.Legs{}, errDead
	}}
	opts := options(t, s)
	opts.Rewrite.History = true
	res, err := New(opts).Retrieve(t.Context(), Request{Turn: "turn", History: []Message{{"user", strings.Repeat("€", maxTurn)}}}, nil)
	if err != nil || len(res.Sources) != 1 || len(res.Degraded) > 0 {
		t.Errorf("got %+v, error %v, want the turn's source", res, err)
	}
}
