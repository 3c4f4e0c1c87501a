package minilm

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/ragproxy/ragproxy/internal/simd"
)

const space = "all-MiniLM-L6-v2@384"

// Options sets up an Embedder.
type Options struct {
	// Workers is how many cores compute at a time, over all calls of
	// EmbedDocuments, and as many again over all calls of EmbedQuery. Each takes
	// 1.2 MB. 0 means one for each usable core.
	Workers int
}

// Embedder implements index.Embedder; safe for concurrent use.
type Embedder struct {
	load func() (*loaded, error)
	// The slots hold what a forward pass works in, so they bound its memory
	// too. Queries have their own and do not wait behind documents.
	documents, queries chan *scratch
	recent             *recent
}

type loaded struct {
	model     *model
	tokenizer *tokenizer
}

// New returns an embedder and is cheap: the weights are unpacked (12 MB, some
// 15 ms) when the first text is embedded.
func New(o Options) (*Embedder, error) { return newWith(o, simd.Best()) }

func newWith(o Options, set simd.Set) (*Embedder, error) {
	if o.Workers < 0 {
		return nil, fmt.Errorf("create minilm embedder: workers is %d, want 0 or more", o.Workers)
	}
	workers := o.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	return &Embedder{
		load:      sync.OnceValues(func() (*loaded, error) { return load(set) }),
		documents: newSlots(workers),
		queries:   newSlots(workers),
		recent:    newRecent(),
	}, nil
}

func load(set simd.Set) (*loaded, error) {
	m, err := readModel(weightsFile)
	if err != nil {
		return nil, err
	}
	m.set = set
	return &loaded{model: m, tokenizer: newTokenizer(vocabText)}, nil
}

// newSlots returns so many empty slots: the first that takes one fills it.
func newSlots(n int) chan *scratch {
	slots := make(chan *scratch, n)
	for range n {
		slots <- nil
	}
	return slots
}

// EmbedQuery returns the same vector as EmbedDocuments: the model has no query
// prefix. It remembers the vectors of recent queries. While nothing else is
// embedded, it uses two cores.
func (e *Embedder) EmbedQuery(ctx context.Context, text string) ([]float32, error) {
	if vector := e.recent.get(text); vector != nil {
		return vector, nil
	}
	l, err := e.load()
	if err == nil {
		var got [][]float32
		if got, err = e.forward(ctx, l.model, e.queries, [][]int32{l.tokenizer.encode(text)}); err == nil {
			e.recent.put(text, got[0])
			return got[0], nil
		}
	}
	return nil, fmt.Errorf("embed query: %w", err)
}

// Space returns "all-MiniLM-L6-v2@384".
func (e *Embedder) Space(context.Context) (string, error) { return space, nil }

// help lends s the lane of another slot for queries, unless that or any slot
// for documents is taken.
func (e *Embedder) help(s *scratch) (stop func()) {
	if len(e.documents) == cap(e.documents) {
		select {
		case other := <-e.queries:
			if other == nil {
				other = newScratch(s.lane.set)
			}
			return s.start(other.lane, func() { e.queries <- other })
		default:
		}
	}
	return func() {}
}

// forward waits for a slot and computes the vectors of texts in it.
func (e *Embedder) forward(ctx context.Context, m *model, slots chan *scratch, texts [][]int32) ([][]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case s := <-slots:
		if s == nil {
			s = newScratch(m.set)
		}
		defer func() { slots <- s }()
		if slots == e.queries {
			defer e.help(s)()
		}
		return m.forward(s, texts), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
