package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/embed"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/split"
	"github.com/ragproxy/ragproxy/index/vector"
	"github.com/ragproxy/ragproxy/internal/breaker"
	"github.com/ragproxy/ragproxy/retrieval"
	"github.com/ragproxy/ragproxy/retrieval/rerank"
)

// Kinds of faults.
const (
	down  = "down"
	slow  = "slow"
	wrong = "wrong answer"
)

// cell is a stage that is broken in one way, and what a client is told of it
// under the policy continue.
type cell struct {
	stage, kind, fault string

	refuse                 string // the host that refuses connections
	before                 int    // requests that fail before the one that counts
	rewrite, embed, rerank http.HandlerFunc
	vector, keyword        func(ctx context.Context) ([]index.Match, error)
	damage                 func(collection string) error // on a copy of the index
	open                   func(path string) error       // before a file is opened

	events   []string
	degraded []string
	passages int
}

const corpusSize = 3

// cells is the matrix.
func cells() []cell {
	var out []cell
	add := func(stage string, told func(*cell), list []cell) {
		for _, c := range list {
			c.stage, c.passages = stage, corpusSize
			events := c.events
			if told(&c); len(events) > 0 {
				c.events = events
			}
			out = append(out, c)
		}
	}
	leg := func(name, other string) func(*cell) {
		return func(c *cell) {
			code := "leg_failed"
			if c.kind == slow {
				code = "deadline"
			}
			c.events, c.degraded = []string{"retrieval.failed " + name + " " + code + " -> " + other}, []string{name}
		}
	}
	add(retrieval.StageRewrite, func(c *cell) {
		code := "rewrite_failed"
		if c.kind == slow {
			code = "deadline"
		}
		c.events, c.degraded = []string{"rewrite.failed " + code}, []string{"rewrite"}
	}, rewriteFaults())
	out = append(out, cell{stage: retrieval.StageRewrite, kind: wrong, fault: "gives the question back", rewrite: says("planning steps?"), passages: corpusSize})
	add(retrieval.StageEmbed, func(c *cell) {
		code := "embedding_failed"
		if c.kind == slow {
			code = "deadline"
		}
		c.events, c.degraded = []string{"retrieval.failed vector " + code + " -> bm25"}, []string{"vector"}
	}, embedFaults())
	add(retrieval.LegVector, leg("vector", "bm25"), legFaults("vectors.f32", func(c *cell, f func(context.Context) ([]index.Match, error)) { c.vector = f }))
	add(retrieval.LegKeyword, leg("bm25", "vector"), legFaults("keyword/stats.json", func(c *cell, f func(context.Context) ([]index.Match, error)) { c.keyword = f }))
	add(retrieval.StageRerank, func(c *cell) {
		code := "rerank_failed"
		if c.kind == slow {
			code = "deadline"
		}
		c.events, c.degraded = []string{"retrieval.failed rerank " + code + " -> "}, []string{"rerank"}
	}, rerankFaults())
	add(retrieval.StageIndex, func(c *cell) {
		code := "index_failed"
		if c.kind == slow {
			code = "deadline"
		}
		c.events = []string{"retrieval.failed vector " + code + " -> ", "retrieval.failed bm25 " + code + " -> "}
		c.degraded, c.passages = []string{"vector", "bm25"}, 0
	}, indexFaults())
	return out
}

const circuitFailures = 5

func newTestBreaker() *breaker.Breaker {
	return breaker.New(breaker.Options{Name: "test", Failures: circuitFailures, OpenFor: time.Hour})
}

