package enginetest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// Sample makes documents of three chunks (of a splitter of 350 characters with
// an overlap of 70) from words as frequent as words are (Zipf), and questions
// of nine of them. The same numbers give the same texts.
func Sample(documents, questions int) (docs []index.Document, asked []string) {
	rng := rand.New(rand.NewPCG(1, 2))
	words := rand.NewZipf(rng, 1.1, 8, 60_000)
	some := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("w%dx", words.Uint64())
		}
		return strings.Join(list, " ")
	}
	for i := range documents {
		docs = append(docs, index.Document{
			ID: fmt.Sprintf("docs/%d.md", i), Title: some(6), URL: fmt.Sprintf("https://example.com/docs/%d", i),
			Text: some(50) + "\n\n" + some(50) + "\n\n" + some(50), Meta: map[string]any{"lang": []string{"en", "de"}[i%2]},
		})
	}
	for range questions {
		asked = append(asked, some(9))
	}
	return docs, asked
}

// Bag embeds a text by its words, each of which is a random vector of 384
// dimensions. A text that was embedded before costs next to nothing. Safe for
// concurrent use.
type Bag struct{ words, texts sync.Map }

const bagDims = 384

// Space implements [index.Embedder].
func (*Bag) Space(context.Context) (string, error) { return "bag@384", nil }

// EmbedDocuments implements [index.Embedder].
func (b *Bag) EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, text := range texts {
		out[i], _ = b.EmbedQuery(ctx, text) // never fails
	}
	return out, nil
}

// EmbedQuery implements [index.Embedder].
func (b *Bag) EmbedQuery(_ context.Context, text string) ([]float32, error) {
	if v, ok := b.texts.Load(text); ok {
		return slices.Clone(v.([]float32)), nil
	}
	v := make([]float32, bagDims)
	for word := range strings.FieldsSeq(text) {
		of, ok := b.words.Load(word)
		if !ok {
			h := fnv.New64a()
			h.Write([]byte(word))
			rng := rand.New(rand.NewPCG(h.Sum64(), 1))
			fresh := make([]float32, bagDims)
			for i := range fresh {
				fresh[i] = float32(rng.NormFloat64())
			}
			of, _ = b.words.LoadOrStore(word, fresh)
		}
		for i, x := range of.([]float32) {
			v[i] += x
		}
	}
	b.texts.Store(text, slices.Clone(v))
	return v, nil
}

// Latency asks an engine one question after the other, and reads of what it finds
// as much as is kept by default: four chunks. It tells how long half of the
// searches took, and 95 of 100.
func Latency(b *testing.B, x index.Engine, q index.Query, asked []string) {
	var took []time.Duration
	for n := 0; b.Loop(); n++ {
		q.Text = asked[n%len(asked)]
		begin := time.Now()
		legs, err := x.Search(b.Context(), q)
		if err = errors.Join(err, legs.Vector.Err, legs.Keyword.Err); err == nil {
			best := slices.Concat(legs.Vector.Hits[:min(2, len(legs.Vector.Hits))], legs.Keyword.Hits)
			err = Load(b.Context(), best[:min(4, len(best))])
		}
		if took = append(took, time.Since(begin)); err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
}

// Rates loads the same by a server's own means and by a run, by turns, and tells
// the medians of both in seconds, and of the run's rate in percent of the other
// one's. Both give the time that they took.
func Rates(b *testing.B, own, run func() time.Duration) {
	var owns, runs, rates []float64
	for b.Loop() {
		o, r := own().Seconds(), run().Seconds()
		owns, runs, rates = append(owns, o), append(runs, r), append(rates, 100*o/r)
	}
	for unit, list := range map[string][]float64{"own-s": owns, "run-s": runs, "%-of-own": rates} {
		slices.Sort(list)
		b.ReportMetric((list[len(list)/2]+list[(len(list)-1)/2])/2, unit)
	}
}
