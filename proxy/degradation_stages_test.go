package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/embed"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/split"
	"github.com/ragproxy/ragproxy/index/vector"
	"github.com/ragproxy/ragproxy/retrieval"
	"github.com/ragproxy/ragproxy/retrieval/rerank"
)

// testEmbedder embeds as the embedder over HTTP does when it works.
type testEmbedder struct{}

func (testEmbedder) Space(context.Context) (string, error) { return "emb@4", nil }

func (testEmbedder) EmbedDocuments(_ context.Context, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i := range texts {
		out[i] = []float32{1, float32(i), 0, 0}
	}
	return out, nil
}

func (e testEmbedder) EmbedQuery(context.Context, string) ([]float32, error) {
	return []float32{1, 0, 0, 0}, nil
}

// osDisk is the real disk, with a word before each opening.
type osDisk struct {
	index.FS // nil: nothing is written
	before   func(path string) error
}

func (d osDisk) Open(path string) (index.FSFile, error) {
	if d.before != nil {
		if err := d.before(path); err != nil {
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
	return os.Open(path)
}

func (osDisk) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

func indexOptions(t testing.TB, dir string) index.Options {
	t.Helper()
	splitter, err := split.NewRecursive(split.Options{Size: 1000})
	if err != nil {
		t.Fatal(err)
	}
	keyword, err := lexical.New(lexical.Options{})
	if err != nil {
		t.Fatal(err)
	}
	exact, err := vector.New("exact")
	if err != nil {
		t.Fatal(err)
	}
	return index.Options{Dir: dir, Embedder: testEmbedder{}, Splitter: splitter, Vector: exact, VectorByName: vector.New, Keyword: keyword}
}

// buildCorpus makes an index of three documents that both legs find.
func buildCorpus(t *testing.T) string {
	dir := t.TempDir()
	x := index.Open(indexOptions(t, dir))
	b, err := x.Build(t.Context(), index.BuildOptions{Collection: "default"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range corpusSize {
		d := index.Document{ID: fmt.Sprint("doc", i), Text: fmt.Sprintf("Planning has steps: this is number %d.", i)}
		if _, err := b.Add(t.Context(), "src", d); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// options are those of a pipeline with the cell's fault.
func (c cell) options(t *testing.T, net *pipeNet, base string, logger *slog.Logger) retrieval.Options {
	c.servers(t, net)
	prompts, err := retrieval.LoadPrompts("", "")
	if err != nil {
		t.Fatal(err)
	}
	reranker, err := rerank.New(rerank.Options{Kind: rerank.TEI, BaseURL: "http://reranker", HTTPClient: net.client(t)})
	if err != nil {
		t.Fatal(err)
	}
	return retrieval.Options{
		Searcher: c.index(t, net, base, logger), Prompts: prompts, Collection: "default", TopK: 4, Depth: 100, VectorWeight: .5,
		Deadline: testSearchDeadline,
		Rewrite:  retrieval.RewriteOptions{Mode: retrieval.RewriteAuto, MaxTurns: 10, Deadline: testRewriteDeadline},
		Rerank:   retrieval.RerankOptions{Reranker: reranker, Depth: 30, Deadline: testRerankDeadline},
	}
}

// servers are those of the stages, sound but for the cell's.
func (c cell) servers(t *testing.T, net *pipeNet) {
	for _, s := range []struct {
		host          string
		fault, answer http.HandlerFunc
	}{
		{"rewriter", c.rewrite, says("planning steps in order")},
		{"embedder", c.embed, replies("application/json", `{"data":[{"index":0,"embedding":[1,0,0,0]}]}`)},
		{"reranker", c.rerank, replies("application/json", `[{"index":0,"score":1},{"index":1,"score":2},{"index":2,"score":3}]`)},
	} {
		if s.fault == nil {
			s.fault = s.answer
		}
		if s.host != c.refuse {
			net.serve(t, s.host, s.fault)
		}
	}
}

func (c cell) index(t *testing.T, net *pipeNet, base string, logger *slog.Logger) *index.Index {
	dir := base
	if c.damage != nil {
		dir = t.TempDir()
		if err := errors.Join(os.CopyFS(dir, os.DirFS(base)), c.damage(filepath.Join(dir, "collections", "default"))); err != nil {
			t.Fatal(err)
		}
	}
	opts := indexOptions(t, dir)
	embedder, err := embed.NewOpenAI(embed.OpenAIOptions{BaseURL: "http://embedder/v1", Model: "emb", HTTPClient: net.client(t), Logger: logger, Breaker: newTestBreaker()})
	if err != nil {
		t.Fatal(err)
	}
	opts.Embedder, opts.FS = embedder, osDisk{before: c.open}
	if c.vector != nil {
		opts.VectorByName = func(name string) (index.VectorEngine, error) {
			e, err := vector.New(name)
			return brokenVectors{e, c.vector}, err
		}
	}
	if c.keyword != nil {
		opts.Keyword = brokenKeywords{opts.Keyword, c.keyword}
	}
	x := index.Open(opts)
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Errorf("close index: %v", err)
		}
	})
	return x
}

// brokenVectors and brokenKeywords answer every search with a function.
type brokenVectors struct {
	index.VectorEngine
	search func(context.Context) ([]index.Match, error)
}

func (e brokenVectors) Open(index.Matrix, string) (index.VectorSearcher, error) {
	return brokenVectorSearcher{e.search}, nil
}

type brokenVectorSearcher struct {
	search func(context.Context) ([]index.Match, error)
}

func (s brokenVectorSearcher) Search(ctx context.Context, _ []float32, _ int, _ index.Allow) ([]index.Match, error) {
	return s.search(ctx)
}
func (brokenVectorSearcher) Close() error { return nil }

type brokenKeywords struct {
	index.KeywordEngine
	search func(context.Context) ([]index.Match, error)
}

func (e brokenKeywords) Open([]string) (index.KeywordSearcher, error) {
	return brokenKeywordSearcher{e.search}, nil
}

type brokenKeywordSearcher struct {
	search func(context.Context) ([]index.Match, error)
}

func (s brokenKeywordSearcher) Search(ctx context.Context, _ string, _ int, _ index.Allow) ([]index.Match, error) {
	return s.search(ctx)
}
func (brokenKeywordSearcher) Close() error { return nil }
