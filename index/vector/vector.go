// Package vector holds the engines of the vector leg: each answers which rows
// of a matrix are nearest to a query by cosine similarity.
//
//	engine, err := vector.New("hnsw")           // the config key index.vector
//	err = engine.Build(ctx, matrix, dir)        // writes what it needs into dir
//	searcher, err := engine.Open(matrix, dir)
//	matches, err := searcher.Search(ctx, query, 10, nil)
//
// exact.go compares with every row and is the oracle; hnsw.go walks a graph.
// A new engine is a file here, a line in [New] and one in the suite of
// suite_test.go, which every engine passes.
package vector

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/viterin/vek/vek32"

	"github.com/ragproxy/ragproxy/index"
)

// New returns the engine with the given name:
//
//   - "exact" compares with every row: nothing on disk, recall 1, time grows
//     with the rows
//   - "hnsw" walks a graph that Build writes to disk: for large collections
//   - "auto" is "exact" for now, to become "exact" for as many rows as a scan
//     is the faster and "hnsw" above; its Name is that of the engine chosen
func New(name string) (index.VectorEngine, error) {
	switch name {
	case "exact", "auto":
		return exactEngine{}, nil
	case "hnsw":
		return hnswEngine{width: graphWidth}, nil
	}
	return nil, fmt.Errorf("index.vector: no engine %q: write auto, exact or hnsw", name)
}

// checkShape refuses a matrix whose data is not whole rows.
func checkShape(m index.Matrix) error {
	switch {
	case m.Dims < 0, m.Dims == 0 && len(m.Data) > 0:
		return fmt.Errorf("matrix of %d values has %d dimensions", len(m.Data), m.Dims)
	case m.Dims > 0 && len(m.Data)%m.Dims != 0:
		return fmt.Errorf("matrix of %d values is not whole rows of %d dimensions", len(m.Data), m.Dims)
	case m.Rows() > math.MaxInt32:
		return fmt.Errorf("matrix of %d rows: at most %d are supported", m.Rows(), math.MaxInt32)
	}
	return nil
}

// checkRows refuses rows that are neither unit vectors nor zero: their dot
// products would be no cosines, and one NaN spoils every comparison.
func checkRows(m index.Matrix) error {
	if err := checkShape(m); err != nil {
		return err
	}
	for i := range m.Rows() {
		n := norm(m.Row(i))
		if n != 0 && !(math.Abs(n-1) < 1e-3) { // so written, NaN fails
			return fmt.Errorf("row %d of the matrix has length %g: want a unit vector, or all zero", i, n)
		}
	}
	return nil
}

// unitQuery returns the query scaled to length 1, or nil if nothing can match:
// a zero query or an empty matrix.
func unitQuery(m index.Matrix, query []float32) ([]float32, error) {
	if m.Dims != 0 && len(query) != m.Dims {
		return nil, fmt.Errorf("query has %d dimensions, the index has %d", len(query), m.Dims)
	}
	n := norm(query)
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return nil, fmt.Errorf("query is not finite")
	}
	if n == 0 || m.Rows() == 0 {
		return nil, nil
	}
	unit := make([]float32, len(query))
	for i, x := range query {
		unit[i] = float32(float64(x) / n)
	}
	return unit, nil
}

// norm is the Euclidean length, in float64 so that no float32 vector overflows
// or vanishes.
func norm(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// dot wants vectors of the same length, not empty: vek32.Dot panics otherwise.
func dot(a, b []float32) float32 { return vek32.Dot(a, b) }

func isZero(v []float32) bool {
	for _, x := range v {
		if x != 0 {
			return false
		}
	}
	return true
}

// best keeps the k best matches seen: it gathers up to 2k, then sorts and cuts.
type best struct {
	k       int
	matches []index.Match
	full    bool // matches held k already: only better ones than floor matter
	floor   float64
}

func (b *best) add(row int, score float64) {
	if b.full && score < b.floor {
		return
	}
	b.matches = append(b.matches, index.Match{Row: row, Score: score})
	if len(b.matches) >= 2*b.k {
		b.cut()
	}
}

func (b *best) cut() {
	slices.SortFunc(b.matches, func(x, y index.Match) int {
		return cmp.Or(cmp.Compare(y.Score, x.Score), cmp.Compare(x.Row, y.Row))
	})
	if len(b.matches) >= b.k {
		b.matches = b.matches[:b.k]
		b.full, b.floor = true, b.matches[b.k-1].Score
	}
}

// list returns the matches, best first, ties by row.
func (b *best) list() []index.Match {
	b.cut()
	return b.matches
}
