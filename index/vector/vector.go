// Package vector holds the engines of the vector leg: each answers which rows
// of a matrix are nearest to a query by cosine similarity.
//
//	engine, err := vector.New("hnsw")           // the config key index.vector
//	err = engine.Build(ctx, matrix, dir)        // writes what it needs into dir
//	searcher, err := engine.Open(matrix, dir)
//	matches, err := searcher.Search(ctx, query, 10, nil)
//
// Every engine compares in int8 (codes.go) and ranks the best in float32, so
// that scores are the float32 cosines and the matches are the same on every
// machine. exact.go compares with every row; hnsw.go walks a graph; auto.go
// chooses by size. A new engine is a file here, a line in [New] and one in the
// suite of
// suite_test.go, which every engine passes.
package vector

import (
	"fmt"
	"math"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/internal/simd"
)

// New returns the engine with the given name:
//
//   - "exact" compares with every row: nothing on disk, recall 1, time grows
//     with the rows
//   - "hnsw" walks a graph that Build writes to disk: for large collections
//   - "auto" is "exact" as long as a scan is about as fast, and "hnsw" above
func New(name string) (index.VectorEngine, error) {
	exact, hnsw := exactEngine{simd.Best()}, hnswEngine{simd.Best()}
	switch name {
	case "auto":
		return autoEngine{exact: exact, hnsw: hnsw, limit: autoBytes}, nil
	case "exact":
		return exact, nil
	case "hnsw":
		return hnsw, nil
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
