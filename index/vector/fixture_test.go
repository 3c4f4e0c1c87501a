package vector

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

func open(t *testing.T, e index.VectorEngine, m index.Matrix) index.VectorSearcher {
	t.Helper()
	dir := t.TempDir()
	if err := e.Build(t.Context(), m, dir); err != nil {
		t.Fatal(err)
	}
	s, err := e.Open(m, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func search(t *testing.T, s index.VectorSearcher, query []float32, k int, allow index.Allow) []index.Match {
	t.Helper()
	got, err := s.Search(t.Context(), query, k, allow)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// clustered makes unit vectors around a few centres, as texts on a few topics
// are, and queries that are rows with noise.
func clustered(rows, dims, queries int) (index.Matrix, [][]float32) {
	rng := rand.New(rand.NewPCG(1, 2))
	near := func(centre []float32, noise float64) []float32 {
		v := make([]float32, dims)
		for i := range v {
			v[i] = float32(rng.NormFloat64() * noise)
			if centre != nil {
				v[i] += centre[i]
			}
		}
		return unit(v...)
	}
	centres := make([][]float32, 50)
	for i := range centres {
		centres[i] = near(nil, 1)
	}
	m := index.Matrix{Dims: dims}
	for range rows {
		m.Data = append(m.Data, near(centres[rng.IntN(len(centres))], 0.12)...)
	}
	asked := make([][]float32, queries)
	for i := range asked {
		asked[i] = near(m.Row(rng.IntN(rows)), 0.06)
	}
	return m, asked
}

func unit(v ...float32) []float32 {
	n := norm(v)
	for i := range v {
		v[i] = float32(float64(v[i]) / n)
	}
	return v
}

// oracle is written apart from the engines: float64, all rows, sorted.
func oracle(m index.Matrix, query []float32, k int, allow index.Allow) []index.Match {
	var all []index.Match
	for row := range m.Rows() {
		if allow == nil || allow(row) {
			var sum float64
			for i, x := range m.Row(row) {
				sum += float64(x) * float64(query[i])
			}
			all = append(all, index.Match{Row: row, Score: sum / norm(query)})
		}
	}
	slices.SortStableFunc(all, func(a, b index.Match) int {
		if a.Score > b.Score {
			return -1
		} else if a.Score < b.Score {
			return 1
		}
		return 0
	})
	return all[:min(k, len(all))]
}

func rowsOf(matches []index.Match) []int {
	rows := []int{}
	for _, m := range matches {
		rows = append(rows, m.Row)
	}
	return rows
}

func recall(got, want []index.Match) float64 {
	hits := 0
	for _, w := range want {
		if slices.Contains(rowsOf(got), w.Row) {
			hits++
		}
	}
	return float64(hits) / float64(len(want))
}

func readAll(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = b
	}
	return files
}
