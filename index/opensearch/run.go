package opensearch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/remote"
)

// run is what writes a collection. It implements [index.Run].
type run struct {
	engine *Engine
	opts   index.BuildOptions
	ledger *remote.Ledger
	terms  *lexical.Terms
	space  string
	prev   state    // as published; generation 0 if nothing is
	lease  *holding // nil in a dry run, and after the end
	stop   context.CancelFunc
	known  []string // indices that may have vectors of this space
	old    []string // indices that runs which did not end have left

	vectors  remote.Vectors
	stage    staged
	pending  []index.Stored
	ahead    int // chunks in pending
	embedded int
	failed   error
}

// Begin implements [index.Engine].
func (e *Engine) Begin(ctx context.Context, opts index.BuildOptions) (index.Run, error) {
	r, err := e.begin(ctx, opts, e.opts.Embedder)
	if err != nil {
		return nil, err
	}
	if err := r.remember(ctx, nil); err != nil {
		return nil, errors.Join(err, r.Abort())
	}
	return r, nil
}

// begin takes no embedder where nothing is embedded: then the space stays.
func (e *Engine) begin(ctx context.Context, opts index.BuildOptions, embedder index.Embedder) (*run, error) {
	if err := index.CheckName(opts.Collection); err != nil {
		return nil, err
	}
	r := &run{engine: e, opts: opts, ledger: remote.NewLedger(opts.DryRun)}
	var err error
	if opts.Like != nil {
		embedder, r.space = nil, opts.Like.Space
	} else if embedder != nil {
		if r.space, err = remote.SpaceOf(ctx, embedder, opts.DryRun); err != nil {
			return nil, fmt.Errorf("ask embedder: %w", &index.EmbedderError{Err: err})
		}
	}
	if err := r.open(ctx, embedder == nil && opts.Like == nil); err != nil {
		return nil, errors.Join(fmt.Errorf("index into OpenSearch: %w", err), r.Abort())
	}
	return r, nil
}

// open takes the lease and reads what the run goes on from.
func (r *run) open(ctx context.Context, keepSpace bool) error {
	e := r.engine
	var err error
	if r.opts.DryRun {
		r.prev, err = e.state(ctx, r.opts.Collection)
		if errors.Is(err, index.ErrNotFound) {
			err = nil
		}
	} else {
		if err = e.prepare(ctx); err != nil {
			return fmt.Errorf("prepare OpenSearch: %w", err)
		}
		r.lease, r.prev, err = e.take(ctx, r.opts.Collection)
	}
	if err != nil {
		return err
	}
	if keepSpace {
		r.space = r.prev.Space
	}
	if r.prev.Chunks > 0 && !r.opts.Reembed {
		if err := remote.CheckSpace(r.opts.Collection, r.prev.Space, r.space, r.opts.Like != nil); err != nil {
			return err
		}
	}
	keyword := e.opts.Keyword
	switch {
	case r.opts.Keyword != nil:
		keyword = r.opts.Keyword.Name()
	case r.opts.Like != nil:
		keyword = r.opts.Like.Keyword
	case r.prev.Keyword != "":
		keyword = r.prev.Keyword
	}
	if r.terms, err = e.terms.Of(keyword); err != nil {
		return fmt.Errorf("collection %q: %w", r.opts.Collection, err)
	}
	otherWords := r.prev.Generation > 0 && keyword != r.prev.Keyword
	r.ledger.Dirty = otherWords || r.opts.Reembed && r.prev.Chunks > 0
	// A store that holds no chunk any more may be of another space.
	r.stage = staged{number: r.prev.Runs, anew: r.ledger.Dirty || r.prev.Chunks == 0 && r.prev.Dims != 0}
	r.vectors = remote.Vectors{
		Embedder: e.opts.Embedder, Known: r.knownVectors, Told: func(left int) { r.tell(r.embedded + r.ahead - left) },
	}
	if !r.stage.anew {
		r.vectors.Dims = r.prev.Dims
	}
	if r.opts.Like != nil {
		r.vectors.Embedder, r.vectors.Dims = nil, r.opts.Like.Dims
	}
	if r.opts.DryRun {
		return nil
	}
	return r.takeOver(ctx)
}

// takeOver finds what is there: the store, and what runs that did not end have
// left, whose vectors are worth keeping until this one is published.
func (r *run) takeOver(ctx context.Context) error {
	e := r.engine
	metas, err := e.metas(ctx, e.storeStem(r.opts.Collection)+"*")
	if err != nil {
		return fmt.Errorf("list indices: %w", unreachable(err))
	}
	for name, meta := range metas {
		if err := checkFormat(name, meta.Format); err != nil {
			return err
		}
		if name != r.prev.Store {
			r.old = append(r.old, name)
		}
		if meta.Space == r.space && !(name == r.prev.Store && r.opts.Reembed) {
			r.known = append(r.known, name)
		}
	}
	if _, ok := metas[r.prev.Store]; r.prev.Store != "" && !ok {
		return fmt.Errorf("collection %q: its index %s is gone from OpenSearch: restore it, or delete the collection's document in %s and index again", r.opts.Collection, r.prev.Store, e.collectionsIndex())
	}
	slices.Sort(r.old)
	if len(r.prev.Hidden) > 0 || len(r.old) > 0 {
		// What a run that was cut off wrote was never made visible.
		if err := e.refresh(ctx, r.known...); err != nil {
			return err
		}
	}
	return r.purge(ctx)
}

