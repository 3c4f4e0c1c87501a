package opensearch

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/ragproxy/ragproxy/index"
)

// Scan implements [index.Engine]. A generation that was replaced stays for
// searches, not for ever: where a run has deleted of it what it replaced, the
// documents end with an error.
func (e *Engine) Scan(ctx context.Context, collection string, f func(index.Manifest, iter.Seq2[index.Stored, error]) error) error {
	s, err := e.state(ctx, collection)
	if err != nil {
		return err
	}
	return f(s.manifest(), func(yield func(index.Stored, error) bool) {
		documents, chunks := 0, 0
		err := e.eachStored(ctx, s, func(d index.Stored) bool {
			documents, chunks = documents+1, chunks+len(d.Cut.Chunks)
			return yield(d, nil)
		})
		if errors.Is(err, errStopped) {
			return
		}
		if err == nil && (documents != s.Documents || chunks != s.Chunks) {
			err = fmt.Errorf("got %d documents, %d chunks of %d, %d: runs have published meanwhile, or `ragproxy verify` tells more", documents, chunks, s.Documents, s.Chunks)
		}
		if err != nil {
			yield(index.Stored{}, fmt.Errorf("read collection %q: %w", collection, err))
		}
	})
}

// errStopped ends a scan whose caller has seen enough.
var errStopped = errors.New("stopped")

func (e *Engine) eachStored(ctx context.Context, s state, yield func(index.Stored) bool) error {
	if s.Store == "" {
		return nil
	}
	var now index.Cut // chunks come before their document
	return e.each(ctx, scan{
		store: s.Store, query: s.visible(), sort: []string{"doc", "kind", "ordinal"}, fields: []string{"hash", "raw"}, source: true,
	}, func(h hit) error {
		rec, err := h.record()
		if err != nil {
			return err
		}
		if rec.Kind == isChunk {
			c, err := rec.chunk()
			now.Chunks, now.Vectors = append(now.Chunks, c), append(now.Vectors, bytesFloats(first(h.Fields.Raw)))
			return err
		}
		d, err := rec.pending(first(h.Fields.Hash))
		if err != nil {
			return err
		}
		d.Cut.Chunks, d.Cut.Vectors = now.Chunks, now.Vectors
		if now = (index.Cut{}); !yield(d) {
			return errStopped
		}
		return nil
	})
}
