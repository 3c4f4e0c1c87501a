package retrieval

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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
	list := func(hits ...index.Hit) []fused { return fuse(hits, nil, 1) }
	scores := func(list []fused) map[string]float64 {
		out := map[string]float64{}
		for _, f := range list {
			out[f.hit.Chunk.ID] = f.score
		}
		return out
	}
	tests := []struct {
		name           string
		rewritten, own []fused
		want           map[string]float64
	}{
		{"both", list(hit("a", .8), hit("b", .4)), list(hit("b", 10), hit("c", 5)), map[string]float64{"a": .7, "b": .35 + .3, "c": .15}},
		{"only the rewrite finds", list(hit("a", .8)), nil, map[string]float64{"a": .8}},
		{"only the words find", nil, list(hit("a", .8)), map[string]float64{"a": .8}},
		{"no score above zero", list(hit("a", 0)), list(hit("b", -1)), map[string]float64{"a": 0, "b": 0}},
	}
	for _, tt := range tests {
		got := merge(tt.rewritten, tt.own)
		if diff := cmp.Diff(tt.want, scores(got), cmpopts.EquateApprox(0, 1e-12)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if !slices.IsSortedFunc(got, func(a, b fused) int { return int(b.score*1e6 - a.score*1e6) }) {
			t.Errorf("%s: got %v, want the best first", tt.name, scores(got))
		}
	}
}
