package vector

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/internal/simd"
)

// benchMatrix is 24,000 real vectors and questions from RAGPROXY_BENCH_DIR,
// which `go run ./index/vector/bench corpus DIR` makes, or else made-up ones.
// bench/peer.py compares with other libraries.
func benchMatrix(b *testing.B) (index.Matrix, [][]float32) {
	const rows, dims = 24_000, 384
	dir := os.Getenv("RAGPROXY_BENCH_DIR")
	if dir == "" {
		return clustered(rows, dims, 200)
	}
	read := func(name string) []float32 {
		file, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			b.Fatal(err)
		}
		v := make([]float32, len(file)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(file[4*i:]))
		}
		return v
	}
	m := index.Matrix{Dims: dims, Data: read("rows.f32")[:rows*dims]}
	var queries [][]float32
	for all := read("queries.f32"); len(all) > 0; all = all[dims:] {
		queries = append(queries, all[:dims])
	}
	return m, queries
}

func BenchmarkSearch(b *testing.B) {
	m, queries := benchMatrix(b)
	run := func(name string, s index.VectorSearcher, k int) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := s.Search(b.Context(), queries[i%len(queries)], k, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, set := range simd.Sets() {
		s, err := exactEngine{set}.Open(m, "")
		if err != nil {
			b.Fatal(err)
		}
		run("exact/10/"+set.String(), s, 10)
		run("exact/100/"+set.String(), s, 100)
	}
	dir := b.TempDir()
	if err := walks.Build(b.Context(), m, dir); err != nil {
		b.Fatal(err)
	}
	s, err := walks.Open(m, dir)
	if err != nil {
		b.Fatal(err)
	}
	run("hnsw/10", s, 10)
	run("hnsw/50", s, 50)
	for _, e := range []index.VectorEngine{exactEngine{simd.Best()}, walks} {
		b.Run("open/"+e.Name(), func(b *testing.B) {
			for b.Loop() {
				if _, err := e.Open(m, dir); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
