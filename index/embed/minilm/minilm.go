package minilm

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

const space = "all-MiniLM-L6-v2@384"

// Options sets up an Embedder.
type Options struct {
	// Workers is how many texts are computed at a time, over all calls of
	// EmbedDocuments, and as many queries again over all calls of EmbedQuery.
	// Each takes one core and up to 4 MB. 0 means one for each usable core.
	Workers int
}

// Embedder implements index.Embedder; safe for concurrent use.
type Embedder struct {
	load func() (*loaded, error)
	// The slots hold what a forward pass works in, so they bound its memory
	// too. Queries have their own and do not wait behind documents.
	documents, queries chan *scratch
}

type loaded struct {
	model     *model
	tokenizer *tokenizer
}

// New returns an embedder and is cheap: the weights are unpacked (42 MB, some
// 15 ms) when the first text is embedded.
func New(o Options) (*Embedder, error) {
	if o.Workers < 0 {
		return nil, fmt.Errorf("create minilm embedder: workers is %d, want 0 or more", o.Workers)
	}
	workers := o.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	return &Embedder{
		load:      sync.OnceValues(load),
		documents: newSlots(workers),
		queries:   newSlots(workers),
	}, nil
}

func load() (*loaded, error) {
	m, err := readModel(weightsFile)
	if err != nil {
		return nil, err
	}
	return &loaded{model: m, tokenizer: newTokenizer(vocabText)}, nil
}

func newSlots(n int) chan *scratch {
	slots := make(chan *scratch, n)
	for range n {
		slots <- &scratch{}
	}
	return slots
}

// EmbedDocuments returns a unit vector of 384 dimensions for each text. A text
// counts up to its 254th token, about 1,000 characters of English; the empty
// text has a vector too. The same text gives the same vector on the same
// machine, whatever is embedded beside it. The only error is ctx's.
func (e *Embedder) EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	var next atomic.Int64
	work := func() error {
		for i := next.Add(1) - 1; i < int64(len(texts)); i = next.Add(1) - 1 {
			vector, err := e.embed(ctx, e.documents, texts[i])
			if err != nil {
				return err
			}
			vectors[i] = vector
		}
		return nil
	}
	errs := make([]error, min(cap(e.documents), len(texts)))
	var workers sync.WaitGroup
	for w := range errs {
		workers.Go(func() { errs[w] = work() })
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("embed documents: %w", err)
		}
	}
	return vectors, nil
}

// EmbedQuery returns the same vector as EmbedDocuments: the model has no query
// prefix.
func (e *Embedder) EmbedQuery(ctx context.Context, text string) ([]float32, error) {
	vector, err := e.embed(ctx, e.queries, text)
	if err != nil {
		return nil, fmt.Errorf("embed query: %w", err)
	}
	return vector, nil
}

// Space returns "all-MiniLM-L6-v2@384".
func (e *Embedder) Space(context.Context) (string, error) { return space, nil }

func (e *Embedder) embed(ctx context.Context, slots chan *scratch, text string) ([]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l, err := e.load()
	if err != nil {
		return nil, err
	}
	ids := l.tokenizer.encode(text)
	select {
	case s := <-slots:
		defer func() { slots <- s }()
		return l.model.forward(s, ids), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
