package retrieval

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/ragproxy/ragproxy/index"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDead = errors.New("connection refused")

// fakeSearcher has every collection unless exists says otherwise.
type fakeSearcher struct {
	search func(ctx context.Context, q index.Query) (index.Legs, error)
	exists func(ctx context.Context, collection string) error
}

func (s fakeSearcher) Search(ctx context.Context, q index.Query) (index.Legs, error) {
	return s.search(ctx, q)
}

func (s fakeSearcher) Exists(ctx context.Context, collection string) error {
	if s.exists == nil {
		return nil
	}
	return s.exists(ctx, collection)
}

// finds answers every query with the same legs.
func finds(legs index.Legs) fakeSearcher {
	return fakeSearcher{search: func(context.Context, index.Query) (index.Legs, error) { return legs, nil }}
}

type fakeCompleter struct {
	complete func(ctx context.Context, req CompletionRequest) (Completion, error)
}

func (c fakeCompleter) Complete(ctx context.Context, req CompletionRequest) (Completion, error) {
	return c.complete(ctx, req)
}

// says is a model that answers text, and streams it word by word.
func says(text string) fakeCompleter {
	return fakeCompleter{func(_ context.Context, req CompletionRequest) (Completion, error) {
		if req.OnDelta != nil {
			for word := range strings.SplitAfterSeq(text, " ") {
				req.OnDelta(word)
			}
		}
		return Completion{Text: text, Model: "small", Usage: &Usage{PromptTokens: 12, CompletionTokens: 3}}, nil
	}}
}

// noModel fails the test when it is called.
func noModel(t *testing.T) fakeCompleter {
	return fakeCompleter{func(context.Context, CompletionRequest) (Completion, error) {
		t.Error("the model was called, want no call")
		return Completion{}, errDead
	}}
}

func hit(id string, score float64) index.Hit {
	return index.Hit{Chunk: index.Chunk{ID: id, Text: "text of " + id, Title: "title of " + id}, Score: score}
}

func leg(hits ...index.Hit) index.Leg { return index.Leg{Hits: hits} }

func prompts(t testing.TB) Prompts {
	t.Helper()
	p, err := LoadPrompts("", "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func options(t testing.TB, s Searcher) Options {
	return Options{
		Searcher: s, Prompts: prompts(t), Collection: "default", TopK: 2, Depth: 10, VectorWeight: 0.5,
		Rewrite: RewriteOptions{Mode: RewriteAuto},
	}
}

// tape records events as lines, so that their order is seen at a glance.
type tape []string

func (t *tape) on(e Event) {
	var s string
	switch e := e.(type) {
	case RewriteDelta:
		s = fmt.Sprintf("%q", e.Delta)
	case RewriteDone:
		s = fmt.Sprintf("%q from %q by %s", e.Query, e.Original, e.Model)
	case RewriteFailed:
		s = fmt.Sprintf("%s, so %q", e.Err.Code, e.Query)
	case RetrievalStarted:
		s = fmt.Sprintf("%q %d of %s", e.Query, e.TopK, e.Collection)
	case RetrievalFailed:
		s = fmt.Sprintf("%s %s, so %q", e.Leg, e.Err.Code, e.Fallback)
	case RetrievalDone:
		s = fmt.Sprintf("%q %v %v", e.Query, e.Degraded, sourceIDs(e.Sources))
	}
	*t = append(*t, e.Name()+": "+s)
}

func sourceIDs(sources []Source) []string {
	ids := []string{}
	for i, s := range sources {
		if s.N != i+1 {
			return append(ids, fmt.Sprintf("number %d in place %d", s.N, i+1))
		}
		ids = append(ids, s.Chunk.ID)
	}
	return ids
}
