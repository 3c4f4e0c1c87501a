package postgres_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/postgres"
	"github.com/ragproxy/ragproxy/index/split"
	"github.com/ragproxy/ragproxy/index/vector"
	"github.com/ragproxy/ragproxy/internal/pgtest"
)

// sample makes documents of three chunks from words as frequent as words are
// (Zipf), and questions of nine of them.
func sample(documents, questions int) (docs []index.Document, asked []string) {
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

// bag embeds a text by its words, each of which is a random vector. A text that
// was embedded before costs next to nothing.
type bag struct{ words, texts sync.Map }

const bagDims = 384

func (*bag) Space(context.Context) (string, error) { return "bag@384", nil }

func (b *bag) EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, text := range texts {
		out[i], _ = b.EmbedQuery(ctx, text) // never fails
	}
	return out, nil
}

func (b *bag) EmbedQuery(_ context.Context, text string) ([]float32, error) {
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

func local(b testing.TB, e index.Embedder) *index.Index {
	b.Helper()
	splitter, err := split.NewRecursive(split.Options{Size: 350, Overlap: 70})
	if err != nil {
		b.Fatal(err)
	}
	keyword, err := lexical.New(lexical.Options{})
	if err != nil {
		b.Fatal(err)
	}
	auto, err := vector.New("auto")
	if err != nil {
		b.Fatal(err)
	}
	x := index.Open(index.Options{Dir: b.TempDir(), Embedder: e, Splitter: splitter, Vector: auto, VectorByName: vector.New, Keyword: keyword})
	b.Cleanup(func() { x.Close() })
	return x
}

// BenchmarkSearch is one search after the other among 24,000 chunks, here and
// in PostgreSQL on this machine; the embedder costs next to nothing.
func BenchmarkSearch(b *testing.B) {
	server := pgtest.Start(b)
	docs, asked := sample(8000, 400)
	e := &bag{}
	german := map[string]any{"lang": "de"}
	for _, engine := range []struct {
		name string
		x    index.Engine
	}{{"local", local(b, e)}, {"postgres", open(b, postgres.Options{URL: server.Database(b), Embedder: e})}} {
		m := publish(b, engine.x, docs...)
		b.Logf("%s: %d chunks, %s, %.1f MB", engine.name, m.Chunks, m.Vector, float64(m.Size())/1e6)
		for _, of := range []struct {
			name string
			q    index.Query
		}{{"both", index.Query{}}, {"keywords", index.Query{SkipVector: true}}, {"vectors", index.Query{SkipKeyword: true}}, {"filtered", index.Query{Filters: german}}} {
			b.Run(engine.name+"/"+of.name, func(b *testing.B) {
				q := of.q
				q.Collection, q.Depth = "c", 100
				var took []time.Duration
				for n := 0; b.Loop(); n++ {
					q.Text = asked[n%len(asked)]
					begin := time.Now()
					legs, err := engine.x.Search(b.Context(), q)
					if took = append(took, time.Since(begin)); err != nil || legs.Vector.Err != nil || legs.Keyword.Err != nil {
						b.Fatal(err, legs.Vector.Err, legs.Keyword.Err)
					}
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
			})
		}
	}
}

// BenchmarkLoad is a first run over 8,000 documents of 24,000 chunks, cutting,
// words and graph included, and what psql's COPY needs for the same rows into
// the same tables with the same indexes.
func BenchmarkLoad(b *testing.B) {
	server := pgtest.Start(b)
	docs, _ := sample(8000, 0)
	e := &bag{}
	publish(b, open(b, postgres.Options{URL: server.Database(b), Embedder: e}), docs...) // embedding is not what is measured
	b.Run("run", func(b *testing.B) {
		for b.Loop() {
			publish(b, open(b, postgres.Options{URL: server.Database(b), Embedder: e}), docs...)
		}
	})
	b.Run("copy", func(b *testing.B) {
		url := server.Database(b)
		m := publish(b, open(b, postgres.Options{URL: url, Embedder: e}), docs...)
		dir := server.Folder()
		for _, table := range []string{"document_1", "chunk_1", "posting_1"} {
			server.SQL(b, url, fmt.Sprintf(`\copy ragproxy.%s TO '%s' (FORMAT binary)`, table, filepath.Join(dir, table)))
		}
		for b.Loop() {
			b.StopTimer()
			execute(b, url, "DROP INDEX IF EXISTS chunk_1_graph; TRUNCATE document_1, chunk_1, posting_1")
			b.StartTimer()
			for _, table := range []string{"document_1", "chunk_1", "posting_1"} {
				server.SQL(b, url, fmt.Sprintf(`\copy ragproxy.%s FROM '%s' (FORMAT binary)`, table, filepath.Join(dir, table)))
			}
			execute(b, url, "CREATE INDEX chunk_1_graph ON chunk_1 USING hnsw ((embedding::halfvec(384)) halfvec_ip_ops)")
		}
		b.Logf("%d chunks", m.Chunks)
	})
}
