// Package retrieval turns a conversation into passages: it rewrites the last
// user turn into a standalone query, asks both legs of an index, fuses their
// answers, and writes the prompt that carries the passages.
//
// Start at [Retriever.Retrieve], which reads in the order in which it
// happens. Whatever fails on the way degrades and is told by an [Event]; only
// an unknown collection and a cancelled context are errors.
//
// The package knows no wire format and no engine: the search is a [Searcher]
// and the model that rewrites is a [Completer].
package retrieval

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// Searcher answers a query with both legs in one call, each with its own
// error, so that a remote engine can answer in one round trip and one dead
// leg degrades. Called once a request, concurrently for different ones.
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
	MinScore     float64 // hits below are dropped
	// Deadline is how long the search may take before a leg that has not
	// answered counts as failed; 0 is no limit.
	Deadline time.Duration
	Rewrite  RewriteOptions
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
}

// Result is what was found for a request.
type Result struct {
	Query    string // what was searched
	Original string // the user's turn
	Sources  []Source
	Degraded []string // stages that failed: rewrite, vector, bm25
	Prompt   string   // for the upstream; "" when there are no sources
	Usage    *Usage   // of the rewrite; nil if none ran or none was reported
	Took     time.Duration
}

// Retrieve answers a request. on is called with each event, in order, in this
// goroutine; it may be nil. The error is index.ErrNotFound for a collection
// that the client named and that does not exist, or the context's.
func (r *Retriever) Retrieve(ctx context.Context, req Request, on func(Event)) (*Result, error) {
	if on == nil {
		on = func(Event) {}
	}
	begin := time.Now()
	if req.Collection != "" {
		if err := r.opts.Searcher.Exists(ctx, req.Collection); err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
	}
	res := &Result{Query: req.Turn, Original: req.Turn}
	r.rewrite(ctx, req, res, on)
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := r.search(ctx, req, res, on); err != nil {
		return nil, err
	}
	if len(res.Sources) > 0 {
		var err error
		if res.Prompt, err = r.opts.Prompts.Answer(res.Query, res.Sources); err != nil {
			return nil, err
		}
	}
	res.Took = time.Since(begin)
	return res, nil
}

func (r *Retriever) search(ctx context.Context, req Request, res *Result, on func(Event)) error {
	begin := time.Now()
	collection, topK := req.Collection, req.TopK
	if collection == "" {
		collection = r.opts.Collection
	}
	if topK == 0 {
		topK = r.opts.TopK
	}
	on(RetrievalStarted{Query: res.Query, TopK: topK, Collection: collection})
	found, err := r.Search(ctx, SearchRequest{Query: res.Query, Collection: collection, TopK: topK, Filters: req.Filters})
	if err != nil && (req.Collection != "" || !errors.Is(err, index.ErrNotFound)) {
		return err
	}
	for _, f := range found.Failed {
		on(f)
		res.Degraded = append(res.Degraded, f.Leg)
	}
	res.Sources = found.Sources
	on(RetrievalDone{Query: res.Query, Took: time.Since(begin), Degraded: res.Degraded, Sources: res.Sources})
	return nil
}
