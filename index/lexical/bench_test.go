package lexical

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// BenchmarkPassages searches the passages that bench/peer.py cuts, for its
// comparison: medians of a query in a first round after Open and in later ones.
func BenchmarkPassages(b *testing.B) {
	folder := os.Getenv("RAGPROXY_BENCH_PASSAGES")
	if folder == "" {
		b.Skip("RAGPROXY_BENCH_PASSAGES does not name a folder made by bench/peer.py")
	}
	var chunks []index.Chunk
	for _, text := range readLines[string](b, filepath.Join(folder, "passages.jsonl")) {
		chunks = append(chunks, index.Chunk{Text: text})
	}
	queries := readLines[string](b, filepath.Join(folder, "queries.jsonl"))
	dir := b.TempDir()
	if err := newEngine(b, Options{}).Build(b.Context(), slices.Values(chunks), dir); err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			s, err := newEngine(b, Options{}).Open([]string{dir})
			if err != nil {
				b.Fatal(err)
			}
			s.Close()
		}
		b.ReportMetric(float64(size(b, dir))/1e6, "MB")
	})
	for _, k := range []int{10, 100} {
		b.Run("k="+strconv.Itoa(k), func(b *testing.B) {
			s := opened(b, dir)
			first := medianMicros(b, s, queries, k)
			later := first
			for b.Loop() {
				later = min(later, medianMicros(b, s, queries, k))
			}
			b.ReportMetric(first, "first-µs")
			b.ReportMetric(later, "p50-µs")
		})
	}
}

func medianMicros(b *testing.B, s index.KeywordSearcher, queries []string, k int) float64 {
	took := make([]time.Duration, len(queries))
	for i, query := range queries {
		start := time.Now()
		if _, err := s.Search(b.Context(), query, k, nil); err != nil {
			b.Fatal(err)
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return float64(took[len(took)/2].Nanoseconds()) / 1000
}
