package vector

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"sync"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/internal/simd"
)

const (
	graphFile = "graph.hnsw"

	// A walk for k rows keeps graphWidth + graphSpare*k of those it meets
	// (efSearch): recall .993 at 10 and .991 at 100 of 100,000 real vectors.
	graphWidth = 64
	graphSpare = 2

	// graphShare bounds a walk: one that keeps more than a row in so many
	// costs as much as comparing every row.
	graphShare = 96
)

// hnswEngine walks through a graph in int8 and ranks what it finds in float32.
type hnswEngine struct{ set simd.Set }

func (hnswEngine) Name() string { return "hnsw" }

// Build writes graph.hnsw (format: export.go), on every core, in some 0.2 ms a
// row of one core's time.
func (e hnswEngine) Build(ctx context.Context, m index.Matrix, dir string) error {
	if err := checkRows(m); err != nil {
		return fmt.Errorf("build hnsw vector index: %w", err)
	}
	c := newCodes(m, e.set)
	sums := c.rowSums()
	members, _ := c.distinct(sums)
	g, err := buildGraph(ctx, c, members)
	if err != nil {
		return fmt.Errorf("build hnsw vector index: %w", err)
	}
	stream := g.encode(members)
	if err := readBack(stream, len(g.layers), count(members)); err != nil {
		return fmt.Errorf("build hnsw vector index: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, graphFile), seal(stream, sumOf(sums)), 0o644); err != nil {
		return fmt.Errorf("write vector graph: %w", err)
	}
	return nil
}

// Open refuses a file that is damaged or of other vectors.
func (e hnswEngine) Open(m index.Matrix, dir string) (index.VectorSearcher, error) {
	if err := checkShape(m); err != nil {
		return nil, fmt.Errorf("open hnsw vector index: %w", err)
	}
	path := filepath.Join(dir, graphFile)
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read vector graph: %w", err)
	}
	s, err := e.load(m, file)
	if err != nil {
		return nil, fmt.Errorf("read vector graph %s: %w; build the index again", path, err)
	}
	return s, nil
}

func (e hnswEngine) load(m index.Matrix, file []byte) (*hnswSearcher, error) {
	c := newCodes(m, e.set)
	sums := c.rowSums()
	stream, err := unseal(file, sumOf(sums))
	if err != nil {
		return nil, err
	}
	members, twin := c.distinct(sums)
	g, err := decode(stream, c, members)
	if err != nil {
		return nil, err
	}
	s := &hnswSearcher{graph: g, twin: twin, rows: count(members)}
	s.walkers.New = func() any { return newWalker(g) }
	return s, nil
}

// sumOf is one checksum for those of all rows.
func sumOf(sums []uint32) uint32 {
	b := make([]byte, 0, 4*len(sums))
	for _, sum := range sums {
		b = binary.LittleEndian.AppendUint32(b, sum)
	}
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
}

type hnswSearcher struct {
	graph   *graph
	twin    []int32
	rows    int // in the graph
	walkers sync.Pool
}

func (s *hnswSearcher) Close() error { return nil }

// Search is approximate where the graph has many more rows than it is asked for.
// It compares every row instead where that costs less: few rows, a large k, a
// filter that lets little pass. Rows that are all zero are never returned.
func (s *hnswSearcher) Search(ctx context.Context, query []float32, k int, allow index.Allow) ([]index.Match, error) {
	c := s.graph.codes
	unit, err := unitQuery(c.m, query)
	if err != nil {
		return nil, fmt.Errorf("search vectors: %w", err)
	}
	if unit == nil || k < 1 {
		return nil, nil
	}
	if err := ctx.Err(); err != nil { // a walk of a millisecond at most cannot be stopped
		return nil, err
	}
	q := c.query(unit)
	k = min(k, c.m.Rows())
	wanted := graphWidth + graphSpare*k
	for width := wanted; width <= s.rows/graphShare; {
		near, found := s.walk(q, width, k, allow)
		if found >= wanted || allow == nil && found >= k {
			return c.rank(q, near, k), nil
		}
		// As many more as the filter takes away.
		width = min(width*wanted/max(found, 1), width*16) + 1
	}
	return c.scan(ctx, q, k, allow)
}

// walk returns the rows to rank, and how many it found.
func (s *hnswSearcher) walk(q query, width, k int, allow index.Allow) (near []neighbour, found int) {
	w := s.walkers.Get().(*walker)
	defer s.walkers.Put(w)
	at := w.top(q.code)
	for l := len(s.graph.layers) - 1; l > 0; l-- {
		at = w.descend(q.code, at, &s.graph.layers[l])
	}
	floor := float32(math.Inf(-1))
	for _, n := range w.walk(q.code, at, width, &s.graph.layers[0]) {
		before := found
		for row := n.row; row >= 0; row = s.twin[row] {
			if allow == nil || allow(int(row)) {
				found++
				if found <= k || n.sim >= floor {
					near = append(near, neighbour{row, n.sim})
				}
			}
		}
		if before < k && found >= k {
			floor = n.sim - s.graph.codes.margin(q)
		}
	}
	return near, found
}

// Verify counts the rows that a walk can reach: links that were lost would hide
// the others in silence.
func (s *hnswSearcher) Verify(ctx context.Context, rows int) error {
	if got := s.graph.codes.m.Rows(); got != rows {
		return fmt.Errorf("the graph is of %d rows, want %d", got, rows)
	}
	if s.rows == 0 {
		return ctx.Err()
	}
	reached := make([]bool, rows)
	s.graph.reach(s.graph.entry, reached)
	if n := count(reached); n != s.rows {
		return fmt.Errorf("the graph leads to %d of its %d rows", n, s.rows)
	}
	return ctx.Err()
}
