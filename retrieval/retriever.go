// Package retrieval turns a conversation into passages: it rewrites the last
// user turn into a standalone query, asks both legs of an index, fuses their
// answers, and writes the prompt that carries the passages.
//
// Start at [Retriever.Retrieve], which reads in the order in which it
// happens. Whatever fails on the way degrades and is told by an [Event]; only
// an unknown collection, a cancelled context and a stage that [Policies] asks
// for are errors.
//
// The package knows no wire format and no engine: the search is a [Searcher]
// and the model that rewrites is a [Completer].
package retrieval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// Searcher answers a query with both legs in one call, each with its own
// error, so that a remote engine can answer in one round trip and one dead
// leg degrades. Called concurrently, for a follow-up twice; a call that is no
// longer needed has its context cancelled and may end after Retrieve.
type Searcher interface {
	// Search returns index.ErrNotFound for an unknown collection.
	Search(ctx context.Context, q index.Query) (index.Legs, error)
	// Exists returns nil if the collection can be searched and
	// index.ErrNotFound if it does not exist. It must be cheap.
	Exists(ctx context.Context, collection string) error
}

// Options are the settings of a pipeline; the zero value of a field is not a
// default.
type Options struct {
	Searcher   Searcher
	Prompts    Prompts
	Collection string // searched when a request names none
	TopK       int    // passages in the prompt
	Depth      int    // hits asked of each leg
	// VectorWeight is the vector leg's share in the fused score, 0 to 1; at 0
	// and 1 the other leg is not asked.
	VectorWeight float64
	Fusion       string  // FuseScores or FuseRanks; "" is FuseScores
	MinScore     float64 // hits with a fused score below are dropped; 0 drops none
	// MaxContextTokens bounds request, passages and answer together: passages
	// that have no room are left out, the last first. 0 is no bound. Tokens
	// counts; it may be nil without a bound.
	MaxContextTokens int
	Tokens           *TokenCounter
	// Deadline is how long the search may take before a leg that has not
	// answered counts as failed; 0 is no limit.
	Deadline time.Duration
	Rewrite  RewriteOptions
	Rerank   RerankOptions
	Policies Policies
}

// Retriever is the pipeline; safe for concurrent use.
type Retriever struct{ opts Options }

// New makes a pipeline.
func New(opts Options) *Retriever { return &Retriever{opts} }

// Message is a turn of the conversation that holds text.
type Message struct {
	Role string // "user" or "assistant"
	Text string
}

// Request is one question with what came before it.
type Request struct {
	History []Message // earlier turns, oldest first
	Turn    string    // the last user turn
	// Completer makes the rewrite; nil means that nothing can be rewritten.
	Completer Completer
	// Collection is the one that the client named, "" for the default. A
	// named one must exist; a missing default is empty.
	Collection string
	TopK       int    // 0 for the default
	Rewrite    string // "" for the default mode
	Deltas     bool   // the caller wants RewriteDelta events
	Filters    map[string]any
	// Tokens is what the request takes without the passages, the answer's
	// share included; only looked at where MaxContextTokens is set.
	Tokens  int
	Explain bool // fill Result.Explanation
}

// Result is what was found for a request.
type Result struct {
	Query    string // what was searched
	Original string // the user's turn
	Sources  []Source
	Degraded []string // stages that failed: rewrite, vector, bm25, rerank
	Causes   []error  // why, one each; for the log
	Prompt   string   // for the upstream; "" when there are no sources
	Usage    *Usage   // of the rewrite; nil if none ran or none was reported
	Took     time.Duration
	Guard    *LinkGuard // for the answer's links; nil looks at none
	Stages   []Stage    // how long each took, in the order in which they ended
	// Explanation is the fused list, best first; nil unless asked for.
	Explanation []ExplainedHit
}

