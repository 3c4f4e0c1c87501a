package retrieval

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

var history = []Message{{"user", "What is task decomposition?"}, {"assistant", "It is ..."}}

// TestRewriteGate says when a model is called at all.
func TestRewriteGate(t *testing.T) {
	tests := []struct {
		name        string
		mode, asked string // of the options, of the request
		history     []Message
		noCompleter bool
		want        bool
	}{
		{"auto, first turn", RewriteAuto, "", nil, false, false},
		{"auto, later turn", RewriteAuto, "", history, false, true},
		{"always, first turn", RewriteAlways, "", nil, false, true},
		{"always, later turn", RewriteAlways, "", history, false, true},
		{"never", RewriteNever, "", history, false, false},
		{"never, but asked for", RewriteNever, RewriteAlways, nil, false, true},
		{"always, but not wanted", RewriteAlways, RewriteNever, history, false, false},
		{"always, but auto is wanted", RewriteAlways, RewriteAuto, nil, false, false},
		{"no model", RewriteAlways, "", history, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opts := options(t, finds(index.Legs{}))
			opts.Rewrite.Mode = tt.mode
			calls := 0
			req := Request{Turn: "raw", History: tt.history, Rewrite: tt.asked}
			if !tt.noCompleter {
				req.Completer = fakeCompleter{func(context.Context, CompletionRequest) (Completion, error) {
					calls++
					return Completion{Text: "rewritten"}, nil
				}}
			}
			res, err := New(opts).Retrieve(t.Context(), req, nil)
			if err != nil {
				t.Fatal(err)
			}
			wantCalls, wantQuery := 0, "raw"
			if tt.want {
				wantCalls, wantQuery = 1, "rewritten"
			}
			if calls != wantCalls || res.Query != wantQuery || res.Original != "raw" || res.Degraded != nil {
				t.Errorf("got %d calls and %+v, want %d and the query %q", calls, res, wantCalls, wantQuery)
			}
		})
	}
}

func TestRewriteAsksTheModel(t *testing.T) {
	long := []Message{{"user", "1"}, {"assistant", "2"}, {"user", "3"}, {"assistant", "4"}}
	turn := Message{"user", "raw"}
	for maxTurns, want := range map[int][]Message{
		0: {long[0], long[1], long[2], long[3], turn},
		1: {long[3], turn},
		3: {long[1], long[2], long[3], turn},
		9: {long[0], long[1], long[2], long[3], turn},
	} {
		before := append([]Message(nil), long...)
		opts := options(t, finds(index.Legs{}))
		opts.Rewrite.MaxTurns = maxTurns
		var got CompletionRequest
		completer := fakeCompleter{func(_ context.Context, req CompletionRequest) (Completion, error) {
			got = req
			return Completion{Text: "q"}, nil
		}}
		// The history has room behind it that belongs to the caller.
		req := Request{Turn: "raw", History: append(make([]Message, 0, 10), long...), Completer: completer}
		if _, err := New(opts).Retrieve(t.Context(), req, nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Messages); diff != "" {
			t.Errorf("max_turns %d (-want +got):\n%s", maxTurns, diff)
		}
		if got.System != opts.Prompts.rewrite || got.OnDelta != nil {
			t.Errorf("got the system message %q, deltas %t, want the rewrite prompt and none", got.System, got.OnDelta != nil)
		}
		if diff := cmp.Diff(before, req.History); diff != "" || req.History[:5][4] != (Message{}) {
			t.Errorf("the caller's history has changed:\n%s", diff)
		}
	}
}

func TestRewriteDone(t *testing.T) {
	var got tape
	res, err := New(options(t, finds(index.Legs{}))).Retrieve(t.Context(), Request{
		Turn: "and others?", History: history, Completer: says(`"What others are there?"`), Deltas: true,
	}, got.on)
	if err != nil {
		t.Fatal(err)
	}
	want := tape{
		`rewrite.delta: "\"What "`, `rewrite.delta: "others "`, `rewrite.delta: "are "`, `rewrite.delta: "there?\""`,
		`rewrite.done: "What others are there?" from "and others?" by small`,
		`retrieval.started: "What others are there?" 2 of default`,
		`retrieval.done: "What others are there?" [] []`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&Usage{12, 3}, res.Usage); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
}

