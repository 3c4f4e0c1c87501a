package vector

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/coder/hnsw"

	"github.com/ragproxy/ragproxy/index"
)

const (
	graphFile = "graph.hnsw"

	// graphWidth is how many nodes coder/hnsw is asked for, whatever k is:
	// its search stops once it holds that many, so this is what decides the
	// recall. What it returns is ranked again here.
	graphWidth = 1600

	// graphSpare is how many times k the walk must have met (and allow have
	// let pass) for the k best to be trusted; else every row is compared.
	graphSpare = 4
)

// hnswEngine searches with coder/hnsw over a graph that is built here: the
// library's own Add makes a graph with a recall of 0.15, and its Add and Delete
// panic on known keys. So it is only ever given a finished graph, to search.
type hnswEngine struct{ width int }

func (hnswEngine) Name() string { return "hnsw" }

// Build writes graph.hnsw (format: export.go). It takes a few milliseconds a
// row on one core.
func (e hnswEngine) Build(ctx context.Context, m index.Matrix, dir string) error {
	if err := checkRows(m); err != nil {
		return fmt.Errorf("build hnsw vector index: %w", err)
	}
	members, _ := distinct(m)
	g, err := buildGraph(ctx, m, members)
	if err != nil {
		return fmt.Errorf("build hnsw vector index: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, graphFile), seal(g.encode(e.width)), 0o644); err != nil {
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
	stream, err := unseal(file)
	if err != nil {
		return nil, err
	}
	members, twin := distinct(m)
	if err := checkStream(stream, m, members); err != nil {
		return nil, err
	}
	g := hnsw.NewGraph[int]()
	if err := g.Import(bytes.NewReader(stream)); err != nil {
		return nil, err
	}
	g.EfSearch = e.width                                               // it drops candidates by chance when this is below k
	g.Distance = func(a, b []float32) float32 { return 1 - dot(a, b) } // cosine, as both are unit vectors
	return &hnswSearcher{m: m, graph: g, twin: twin, width: e.width}, nil
}

type hnswSearcher struct {
	m     index.Matrix
	graph *hnsw.Graph[int] // only Search is called, which changes nothing
	twin  []int32
	width int
}

func (s *hnswSearcher) Close() error { return nil }

// Search is approximate where the graph has more rows than it is asked for. It
// compares every row instead where the graph would serve badly: few rows, a
// large k, a filter that lets little pass. Rows that are all zero are never
// returned.
func (s *hnswSearcher) Search(ctx context.Context, query []float32, k int, allow index.Allow) ([]index.Match, error) {
	unit, err := unitQuery(s.m, query)
	if err != nil {
		return nil, fmt.Errorf("search vectors: %w", err)
	}
	if unit == nil || k < 1 {
		return nil, nil
	}
	if k > s.width/graphSpare || s.graph.Len() <= s.width {
		return scan(ctx, s.m, unit, k, allow)
	}
	if err := ctx.Err(); err != nil { // the walk itself, of 1 or 2 ms, cannot be stopped
		return nil, err
	}
	nodes := s.graph.Search(unit, s.width)
	found, passed := best{k: k}, 0
	for _, node := range nodes {
		score := float64(dot(unit, s.m.Row(node.Key)))
		for row := node.Key; row >= 0; row = int(s.twin[row]) {
			if allow == nil || allow(row) {
				found.add(row, score)
				passed++
			}
		}
	}
	if passed < graphSpare*k || len(nodes) < s.width {
		return scan(ctx, s.m, unit, k, allow)
	}
	return found.list(), nil
}

// distinct names the rows that belong in the graph: the first of each vector,
// and none for the zero vector. Equal rows would link only to each other and
// cut themselves off. twin[row] is the next row with the same vector, or -1.
func distinct(m index.Matrix) (members []bool, twin []int32) {
	members, twin = make([]bool, m.Rows()), make([]int32, m.Rows())
	last := make(map[uint64]int32, m.Rows())
	for row := range m.Rows() {
		twin[row] = -1
		if isZero(m.Row(row)) {
			continue
		}
		sum := hash(m.Row(row))
		before, known := last[sum]
		if known && slices.Equal(m.Row(int(before)), m.Row(row)) {
			twin[before] = int32(row)
		} else {
			members[row] = true
		}
		last[sum] = int32(row)
	}
	return members, twin
}

// hash is FNV-1a over the words of a vector. A collision costs only a twin
// that is not seen as one.
func hash(v []float32) uint64 {
	h := uint64(14695981039346656037)
	for _, x := range v {
		h = (h ^ uint64(math.Float32bits(x))) * 1099511628211
	}
	return h
}
