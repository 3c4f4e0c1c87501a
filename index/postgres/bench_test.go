package postgres_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/enginetest"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/postgres"
	"github.com/ragproxy/ragproxy/index/split"
	"github.com/ragproxy/ragproxy/index/vector"
	"github.com/ragproxy/ragproxy/internal/pgtest"
)

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
	docs, asked := enginetest.Sample(8000, 400)
	e := &enginetest.Bag{}
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
				enginetest.Latency(b, engine.x, q, asked)
			})
		}
	}
}

// BenchmarkLoad is a first run over 8,000 documents of 24,000 chunks, cutting,
// words and graph included, and what psql's COPY needs for the same rows into
// the same tables with the same indexes.
func BenchmarkLoad(b *testing.B) {
	server := pgtest.Start(b)
	docs, _ := enginetest.Sample(8000, 0)
	e := &enginetest.Bag{}
	url, dir := server.Database(b), server.Folder()
	m := publish(b, open(b, postgres.Options{URL: url, Embedder: e}), docs...) // embedding is not what is measured
	b.Logf("%d chunks", m.Chunks)
	tables := []string{"document_1", "chunk_1", "posting_1"}
	for _, table := range tables {
		server.SQL(b, url, fmt.Sprintf(`\copy ragproxy.%s TO '%s' (FORMAT binary)`, table, filepath.Join(dir, table)))
	}
	enginetest.Rates(b, func() time.Duration {
		execute(b, url, "DROP INDEX IF EXISTS chunk_1_graph; TRUNCATE document_1, chunk_1, posting_1")
		begin := time.Now()
		for _, table := range tables {
			server.SQL(b, url, fmt.Sprintf(`\copy ragproxy.%s FROM '%s' (FORMAT binary)`, table, filepath.Join(dir, table)))
		}
		execute(b, url, "CREATE INDEX chunk_1_graph ON chunk_1 USING hnsw ((embedding::halfvec(384)) halfvec_ip_ops)")
		return time.Since(begin)
	}, func() time.Duration {
		x := open(b, postgres.Options{URL: server.Database(b), Embedder: e})
		begin := time.Now()
		publish(b, x, docs...)
		return time.Since(begin)
	})
}
