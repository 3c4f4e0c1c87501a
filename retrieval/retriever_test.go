package retrieval

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

func TestEventOrder(t *testing.T) {
	found := index.Legs{Vector: leg(hit("a", .9), hit("b", .5), hit("c", .1)), Keyword: leg(hit("b", 3))}
	dead := index.Leg{Err: errDead}
	tests := []struct {
		name string
		legs index.Legs
		req  Request
		want string
	}{
		{"first turn", found, Request{Turn: "raw"}, `
retrieval.started: "raw" 2 of default
retrieval.done: "raw" [] [b a]`},
		{"follow-up", found, Request{Turn: "raw", History: history, Completer: says("new query")}, `
rewrite.done: "new query" from "raw" by small
retrieval.started: "new query" 2 of default
retrieval.done: "new query" [] [b a]`},
		{"follow-up with deltas", found, Request{Turn: "raw", History: history, Completer: says("new query"), Deltas: true}, `
rewrite.delta: "new "
rewrite.delta: "query"
rewrite.done: "new query" from "raw" by small
retrieval.started: "new query" 2 of default
retrieval.done: "new query" [] [b a]`},
		{"one leg is dead", index.Legs{Vector: dead, Keyword: leg(hit("b", 3))}, Request{Turn: "raw", TopK: 5, Collection: "mine"}, `
retrieval.started: "raw" 5 of mine
retrieval.failed: vector leg_failed, so "bm25"
retrieval.done: "raw" [vector] [b]`},
		{"all is dead", index.Legs{Vector: dead, Keyword: dead}, Request{Turn: "raw", History: history, Completer: says("")}, `
rewrite.failed: rewrite_failed, so "raw"
retrieval.started: "raw" 2 of default
retrieval.failed: vector leg_failed, so ""
retrieval.failed: bm25 leg_failed, so ""
retrieval.done: "raw" [rewrite vector bm25] []`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got tape
			r := New(options(t, finds(tt.legs)))
			res, err := r.Retrieve(t.Context(), tt.req, got.on)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(tt.want), strings.Join(got, "\n")); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if (res.Prompt == "") != (len(res.Sources) == 0) {
				t.Errorf("got a prompt of %d bytes for %d sources, want one exactly if there are sources", len(res.Prompt), len(res.Sources))
			}
			for _, s := range res.Sources {
				if !strings.Contains(res.Prompt, s.Chunk.Text) {
					t.Errorf("the prompt lacks %q", s.Chunk.Text)
				}
			}
			again, err := r.Retrieve(t.Context(), tt.req, nil) // on may be nil
			if err != nil || !slices.Equal(sourceIDs(again.Sources), sourceIDs(res.Sources)) {
				t.Errorf("without a callback: got %+v, error %v, want the same sources", again, err)
			}
		})
	}
}

func TestUnknownCollections(t *testing.T) {
	missing := fakeSearcher{
		exists: func(context.Context, string) error { return index.ErrNotFound },
		search: func(context.Context, index.Query) (index.Legs, error) { return index.Legs{}, index.ErrNotFound },
	}
	var got tape
	_, err := New(options(t, missing)).Retrieve(t.Context(), Request{Turn: "raw", History: history, Collection: "named", Completer: noModel(t)}, got.on)
	if !errors.Is(err, index.ErrNotFound) || got != nil {
		t.Errorf("named: got error %v and the events %q, want ErrNotFound before any event", err, got)
	}
	res, err := New(options(t, missing)).Retrieve(t.Context(), Request{Turn: "raw"}, got.on)
	if err != nil || len(res.Sources) != 0 || res.Prompt != "" || res.Degraded != nil {
		t.Errorf("default: got %+v, error %v, want an empty result", res, err)
	}
	want := tape{`retrieval.started: "raw" 2 of default`, `retrieval.done: "raw" [] []`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("default: events (-want +got):\n%s", diff)
	}
	// It was removed between the look and the search.
	missing.exists = nil
	if _, err := New(options(t, missing)).Retrieve(t.Context(), Request{Turn: "raw", Collection: "named"}, nil); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("removed: got error %v, want ErrNotFound", err)
	}
}

// TestCancelled cancels in each phase: the error is the context's cause, later
// phases are not begun, and the result's event never comes. A search for the
// user's own words may have begun before.
func TestCancelled(t *testing.T) {
	gone := errors.New("the client has gone")
	for _, phase := range []string{"exists", "rewrite", "search"} {
		t.Run(phase, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			var calls []string // of the goroutine that retrieves
			at := func(name string) {
				if calls = append(calls, name); name == phase {
					cancel(gone)
				}
			}
			s := fakeSearcher{
				exists: func(context.Context, string) error { at("exists"); return nil },
				search: func(ctx context.Context, q index.Query) (index.Legs, error) {
					if q.Text == "rewritten" {
						at("search")
					}
					return index.Legs{Vector: index.Leg{Err: ctx.Err()}, Keyword: leg(hit("a", 1))}, nil
				},
			}
			completer := fakeCompleter{func(ctx context.Context, _ CompletionRequest) (Completion, error) {
				at("rewrite")
				return Completion{Text: "rewritten"}, ctx.Err()
			}}
			var got tape
			_, err := New(options(t, s)).Retrieve(ctx, Request{Turn: "raw", History: history, Collection: "c", Completer: completer}, got.on)
			if !errors.Is(err, gone) {
				t.Errorf("got error %v, want the cause", err)
			}
			if last := calls[len(calls)-1]; last != phase {
				t.Errorf("got the calls %q, want none after %s", calls, phase)
			}
			for _, line := range got {
				if strings.HasPrefix(line, "retrieval.done") || strings.HasPrefix(line, "rewrite.failed") {
					t.Errorf("got %q, want no event of what nobody waits for", line)
				}
			}
		})
	}
}
