package retrieval

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/ragproxy/ragproxy/internal/breaker"
)

// Modes of the rewrite.
const (
	RewriteAuto   = "auto"   // where there is a history
	RewriteAlways = "always" // the first turn, too
	RewriteNever  = "never"
)

// RewriteOptions say when and how a turn is rewritten.
type RewriteOptions struct {
	Mode     string
	MaxTurns int           // of the history, the latest
	Deadline time.Duration // after it the user's own words are searched
	// History searches for the turns before, too, where a follow-up was not
	// rewritten: the mode says so, or the rewrite failed.
	History bool
}

// Completer is the model that rewrites. Called at most once a request.
type Completer interface {
	// Complete answers a conversation with one text. With OnDelta set the
	// text is also handed over as it comes, in this goroutine.
	Complete(ctx context.Context, req CompletionRequest) (Completion, error)
}

// CompletionRequest is one call of a model.
type CompletionRequest struct {
	System   string
	Messages []Message
	OnDelta  func(string)
}

// Completion is what the model said. Usage is nil if it did not tell.
type Completion struct {
	Text  string
	Model string
	Usage *Usage
}

// Usage counts tokens as the model reports them.
type Usage struct {
	PromptTokens     int64 `json:"prompt_tokens"`
	CompletionTokens int64 `json:"completion_tokens"`
}

// rewrites is the gate, which costs nothing: without a history there is no
// call.
func (r *Retriever) rewrites(req Request) bool {
	mode := req.Rewrite
	if mode == "" {
		mode = r.opts.Rewrite.Mode
	}
	return req.Completer != nil && (mode == RewriteAlways || mode == RewriteAuto && len(req.History) > 0)
}

// rewrite sets res.Query. Whatever goes wrong, the user's own words stand; of a request that
// was cancelled meanwhile, nothing is told. It returns what went wrong.
func (r *Retriever) rewrite(ctx context.Context, req Request, res *Result, on func(Event)) *StageError {
	begin, request := time.Now(), ctx
	if d := r.opts.Rewrite.Deadline; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, errRewriteLate)
		defer cancel()
	}
	call := CompletionRequest{System: r.opts.Prompts.rewrite, Messages: latest(req.History, r.opts.Rewrite.MaxTurns)}
	call.Messages = append(call.Messages, Message{Role: "user", Text: req.Turn})
	if req.Deltas {
		call.OnDelta = func(s string) { on(RewriteDelta{s}) }
	}
	done, err := req.Completer.Complete(ctx, call)
	res.Usage = done.Usage
	if request.Err() != nil {
		return nil
	}
	query := cleanQuery(done.Text)
	if err == nil {
		err = queryFault(query, req.Turn)
	}
	if err != nil {
		failure := rewriteError(ctx, err)
		res.Degraded, res.Causes = append(res.Degraded, StageRewrite), append(res.Causes, failure)
		res.ran(StageRewrite, begin, failure)
		on(RewriteFailed{Err: failure, Query: req.Turn})
		return failure
	}
	res.Query = query
	res.ran(StageRewrite, begin, nil)
	on(RewriteDone{Query: query, Original: req.Turn, Model: done.Model, Took: time.Since(begin)})
	return nil
}

// maxQuery is how many bytes of a rewrite are a query and no essay: a model that
// answers instead of rewriting says more. A longer turn may have a longer one.
const maxQuery = 4096

// queryFault says why a rewrite cannot be searched; nil if it can.
func queryFault(query, turn string) error {
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }
	switch {
	case query == "":
		return errors.New("the model gave no text")
	case sameQuestion(query, turn):
		return nil
	case !strings.ContainsFunc(query, word):
		return errors.New("the model gave no word")
	case len(query) > max(maxQuery, 2*len(turn)):
		return fmt.Errorf("the model gave %d bytes, which is no query", len(query))
	}
	return nil
}

var errRewriteLate = errors.New("the rewrite is late")

func rewriteError(ctx context.Context, err error) *StageError {
	if errors.Is(err, breaker.ErrOpen) {
		return circuitError(err)
	}
	if context.Cause(ctx) == errRewriteLate {
		return &StageError{codeDeadline, "the rewrite took too long", err}
	}
	return &StageError{"rewrite_failed", "the rewrite failed", err}
}

// sameQuestion says whether a rewrite left the turn as it is, but for case,
// white space and the mark at its end.
func sameQuestion(a, b string) bool {
	plain := func(s string) string { return strings.TrimRight(strings.Join(strings.Fields(s), " "), ".?!。？！") }
	return strings.EqualFold(plain(a), plain(b))
}

// latest copies the last n messages (all, if n is 0).
func latest(history []Message, n int) []Message {
	if n > 0 && len(history) > n {
		history = history[len(history)-n:]
	}
	return append(make([]Message, 0, len(history)+1), history...)
}

// cleanQuery takes off what models put around a query: thoughts that a server
// without a reasoning parser leaves in the text, white space, quotes.
func cleanQuery(s string) string {
	if _, after, ok := strings.Cut(s, "</think>"); ok {
		s = after
	}
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "<think>") { // cut before the query came
		return ""
	}
	for _, q := range [][2]string{{`"`, `"`}, {"“", "”"}, {"'", "'"}} {
		inner, left := strings.CutPrefix(s, q[0])
		inner, right := strings.CutSuffix(inner, q[1])
		if left && right && !strings.Contains(inner, q[0]) {
			s = strings.TrimSpace(inner)
		}
	}
	return s
}
