package index

import (
	"context"
	"errors"
	"fmt"
)

// embedAhead is how many chunks are gathered before the embedder is asked:
// enough to fill its batches and both cores, little enough to hold in memory
// and to lose when the run is killed.
const embedAhead = 128

// enqueue takes a document that is to be written, and writes all that wait
// when they are enough to be embedded together.
func (b *Builder) enqueue(ctx context.Context, p pendingDoc) error {
	b.pending = append(b.pending, p)
	b.ahead += len(p.pieces)
	if b.ahead < embedAhead && len(b.pending) < 8*embedAhead {
		return nil
	}
	return b.flush(ctx)
}

// flush embeds the pending chunks and writes their documents. After an error
// the run cannot go on: half of what waited may be written.
func (b *Builder) flush(ctx context.Context) error {
	if b.failed == nil {
		b.failed = b.flushPending(ctx)
	}
	return b.failed
}

func (b *Builder) flushPending(ctx context.Context) error {
	vectors, err := b.embed(ctx)
	if err != nil {
		return err
	}
	for _, p := range b.pending {
		n := len(p.pieces)
		if err := b.write(ctx, p, vectors[:n]); err != nil {
			return err
		}
		vectors = vectors[n:]
	}
	b.embedded += b.ahead
	b.pending, b.ahead = nil, 0
	return nil
}

// embed gives a unit vector for each pending chunk. A text whose vector is at
// hand - from the collection, from a run that was not published, or within
// this batch - is not embedded again.
func (b *Builder) embed(ctx context.Context) ([][]float32, error) {
	vectors := make([][]float32, 0, b.ahead)
	var texts []string
	var keys []key
	fresh := map[key]int{} // position in texts
	var from []int         // for each chunk: its text in texts, or -1
	for _, p := range b.pending {
		for _, v := range p.vectors {
			vectors, from = append(vectors, v), append(from, -1)
		}
		if p.vectors != nil {
			continue
		}
		for _, piece := range p.pieces {
			text := p.record.embedded(piece.Text)
			k := keyOf(text)
			at, ok := fresh[k]
			if !ok {
				v, err := b.known(k)
				if err != nil {
					return nil, err
				}
				if v != nil {
					vectors, from = append(vectors, v), append(from, -1)
					continue
				}
				at = len(texts)
				fresh[k] = at
				texts, keys = append(texts, text), append(keys, k)
			}
			vectors, from = append(vectors, nil), append(from, at)
		}
	}
	var got [][]float32
	for len(got) < len(texts) {
		to := min(len(got)+embedAhead, len(texts))
		part, err := b.ask(ctx, texts[len(got):to], keys[len(got):to])
		if err != nil {
			return nil, err
		}
		got = append(got, part...)
		b.tell(b.embedded + b.ahead - len(texts) + len(got))
	}
	if len(texts) == 0 && b.ahead > 0 {
		b.tell(b.embedded + b.ahead)
	}
	for i, at := range from {
		if at >= 0 {
			vectors[i] = got[at]
		}
	}
	return vectors, nil
}

func (b *Builder) tell(embedded int) {
	if b.opts.Embedded != nil {
		b.opts.Embedded(embedded)
	}
}

// EmbedderError says that the embedder gave no vectors: what was handed in is
// not at fault.
type EmbedderError struct{ Err error }

func (e *EmbedderError) Error() string { return e.Err.Error() }
func (e *EmbedderError) Unwrap() error { return e.Err }

// Flush embeds and writes what waits for it, as [Builder.Commit] does first of
// all: for those who tell how far a run is. After an error the run cannot go
// on.
func (b *Builder) Flush(ctx context.Context) error {
	if b.opts.DryRun {
		return nil
	}
	return b.flush(ctx)
}

// ask embeds texts, and keeps the vectors in case this run is not published.
func (b *Builder) ask(ctx context.Context, texts []string, keys []key) ([][]float32, error) {
	if b.opts.noEmbedder || b.opts.Like != nil {
		return nil, errors.New("embed chunks: this run embeds nothing")
	}
	got, err := b.index.opts.Embedder.EmbedDocuments(ctx, texts)
	if err != nil {
		return nil, fmt.Errorf("embed chunks: %w", &EmbedderError{err})
	}
	if len(got) != len(texts) {
		return nil, fmt.Errorf("embed chunks: the embedder gave %d vectors for %d texts", len(got), len(texts))
	}
	for _, v := range got {
		if b.dims == 0 {
			b.dims = len(v)
		}
		if len(v) != b.dims || len(v) == 0 {
			return nil, fmt.Errorf("embed chunks: the embedder gave %d dimensions, the collection has %d", len(v), b.dims)
		}
		if !normalize(v) {
			return nil, errors.New("embed chunks: the embedder gave a vector that is not finite")
		}
	}
	return got, b.cache.append(keys, got)
}

// known gives the vector of a text that was embedded before in this space, or
// nil.
func (b *Builder) known(k key) ([]float32, error) {
	if b.vectors == nil {
		if err := b.openVectors(); err != nil {
			return nil, err
		}
	}
	if at, ok := b.vectors[k]; ok {
		return b.prev.segs[at.seg].vector(int(at.row))
	}
	return b.cache.vector(k, &b.dims)
}

// openVectors lists what is embedded already. A run that finds nothing changed
// never comes here.
func (b *Builder) openVectors() error {
	var err error
	if b.cache, err = openCache(b.home, b.space); err != nil {
		return err
	}
	b.vectors = map[key]chunkPlace{}
	if b.prev != nil && b.manifest.Space == b.space && !b.opts.Reembed {
		for i, s := range b.prev.segs {
			for row := range s.rows() {
				b.vectors[s.record(row).Key] = chunkPlace{int32(i), int32(row)}
			}
		}
	}
	return nil
}