func rewriteFaults() []cell {
	return []cell{
		{kind: down, fault: "refuses the connection", refuse: "rewriter"},
		{kind: down, fault: "cuts the connection", rewrite: cuts},
		{kind: down, fault: "answers 500", rewrite: status(500)},
		{kind: down, fault: "answers 401", rewrite: status(401)},
		{kind: down, fault: "answers 429", rewrite: status(429)},
		{kind: down, fault: "circuit open", rewrite: status(500), before: circuitFailures, events: []string{"rewrite.failed circuit_open"}},
		{kind: slow, fault: "says nothing", rewrite: hangs("", "")},
		{kind: slow, fault: "stops in its answer", rewrite: hangs("application/json", `{"choices":[`)},
		{kind: slow, fault: "stops in its stream", rewrite: hangs("text/event-stream", `data: {"choices":[{"delta":{"content":"pl"}}]}`+"\n\n")},
		{kind: wrong, fault: "empty", rewrite: says("")},
		{kind: wrong, fault: "no word", rewrite: says("?! \u0000 ~~~")},
		{kind: wrong, fault: "an essay", rewrite: says(strings.Repeat("Planning is a long story. ", 400))},
		{kind: wrong, fault: "HTML with 200", rewrite: replies("text/html", "<html>hello")},
		{kind: wrong, fault: "half a JSON", rewrite: replies("application/json", `{"choices":[{"message":{"content":"pla`)},
		{kind: wrong, fault: "JSON of another shape", rewrite: replies("application/json", `{"output":"planning"}`)},
		{kind: wrong, fault: "an error with 200", rewrite: replies("text/event-stream", `data: {"error":{"message":"overloaded"}}`+"\n\n")},
		{kind: wrong, fault: "a stream without its end", rewrite: replies("text/event-stream", `data: {"choices":[{"delta":{"content":"planning"}}]}`+"\n\n")},
	}
}

func embedFaults() []cell {
	vector := func(v string) http.HandlerFunc {
		return replies("application/json", `{"data":[{"index":0,"embedding":`+v+`}]}`)
	}
	return []cell{
		{kind: down, fault: "refuses the connection", refuse: "embedder"},
		{kind: down, fault: "cuts the connection", embed: cuts},
		{kind: down, fault: "answers 500", embed: status(500)},
		{kind: down, fault: "answers 401", embed: status(401)},
		{kind: down, fault: "answers 429 with a long Retry-After", embed: status(429)},
		{kind: down, fault: "circuit open", embed: status(500), before: circuitFailures, events: []string{"retrieval.failed vector circuit_open -> bm25"}},
		{kind: slow, fault: "says nothing", embed: hangs("", "")},
		{kind: slow, fault: "stops in its answer", embed: hangs("application/json", `{"data":[`)},
		{kind: wrong, fault: "other dimensions", embed: vector(`[1,0,0]`), events: []string{"retrieval.failed vector embedding_space_mismatch -> bm25"}},
		{kind: wrong, fault: "NaN", embed: vector(`"AADAfwAAAAAAAAAAAAAAAA=="`)},
		{kind: wrong, fault: "too large a number", embed: vector(`[1e999,0,0,0]`)},
		{kind: wrong, fault: "null among the numbers", embed: vector(`[null,0,0,1]`)},
		{kind: wrong, fault: "all zero", embed: vector(`[0,0,0,0]`)},
		{kind: wrong, fault: "no vector", embed: replies("application/json", `{"data":[]}`)},
		{kind: wrong, fault: "two vectors for one text", embed: replies("application/json", `{"data":[{"index":0,"embedding":[1,0,0,0]},{"index":1,"embedding":[1,0,0,0]}]}`)},
		{kind: wrong, fault: "HTML with 200", embed: replies("text/html", "<html>hello")},
		{kind: wrong, fault: "half a JSON", embed: replies("application/json", `{"data":[{"index":0,"embedding":[1,0`)},
		{kind: wrong, fault: "an error with 200", embed: replies("application/json", `{"error":{"message":"no model"}}`)},
	}
}

// legFaults are those of either leg; file is one that it needs.
func legFaults(file string, set func(*cell, func(context.Context) ([]index.Match, error))) []cell {
	out := []cell{
		{kind: down, fault: "a file is missing", damage: func(c string) error { return os.Remove(filepath.Join(c, "segments", "seg-000001-0", file)) }},
		{kind: down, fault: "a file is damaged", damage: func(c string) error { return flipBit(filepath.Join(c, "segments", "seg-000001-0", file)) }},
	}
	for _, x := range []struct {
		kind, fault string
		search      func(ctx context.Context) ([]index.Match, error)
	}{
		{down, "its search fails", func(context.Context) ([]index.Match, error) { return nil, syscall.EIO }},
		{down, "its search panics", func(context.Context) ([]index.Match, error) { panic("boom") }},
		{slow, "takes too long", func(ctx context.Context) ([]index.Match, error) { <-ctx.Done(); return nil, ctx.Err() }},
		{slow, "hangs beyond its deadline", func(context.Context) ([]index.Match, error) { <-time.After(time.Hour); return nil, nil }},
		{wrong, "a score is NaN", func(context.Context) ([]index.Match, error) { return []index.Match{{Row: 0, Score: math.NaN()}}, nil }},
		{wrong, "a score is infinite", func(context.Context) ([]index.Match, error) { return []index.Match{{Row: 0, Score: math.Inf(1)}}, nil }},
		{wrong, "a hit that is not there", func(context.Context) ([]index.Match, error) { return []index.Match{{Row: 99, Score: 1}}, nil }},
	} {
		c := cell{kind: x.kind, fault: x.fault}
		set(&c, x.search)
		out = append(out, c)
	}
	return out
}

