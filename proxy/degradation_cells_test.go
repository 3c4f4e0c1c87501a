package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/internal/breaker"
	"github.com/ragproxy/ragproxy/retrieval"
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
