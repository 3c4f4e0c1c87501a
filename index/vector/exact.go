package vector

import (
	"context"
	"fmt"

	"github.com/ragproxy/ragproxy/index"
)

// ctxEvery is how many rows are handled between two looks at the context:
// well under a millisecond of work.
const ctxEvery = 1024

// exactEngine compares the query with every row: the oracle for the others.
type exactEngine struct{}

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

func (exactEngine) Open(m index.Matrix, dir string) (index.VectorSearcher, error) {
	if err := checkShape(m); err != nil {
		return nil, fmt.Errorf("open exact vector index: %w", err)
	}
	return exactSearcher{m}, nil
}

type exactSearcher struct{ m index.Matrix }

func (s exactSearcher) Close() error { return nil }

// Search never returns a row that is all zero: it has no direction, so no
// similarity to anything.
func (s exactSearcher) Search(ctx context.Context, query []float32, k int, allow index.Allow) ([]index.Match, error) {
	unit, err := unitQuery(s.m, query)
	if err != nil {
		return nil, fmt.Errorf("search vectors: %w", err)
	}
	if unit == nil || k < 1 {
		return nil, nil
	}
	return scan(ctx, s.m, unit, k, allow)
}

// scan is the search by brute force; unit has length 1 and k is at least 1.
func scan(ctx context.Context, m index.Matrix, unit []float32, k int, allow index.Allow) ([]index.Match, error) {
	found := best{k: min(k, m.Rows())}
	for row := range m.Rows() {
		if row%ctxEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if allow != nil && !allow(row) {
			continue
		}
		score := dot(unit, m.Row(row))
		if score == 0 && isZero(m.Row(row)) {
			continue
		}
		found.add(row, float64(score))
	}
	return found.list(), nil
}
