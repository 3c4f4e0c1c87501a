package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/retrieval"
)

// found is an index that finds the same for every query.
type found index.Legs

func (f found) Search(context.Context, index.Query) (index.Legs, error) { return index.Legs(f), nil }
func (f found) Exists(context.Context, string) error                    { return nil }

// TestRerankerIsWired holds newRetriever, from which every command has its
// pipeline, to the keys rerank.*.
func TestRerankerIsWired(t *testing.T) {
	legs := found{Vector: index.Leg{Hits: []index.Hit{
		{Chunk: index.Chunk{ID: "a", Text: "first"}, Score: 3}, {Chunk: index.Chunk{ID: "b", Text: "second"}, Score: 2}, {Chunk: index.Chunk{ID: "c", Text: "third"}, Score: 1},
	}}}
	var key string
	var texts []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct{ Texts []string }
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			t.Errorf("read request: %v", err)
		}
		key, texts = r.Header.Get("Authorization"), call.Texts
		io.WriteString(w, `[{"index":0,"score":0.1},{"index":1,"score":0.9}]`)
	}))
	t.Cleanup(srv.Close)
	order := func(flags map[string]string) []string {
		retriever, err := newRetriever(testConfig(t, flags), legs, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := retriever.Search(t.Context(), retrieval.SearchRequest{Query: "q", TopK: 3})
		if err != nil || len(got.Failed) > 0 {
			t.Fatalf("got %v, %v, want no failure", got.Failed, err)
		}
		var ids []string
		for _, s := range got.Sources {
			ids = append(ids, s.Chunk.ID)
		}
		return ids
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, order(nil)); diff != "" || texts != nil {
		t.Errorf("without a re-ranker: sent %v; order (-want +got):\n%s", texts, diff)
	}
	flags := map[string]string{"rerank.kind": "tei", "rerank.base_url": srv.URL, "rerank.api_key": "rk", "rerank.depth": "2"}
	if diff := cmp.Diff([]string{"b", "a", "c"}, order(flags)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"first", "second"}, texts); diff != "" || key != "Bearer rk" {
		t.Errorf("got the key %q, want Bearer rk; texts (-want +got):\n%s", key, diff)
	}
}

// TestSameOriginIsReachedLikeTheUpstream: the embedder and the re-ranker need
// upstream.ca_file where they are at the upstream's origin.
func TestSameOriginIsReachedLikeTheUpstream(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/embeddings" {
			io.WriteString(w, `{"data":[{"index":0,"embedding":[1,0]}]}`)
			return
		}
		io.WriteString(w, `[{"index":0,"score":0.1}]`)
	}))
	t.Cleanup(srv.Close)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that are to fail
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"", ca} {
		cfg := testConfig(t, map[string]string{
			"upstream.base_url": srv.URL + "/v1", "upstream.ca_file": file, "embedding.provider": "openai",
			"rerank.kind": "tei", "rerank.base_url": srv.URL,
		})
		reranker, err := newReranker(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := reranker.Rerank(t.Context(), "q", []string{"a passage"}); (err == nil) != (file != "") {
			t.Errorf("the re-ranker with ca_file %q: got %v", file, err)
		}
		embedder, err := newEmbedder(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, err := embedder.EmbedQuery(ctx, "q"); (err == nil) != (file != "") {
			t.Errorf("the embedder with ca_file %q: got %v", file, err)
		}
		cancel()
	}
}

func TestRerankerIsNoLeg(t *testing.T) {
	f := retrieval.Found{Failed: []retrieval.RetrievalFailed{{Leg: retrieval.LegVector}, {Leg: retrieval.StageRerank}}}
	if got := failedLegs(f); got != 1 {
		t.Errorf("got %d failed legs, want 1", got)
	}
}