func TestRewriteFails(t *testing.T) {
	tests := []struct {
		name string
		done Completion
		err  error
	}{
		{"error", Completion{}, errDead},
		{"error after a part", Completion{Text: "What oth"}, errDead},
		{"empty", Completion{}, nil},
		{"white space", Completion{Text: " \n "}, nil},
		{"empty quotes", Completion{Text: `""`}, nil},
		{"thoughts only", Completion{Text: "<think>hm</think>"}, nil},
		{"thoughts that were cut", Completion{Text: "<think>the user wants"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var searched string
			s := fakeSearcher{search: func(_ context.Context, q index.Query) (index.Legs, error) {
				searched = q.Text
				return index.Legs{}, nil
			}}
			tt.done.Usage = &Usage{PromptTokens: 5}
			completer := fakeCompleter{func(context.Context, CompletionRequest) (Completion, error) { return tt.done, tt.err }}
			var got tape
			res, err := New(options(t, s)).Retrieve(t.Context(), Request{Turn: "raw", History: history, Completer: completer}, got.on)
			if err != nil {
				t.Fatal(err)
			}
			want := tape{`rewrite.failed: rewrite_failed, so "raw"`, `retrieval.started: "raw" 2 of default`, `retrieval.done: "raw" [rewrite] []`}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if searched != "raw" || res.Query != "raw" {
				t.Errorf("got %q searched, %q in the result, want raw", searched, res.Query)
			}
			if diff := cmp.Diff([]string{"rewrite"}, res.Degraded); diff != "" || res.Usage == nil {
				t.Errorf("got usage %v, want it told; degraded (-want +got):\n%s", res.Usage, diff)
			}
		})
	}
}

func TestRewriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options(t, finds(index.Legs{Vector: leg(hit("a", 1))}))
		opts.Rewrite.Deadline = 2 * time.Second
		completer := fakeCompleter{func(ctx context.Context, _ CompletionRequest) (Completion, error) {
			<-ctx.Done()
			return Completion{}, ctx.Err()
		}}
		var got tape
		begin := time.Now()
		res, err := New(opts).Retrieve(t.Context(), Request{Turn: "raw", History: history, Completer: completer}, got.on)
		if took := time.Since(begin); err != nil || took != 2*time.Second || res.Took != took {
			t.Fatalf("got error %v after %s (%s told), want none after 2s", err, took, res.Took)
		}
		want := tape{`rewrite.failed: deadline, so "raw"`, `retrieval.started: "raw" 2 of default`, `retrieval.done: "raw" [rewrite] [a]`}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

// TestRewriteWithinDeadline: the search is not bound by the rewrite's.
func TestRewriteWithinDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options(t, fakeSearcher{search: func(ctx context.Context, _ index.Query) (index.Legs, error) {
			if at, ok := ctx.Deadline(); ok {
				t.Errorf("got the deadline %s for the search, want none", at)
			}
			return index.Legs{}, nil
		}})
		opts.Rewrite.Deadline = 2 * time.Second
		completer := fakeCompleter{func(ctx context.Context, _ CompletionRequest) (Completion, error) {
			select {
			case <-ctx.Done():
				return Completion{}, ctx.Err()
			case <-time.After(2*time.Second - 1):
				return Completion{Text: "in time"}, nil
			}
		}}
		res, err := New(opts).Retrieve(t.Context(), Request{Turn: "raw", History: history, Completer: completer}, nil)
		if err != nil || res.Query != "in time" {
			t.Errorf("got %+v, error %v, want the rewritten query", res, err)
		}
	})
}

func TestStageErrorKeepsItsCause(t *testing.T) {
	e := rewriteError(t.Context(), errDead)
	if !errors.Is(e, errDead) || e.Error() != "the rewrite failed: connection refused" {
		t.Errorf("got %q, want the message with its cause", e)
	}
}

func TestCleanQuery(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                          "plain",
		" \n two words\t":                "two words",
		`"quoted"`:                       "quoted",
		"“quoted”":                       "quoted",
		"'quoted'":                       "quoted",
		`" quoted "`:                     "quoted",
		`"'both'"`:                       "both",
		`"a" or "b"`:                     `"a" or "b"`,
		`'a' or 'b'`:                     `'a' or 'b'`,
		"“a” or “b”":                     "“a” or “b”",
		`"half`:                          `"half`,
		`half"`:                          `half"`,
		`"`:                              `"`,
		`what does "x" mean?`:            `what does "x" mean?`,
		`'what's up'`:                    `'what's up'`,
		"<think>hm</think>query":         "query",
		"<think>\nhm\n</think>\n\n\"q\"": "q",
		"hm</think>query":                "query",
		"\n<think>cut in the middle":     "",
		"a < b > c":                      "a < b > c",
		"what is <think> in a template?": "what is <think> in a template?",
		"分解任务的方法有哪些？":                    "分解任务的方法有哪些？",
		"\u00a0naïve café\u2003":         "naïve café",
		"":                               "",
	} {
		if got := cleanQuery(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
