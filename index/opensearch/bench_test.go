package opensearch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/enginetest"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/vector"
	"github.com/ragproxy/ragproxy/internal/ostest"
)

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

// BenchmarkSearch is one search after the other among 24,000 chunks, here and in
// one node of OpenSearch on this machine; the embedder costs next to nothing.
func BenchmarkSearch(b *testing.B) {
	cluster := ostest.Start(b, ostest.Options{Heap: 1024})
	docs, asked := enginetest.Sample(8000, 6400)
	asked, before := asked[:400], asked[400:]
	e := &enginetest.Bag{}
	server := engine(b, cluster, Options{Embedder: e})
	german := map[string]any{"lang": "de"}
	for _, engine := range []struct {
		name string
		x    index.Engine
	}{{"local", local(b, e)}, {"opensearch", server}} {
		m := publish(b, engine.x, docs...)
		b.Logf("%s: %d chunks, %s, %.1f MB", engine.name, m.Chunks, m.Vector, float64(m.Size())/1e6)
		if engine.x == server {
			merged(b, server)
			for _, text := range before { // a server that has just begun is still being compiled
				legs, err := server.Search(b.Context(), index.Query{Collection: "c", Text: text, Depth: 100})
				if err = errors.Join(err, enginetest.Load(b.Context(), legs.Vector.Hits[:min(4, len(legs.Vector.Hits))])); err != nil {
					b.Fatal(err)
				}
			}
		}
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

// merged waits until the server has merged what a large run left, and searches
// that.
func merged(b *testing.B, x *Engine) {
	b.Helper()
	s, err := x.state(b.Context(), "c")
	for err == nil {
		var list []struct {
			Docs string `json:"docs.count"`
		}
		err = x.refresh(b.Context(), s.Store)
		if err == nil {
			err = x.call(b.Context(), http.MethodGet, "/_cat/segments/"+s.Store+"?format=json&h=docs.count", nil, &list)
		}
		if len(list) == 1 {
			return
		}
		time.Sleep(time.Second)
	}
	b.Fatal(err)
}

// BenchmarkLoad is a first run over 8,000 documents of 24,000 chunks, cutting
// and words included, and the same records written by nothing but _bulk, from
// bodies that were prepared, over as many connections.
func BenchmarkLoad(b *testing.B) {
	cluster := ostest.Start(b, ostest.Options{Heap: 1024})
	docs, _ := enginetest.Sample(8000, 0)
	e := &enginetest.Bag{}
	_ = publish(b, local(b, e), docs...) // embedding is not what is measured
	x := engine(b, cluster, Options{Embedder: e})
	bodies := prepared(b, x, docs)
	_ = plain(b, x, bodies) // a server that has just begun is still being compiled
	enginetest.Rates(b, func() time.Duration { return plain(b, x, bodies) }, func() time.Duration {
		x := engine(b, cluster, Options{Embedder: e})
		begin := time.Now()
		publish(b, x, docs...)
		took := time.Since(begin)
		if err := x.Drop(b.Context(), "c"); err != nil { // the server merges what a large run left: not the next one's affair
			b.Fatal(err)
		}
		return took
	})
}

// prepared are the records of documents as lines of _bulk.
func prepared(b *testing.B, x *Engine, docs []index.Document) (bodies [][]byte) {
	b.Helper()
	terms, err := x.terms.Of(x.opts.Keyword)
	if err != nil {
		b.Fatal(err)
	}
	var body bytes.Buffer
	n := 0
	put := func(r record) {
		line, err := json.Marshal(r)
		if err != nil {
			b.Fatal(err)
		}
		n++
		fmt.Fprintf(&body, "{\"index\":{\"_id\":\"%d\"}}\n%s\n", n, line)
		if body.Len() > bulkBytes {
			bodies = append(bodies, bytes.Clone(body.Bytes()))
			body.Reset()
		}
	}
	for _, d := range docs {
		cut, err := index.CutDocument(x.opts.Splitter, d)
		if err != nil {
			b.Fatal(err)
		}
		own, err := documentRecord(index.Stored{Document: d, Source: "source", Cut: cut}, 1)
		if err != nil {
			b.Fatal(err)
		}
		put(own)
		vectors, err := x.opts.Embedder.EmbedDocuments(b.Context(), cut.Texts)
		if err == nil {
			err = index.UnitVectors(vectors, len(cut.Texts), 0)
		}
		if err != nil {
			b.Fatal(err)
		}
		for i, c := range cut.Chunks {
			r, err := chunkRecord(own, c, index.KeyOf(cut.Texts[i]))
			if err != nil {
				b.Fatal(err)
			}
			r.setWords(terms.Chunk(c))
			r.setVector(vectors[i])
			put(r)
		}
	}
	return append(bodies, body.Bytes())
}

// plain writes the bodies into an index of its own, and gives how long that took.
func plain(b *testing.B, x *Engine, bodies [][]byte) time.Duration {
	b.Helper()
	const name = "plain"
	url := strings.Split(x.opts.URL, ",")[0] + "/" + name
	if err := x.call(b.Context(), http.MethodDelete, "/"+name+"?ignore_unavailable=true", nil, nil); err != nil {
		b.Fatal(err)
	}
	if err := x.call(b.Context(), http.MethodPut, "/"+name, x.storeBody(name, "bag@384", 384), nil); err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	queue := make(chan []byte, len(bodies))
	for _, body := range bodies {
		queue <- body
	}
	close(queue)
	var writers sync.WaitGroup
	for range bulkFlights {
		writers.Go(func() {
			for body := range queue {
				resp, err := http.Post(url+"/_bulk?filter_path=errors", "application/x-ndjson", bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				var said bytes.Buffer
				_, err = said.ReadFrom(resp.Body)
				resp.Body.Close()
				if err != nil || said.String() != `{"errors":false}` {
					b.Errorf("%v: %s", err, &said)
				}
			}
		})
	}
	writers.Wait()
	if err := x.refresh(b.Context(), name); err != nil {
		b.Fatal(err)
	}
	return time.Since(begin)
}
