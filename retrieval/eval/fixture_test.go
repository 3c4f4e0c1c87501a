package eval_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/load"
	"github.com/ragproxy/ragproxy/index/split"
	"github.com/ragproxy/ragproxy/index/vector"
	"github.com/ragproxy/ragproxy/retrieval"
)

func TestMain(m *testing.M) {
	// bleve starts its workers when it is imported.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/blevesearch/bleve_index_api.AnalysisWorker"))
}

const collection = "set"

// build indexes what loaders load as the index command does by default.
func build(t *testing.T, embedder index.Embedder, loaders ...load.Loader) *index.Index {
	t.Helper()
	splitter, err := split.NewRecursive(split.Options{Size: 1000, Overlap: 200})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := vector.New("auto")
	if err != nil {
		t.Fatal(err)
	}
	keyword, err := lexical.New(lexical.Options{})
	if err != nil {
		t.Fatal(err)
	}
	idx := index.Open(index.Options{
		Dir: t.TempDir(), Embedder: embedder, Splitter: splitter, Vector: engine, VectorByName: vector.New, Keyword: keyword,
	})
	t.Cleanup(func() { idx.Close() })
	builder, err := idx.Build(t.Context(), index.BuildOptions{Collection: collection})
	if err != nil {
		t.Fatal(err)
	}
	defer builder.Abort()
	for _, l := range loaders {
		for doc, err := range l.Load(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := builder.Add(t.Context(), "set", doc); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := builder.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return idx
}

// pipeline is a retriever with the default settings but for the weight.
func pipeline(t *testing.T, s retrieval.Searcher, vectorWeight float64) *retrieval.Retriever {
	t.Helper()
	prompts, err := retrieval.LoadPrompts("", "")
	if err != nil {
		t.Fatal(err)
	}
	return retrieval.New(retrieval.Options{Searcher: s, Prompts: prompts, TopK: 4, Depth: 100, VectorWeight: vectorWeight})
}

// noEmbedder is for the keyword leg alone.
type noEmbedder struct{}

func (noEmbedder) EmbedDocuments(_ context.Context, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	for i := range vectors {
		vectors[i] = []float32{0}
	}
	return vectors, nil
}

func (noEmbedder) EmbedQuery(context.Context, string) ([]float32, error) { return []float32{0}, nil }

func (noEmbedder) Space(context.Context) (string, error) { return "none@1", nil }

// folder writes files, by their paths, into a new folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
