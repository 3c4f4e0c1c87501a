package opensearch_test

import (
	"testing"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/enginetest"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/opensearch"
	"github.com/ragproxy/ragproxy/index/split"
	"github.com/ragproxy/ragproxy/index/vector"
	"github.com/ragproxy/ragproxy/internal/ostest"
)

func splitter(t testing.TB) index.Splitter {
	t.Helper()
	s, err := split.NewRecursive(split.Options{Size: 350, Overlap: 70})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func local(t testing.TB, e index.Embedder) index.Engine {
	t.Helper()
	keyword, err := lexical.New(lexical.Options{})
	if err != nil {
		t.Fatal(err)
	}
	auto, err := vector.New("auto")
	if err != nil {
		t.Fatal(err)
	}
	x := index.Open(index.Options{Dir: t.TempDir(), Embedder: e, Splitter: splitter(t), Vector: auto, VectorByName: vector.New, Keyword: keyword})
	t.Cleanup(func() { x.Close() })
	return x
}

func open(t testing.TB, o opensearch.Options) *opensearch.Engine {
	t.Helper()
	if o.Splitter == nil {
		o.Splitter = splitter(t)
	}
	x, err := opensearch.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func publish(t testing.TB, x index.Engine, docs ...index.Document) index.Manifest {
	t.Helper()
	r, err := x.Begin(t.Context(), index.BuildOptions{Collection: "c"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Abort()
	for _, d := range docs {
		if _, err := r.Add(t.Context(), "source", d); err != nil {
			t.Fatal(err)
		}
	}
	m, err := r.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// BenchmarkSearch is one search after the other among 24,000 chunks, here and in
// OpenSearch on this machine; the embedder costs next to nothing.
func BenchmarkSearch(b *testing.B) {
	cluster := ostest.Start(b, ostest.Options{})
	docs, asked := enginetest.Sample(8000, 400)
	e := &enginetest.Bag{}
	german := map[string]any{"lang": "de"}
	for _, engine := range []struct {
		name string
		x    index.Engine
	}{{"local", local(b, e)}, {"opensearch", open(b, opensearch.Options{URL: cluster.URL(), Embedder: e})}} {
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