// Retrieve answers a request. on is called with each event, in order, in this
// goroutine; it may be nil. The error is index.ErrNotFound for a collection
// that the client named and that does not exist, the context's, or a
// *StageFailed.
func (r *Retriever) Retrieve(ctx context.Context, req Request, on func(Event)) (*Result, error) {
	if on == nil {
		on = func(Event) {}
	}
	begin := time.Now()
	if req.Collection != "" {
		err := r.opts.Searcher.Exists(ctx, req.Collection)
		if errors.Is(err, index.ErrNotFound) { // of any other error the search tells, too
			return nil, fmt.Errorf("search: %w", err)
		}
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	res := &Result{Query: req.Turn, Original: req.Turn}
	var own *ahead
	if r.rewrites(req) {
		own = r.searchAhead(ctx, r.searchRequest(req, req.Turn))
		defer own.stop()
		if failed := r.rewrite(ctx, req, res, on); failed != nil && r.opts.Policies[StageRewrite] {
			return nil, &StageFailed{StageRewrite, StageRewrite, failed}
		}
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := r.search(ctx, req, res, own, on); err != nil {
		return nil, err
	}
	res.Took = time.Since(begin)
	return res, nil
}

// searchRequest fills in the defaults.
func (r *Retriever) searchRequest(req Request, query string) SearchRequest {
	return SearchRequest{
		Query: query, Collection: cmp.Or(req.Collection, r.opts.Collection), TopK: cmp.Or(req.TopK, r.opts.TopK), Filters: req.Filters,
		explain: req.Explain,
	}
}

func (r *Retriever) search(ctx context.Context, req Request, res *Result, own *ahead, on func(Event)) error {
	begin, search := time.Now(), r.searchRequest(req, res.Query)
	on(RetrievalStarted{Query: search.Query, TopK: search.TopK, Collection: search.Collection})
	list, err := r.rankAll(ctx, search, res, own, req.History)
	if err != nil && (req.Collection != "" || !errors.Is(err, index.ErrNotFound)) {
		return err
	}
	found, err := r.keep(ctx, list, search)
	for _, f := range found.Failed {
		on(f)
		res.Degraded, res.Causes = append(res.Degraded, f.Leg), append(res.Causes, f.Err)
	}
	res.Stages = append(res.Stages, found.Stages...)
	if err != nil {
		return err
	}
	fitting := time.Now()
	if res.Sources, res.Prompt, err = r.fit(res.Query, found.Sources, req.Tokens); err != nil {
		return err
	}
	res.ran(StageBudget, fitting, nil)
	if req.Explain {
		res.Explanation = r.explain(found.explain, list, found.Sources, res.Sources)
	}
	on(RetrievalDone{Query: res.Query, Took: time.Since(begin), Degraded: res.Degraded, Sources: res.Sources})
	return nil
}

// Shares of what is searched beside a follow-up's query, where that counts 1
// (ADR 5). A model's rewrite may drift: what was really said still counts. And
// where nothing was rewritten, what a follow-up leaves unsaid is in the turns
// before it.
const (
	ownWords     = .4
	previousTurn = .2
	lastAnswer   = .4
)

// rankAll ranks for the final query, with what else is known of the question
// beside it: the user's own words, whose search has begun, where the query is a
// rewrite; the turns before where a follow-up was not rewritten. A failure
// beside costs nothing but its share.
func (r *Retriever) rankAll(ctx context.Context, search SearchRequest, res *Result, own *ahead, history []Message) (ranking, error) {
	var beside []*ahead
	switch {
	case own != nil && !sameQuestion(res.Query, res.Original):
		own.weight = ownWords
		own, beside = nil, []*ahead{own}
	case own == nil || slices.Contains(res.Degraded, StageRewrite):
		beside = r.searchHistory(ctx, search, history)
	}
	for _, a := range beside {
		defer a.stop()
	}
	rank := func(ctx context.Context) (ranking, error) { return r.rank(ctx, search) }
	if own != nil {
		rank = own.wait
	}
	list, err := rank(ctx)
	if err != nil {
		return list, err
	}
	lists := []weighted{{list.hits, 1}}
	for _, a := range beside {
		// What another generation had may be replaced or deleted in this one.
		if more, err := a.wait(ctx); err == nil && more.generation == list.generation {
			lists = append(lists, weighted{more.hits, a.weight})
			list.legs = append(list.legs, more.legs...)
		}
	}
	list.hits = merge(lists)
	return list, context.Cause(ctx)
}

// maxTurn is how many bytes of an earlier turn are searched for: a long answer
// says in its beginning what it is about.
const maxTurn = 2048

// searchHistory begins to search for the last turn of the user and of the
// assistant.
func (r *Retriever) searchHistory(ctx context.Context, search SearchRequest, history []Message) []*ahead {
	if !r.opts.Rewrite.History {
		return nil
	}
	var begun []*ahead
	for _, turn := range []struct {
		role   string
		weight float64
	}{{"user", previousTurn}, {"assistant", lastAnswer}} {
		for _, m := range slices.Backward(history) {
			if m.Role != turn.role || strings.TrimSpace(m.Text) == "" {
				continue
			}
			search.Query = strings.ToValidUTF8(m.Text[:min(len(m.Text), maxTurn)], "")
			a := r.searchAhead(ctx, search)
			a.weight = turn.weight
			begun = append(begun, a)
			break
		}
	}
	return begun
}

// ahead is a search that began before the final query was known.
type ahead struct {
	stop   func()
	weight float64 // beside the query's 1
	done   chan struct{}
	list   ranking
	err    error
}

// searchAhead begins a search; stop ends it.
func (r *Retriever) searchAhead(ctx context.Context, req SearchRequest) *ahead {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.list, a.err = r.rank(ctx, req)
	}()
	return a
}

func (a *ahead) wait(ctx context.Context) (ranking, error) {
	select {
	case <-a.done:
		return a.list, a.err
	case <-ctx.Done():
		return ranking{}, context.Cause(ctx)
	}
}