// purge deletes what died so long ago that no search asks for it any more.
func (r *run) purge(ctx context.Context) error {
	m := r.prev.Mark
	if m == nil || r.prev.Dead == 0 || r.prev.Store == "" || r.prev.Lease.Since-m.At < settled.Milliseconds() {
		return nil
	}
	e := r.engine
	if err := e.removeWhere(ctx, r.prev.Store, r.prev.died(m.Run)); err != nil {
		return fmt.Errorf("delete what died: %w", err)
	}
	if err := e.refresh(ctx, r.prev.Store); err != nil {
		return err
	}
	dead, err := e.count(ctx, r.prev.Store, r.prev.died(r.prev.Run))
	r.prev.Dead = dead
	return err
}

// remember reads what is needed of each document, or of those that the query
// picks, to see that it did not change.
func (r *run) remember(ctx context.Context, only object) error {
	if r.prev.Store == "" {
		return nil
	}
	s := scan{
		store: r.prev.Store, query: both(r.prev.visible(), kind(isDocument)), sort: []string{"doc"},
		fields: []string{"doc", "hash", "src", "chunks"}, page: 10_000,
	}
	if only != nil {
		s.query = both(s.query, only)
	}
	err := r.engine.each(ctx, s, func(h hit) error {
		id, err := parseKey(first(h.Fields.Doc))
		hash, errHash := parseKey(first(h.Fields.Hash))
		src, errSrc := parseKey(first(h.Fields.Src))
		r.ledger.Before[id] = remote.Published{Hash: hash, Source: src, Chunks: first(h.Fields.Chunks)}
		return errors.Join(err, errHash, errSrc)
	})
	if err != nil {
		return fmt.Errorf("read documents: %w", err)
	}
	return nil
}

// Add implements [index.Run].
func (r *run) Add(ctx context.Context, source string, d index.Document) (index.Change, error) {
	if err := checkLength(d.ID); err != nil {
		return 0, err
	}
	change, s, err := r.ledger.Add(r.engine.opts.Splitter, source, d)
	if s == nil {
		return change, err
	}
	return change, r.enqueue(ctx, *s)
}

// Take implements [index.Run].
func (r *run) Take(ctx context.Context, s index.Stored) (index.Change, error) {
	if err := checkLength(s.Document.ID); err != nil {
		return 0, err
	}
	change, taken, err := r.ledger.Take(s, r.vectors.Dims)
	if taken == nil {
		return change, err
	}
	return change, r.enqueue(ctx, *taken)
}

func checkLength(id string) error {
	if len(id) > longestFact {
		return &index.DocumentError{Err: fmt.Errorf("document %.40q...: an id of more than %d bytes: shorten it", id, longestFact)}
	}
	return nil
}

// Keep implements [index.Run].
func (r *run) Keep(id string) { r.ledger.Keep(id) }

// Prune implements [index.Run].
func (r *run) Prune(source string) int { return r.ledger.Prune(source) }

// Has implements [index.Run].
func (r *run) Has(id string) bool { return r.ledger.Has(id) }

// Chunks implements [index.Run].
func (r *run) Chunks() int { return r.embedded + r.ahead }

// endIn is how long the end of a run that failed may take.
const endIn = 5 * time.Second

// Abort implements [index.Run]. What was written stays for the next run, which
// finds the vectors.
func (r *run) Abort() error {
	if r.lease == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), endIn)
	defer cancel()
	if r.stage.bulk != nil {
		_ = r.stage.bulk.flush(ctx) // the vectors are worth a try
		r.stop()
		r.stage.bulk.flying.Wait()
	}
	r.lease.release(ctx, r.stage.bulk == nil)
	r.lease = nil
	return nil
}

// addMean takes vectors into a mean of so many, weighted by sign.
func addMean(mean []float64, v []float32, sign float64) []float64 {
	if mean == nil {
		mean = make([]float64, len(v))
	}
	for i := range min(len(mean), len(v)) {
		mean[i] += sign * float64(v[i])
	}
	return mean
}

// meanBytes divides a sum.
func meanBytes(sum []float64, by int) []byte {
	mean := make([]float32, len(sum))
	for i, x := range sum {
		if x /= float64(max(by, 1)); !math.IsNaN(x) {
			mean[i] = float32(x)
		}
	}
	return floatBytes(mean)
}
