//go:build unix

package minilm

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ragproxy/ragproxy/internal/simd"
)

// benchChunks and benchQuery are the texts of bench/peer.py: 249 and 14 tokens.
func benchChunks() []string {
	const sentence = "Glaciers carve valleys in the shape of a U, while rivers tend to cut them into the shape of a V. "
	chunks := make([]string, 64)
	for i := range chunks {
		chunks[i] = (fmt.Sprintf("%04d ", i) + strings.Repeat(sentence, 11))[:1000]
	}
	return chunks
}

func benchQuery(i int) string {
	return fmt.Sprintf("how do I rotate signing key %04d without logging everybody out", i)
}

// cpuTime is what the process has used on all cores.
func cpuTime(b *testing.B) time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// measure times each call of do after a first one, and reports their median and
// the time of the cores per call.
func measure(b *testing.B, do func(i int)) {
	do(0)
	var times []time.Duration
	measureCPU(b, func() {
		for b.Loop() {
			start := time.Now()
			do(len(times) + 1)
			times = append(times, time.Since(start))
		}
	})
	slices.Sort(times)
	b.ReportMetric(times[len(times)/2].Seconds()*1000, "p50-ms")
}

func measureCPU(b *testing.B, do func()) {
	before := cpuTime(b)
	do()
	b.ReportMetric((cpuTime(b)-before).Seconds()*1000/float64(b.N), "cpu-ms/op")
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := load(simd.Best()); err != nil {
			b.Fatal(err)
		}
	}
}

// Every query is new, so none is remembered.
func BenchmarkQuery(b *testing.B) {
	e := newEmbedder(b, Options{})
	b.ReportAllocs()
	measure(b, func(i int) {
		if _, err := e.EmbedQuery(b.Context(), benchQuery(i)); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkChunk(b *testing.B) {
	e, chunks := newEmbedder(b, Options{Workers: 1}), benchChunks()
	b.ReportAllocs()
	measure(b, func(i int) {
		if _, err := e.EmbedDocuments(b.Context(), chunks[i%64:][:1]); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkBatch(b *testing.B) {
	e, chunks := newEmbedder(b, Options{}), benchChunks()
	b.ReportAllocs()
	measure(b, func(int) {
		if _, err := e.EmbedDocuments(b.Context(), chunks); err != nil {
			b.Fatal(err)
		}
	})
	b.ReportMetric(float64(len(chunks)*b.N)/b.Elapsed().Seconds(), "chunks/s")
}

// Eight callers at once.
func BenchmarkQueries(b *testing.B) {
	e := newEmbedder(b, Options{})
	var next atomic.Int64
	b.SetParallelism(4)
	measureCPU(b, func() {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := e.EmbedQuery(b.Context(), benchQuery(int(next.Add(1)))); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