func rerankFaults() []cell {
	scores := func(list string) http.HandlerFunc { return replies("application/json", list) }
	return []cell{
		{kind: down, fault: "refuses the connection", refuse: "reranker"},
		{kind: down, fault: "cuts the connection", rerank: cuts},
		{kind: down, fault: "answers 500", rerank: status(500)},
		{kind: down, fault: "answers 429 with a long Retry-After", rerank: status(429)},
		{kind: slow, fault: "says nothing", rerank: hangs("", "")},
		{kind: slow, fault: "stops in its answer", rerank: hangs("application/json", `[{"index":0`)},
		{kind: wrong, fault: "too few scores", rerank: scores(`[{"index":0,"score":1}]`)},
		{kind: wrong, fault: "an index twice", rerank: scores(`[{"index":0,"score":1},{"index":0,"score":1},{"index":1,"score":1}]`)},
		{kind: wrong, fault: "NaN", rerank: scores(`[{"index":0,"score":NaN},{"index":1,"score":1},{"index":2,"score":1}]`)},
		{kind: wrong, fault: "null", rerank: scores(`[{"index":0,"score":null},{"index":1,"score":1},{"index":2,"score":1}]`)},
		{kind: wrong, fault: "HTML with 200", rerank: replies("text/html", "<html>hello")},
	}
}

func indexFaults() []cell {
	on := func(file string, do func() error) func(string) error {
		return func(path string) error {
			if strings.HasSuffix(path, file) {
				return do()
			}
			return nil
		}
	}
	return []cell{
		{kind: down, fault: "a file is missing", damage: func(c string) error { return os.Remove(filepath.Join(c, "segments", "seg-000001-0", "documents.idx")) }},
		{kind: down, fault: "too many open files", open: on("chunks.idx", func() error { return syscall.EMFILE })},
		{kind: down, fault: "the disk fails", open: on("manifest.json", func() error { return syscall.EIO })},
		{kind: slow, fault: "the disk hangs", open: on("chunks.idx", func() error { <-time.After(24 * time.Hour); return syscall.EIO })},
		{kind: wrong, fault: "the manifest is damaged", damage: func(c string) error { return flipBit(filepath.Join(c, "gen-000001", "manifest.json")) }},
		{kind: wrong, fault: "the index of chunks is damaged", damage: func(c string) error { return flipBit(filepath.Join(c, "segments", "seg-000001-0", "chunks.idx")) }},
		{kind: wrong, fault: "current is garbage", damage: func(c string) error { return os.WriteFile(filepath.Join(c, "current"), []byte("garbage"), 0o600) }},
	}
}

// flipBit damages a file in its middle.
func flipBit(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[len(b)/2] ^= 1
	return os.WriteFile(path, b, 0o600)
}

// What a server over HTTP may do instead of answering.

func cuts(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if code == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "3600")
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"error":{"message":"status %d"}}`, code)
	}
}

func replies(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Write([]byte(body))
	}
}

// hangs sends the beginning of an answer, if that is one, and waits.
func hangs(contentType, begin string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // until then net/http does not see the client go
		if contentType != "" {
			replies(contentType, begin)(w, r)
			http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}
}

// says is a model that rewrites.
func says(text string) http.HandlerFunc {
	b, _ := json.Marshal(text)
	return replies("application/json", `{"model":"small","choices":[{"message":{"role":"assistant","content":`+string(b)+`}}]}`)
}

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
