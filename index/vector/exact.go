package vector

import (
	"context"
	"fmt"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/internal/simd"
)

// ctxEvery is how many rows are handled between two looks at the context:
// well under a millisecond of work.
const ctxEvery = 1024

// exactEngine compares the query with every row, in int8, and the best again in
// float32.
type exactEngine struct{ set simd.Set }

func (exactEngine) Name() string { return "exact" }

// Build only checks the matrix; there is nothing to keep on disk.
func (exactEngine) Build(ctx context.Context, m index.Matrix, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkRows(m); err != nil {
		return fmt.Errorf("build exact vector index: %w", err)
	}
	return nil
}

// Open makes the int8 copy, in about 0.2 ms for 1,000 rows of 384.
func (e exactEngine) Open(m index.Matrix, dir string) (index.VectorSearcher, error) {
	if err := checkShape(m); err != nil {
		return nil, fmt.Errorf("open exact vector index: %w", err)
	}
	return exactSearcher{newCodes(m, e.set)}, nil
}

type exactSearcher struct{ codes *codes }

func (s exactSearcher) Close() error { return nil }

// Search never returns a row that is all zero: it has no direction, so no
// similarity to anything.
func (s exactSearcher) Search(ctx context.Context, query []float32, k int, allow index.Allow) ([]index.Match, error) {
	unit, err := unitQuery(s.codes.m, query)
	if err != nil {
		return nil, fmt.Errorf("search vectors: %w", err)
	}
	if unit == nil || k < 1 {
		return nil, nil
	}
	return s.codes.scan(ctx, s.codes.query(unit), k, allow)
}
