package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/internal/upstreamtest"
	"github.com/ragproxy/ragproxy/proxy"
	"github.com/ragproxy/ragproxy/retrieval"
)

// oneHit answers every search with one chunk.
type oneHit struct{ chunk index.Chunk }

func (h *oneHit) Exists(context.Context, string) error { return nil }

func (h *oneHit) Search(context.Context, index.Query) (index.Legs, error) {
	return index.Legs{Keyword: index.Leg{Hits: []index.Hit{{Chunk: h.chunk, Score: 1}}}}, nil
}

func serve(t *testing.T, search retrieval.Searcher) (url string, up *upstreamtest.Upstream) {
	up = upstreamtest.Start(t, map[string]string{"answer": "HTTP/1.1 200 OK\nContent-Type: application/json\n\n{\"choices\":[]}"})
	prompts, err := retrieval.LoadPrompts("", "")
	if err != nil {
		t.Fatal(err)
	}
	client := proxy.NewHTTPClient()
	t.Cleanup(client.CloseIdleConnections)
	srv := httptest.NewServer(proxy.New(proxy.Options{
		Upstream: proxy.Upstream{BaseURL: up.URL}, HTTPClient: client,
		Retriever: retrieval.New(retrieval.Options{
			Searcher: search, Prompts: prompts, Collection: "default", TopK: 4, Depth: 100, Deadline: 5 * time.Second,
			Rewrite: retrieval.RewriteOptions{Mode: retrieval.RewriteNever, MaxTurns: 10, Deadline: 5 * time.Second},
		}),
		Collection: "default", TopK: 4, Placement: proxy.PlacementSystem, Dialect: "rag",
		MaxBodyBytes: 1 << 20, Logger: slog.New(slog.DiscardHandler), Version: "test",
	}))
	t.Cleanup(srv.Close)
	return srv.URL, up
}

// messages are what the upstream gets for a chunk and a request, with the
// passages' insides as "..." and the marker as M.
func messages(t *testing.T, search *oneHit, url string, up *upstreamtest.Upstream, chunk index.Chunk, request string) string {
	t.Helper()
	search.chunk = chunk
	resp, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(request))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	calls := up.Calls()
	var body struct {
		Messages []struct {
			Role    string
			Content json.RawMessage
		}
	}
	if err := json.Unmarshal(calls[len(calls)-1].Body, &body); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, m := range body.Messages {
		var text string
		if json.Unmarshal(m.Content, &text) != nil {
			var parts []struct{ Text string }
			if err := json.Unmarshal(m.Content, &parts); err != nil {
				t.Fatal(err)
			}
			for _, p := range parts {
				text += p.Text + "|"
			}
		}
		fmt.Fprintf(&b, "%s: %s\n", m.Role, text)
	}
	return outside(b.String())
}

var marker = regexp.MustCompile(`with the marker ([0-9a-f]{16})`)

func outside(prompt string) string {
	m := marker.FindStringSubmatch(prompt)
	if m == nil {
		return prompt
	}
	inside := regexp.MustCompile(`(?s)<passage n="1" marker="` + m[1] + `" title="[^"\n]*">\n.*?\n</passage marker="` + m[1] + `">`)
	return strings.ReplaceAll(inside.ReplaceAllString(prompt, "..."), m[1], "M")
}

// TestNothingReachesTheUpstreamUndelimited: through the proxy, in both
// placements and every kind of message, what the upstream gets outside of the
// passages is the same with an attack and without.
func TestNothingReachesTheUpstreamUndelimited(t *testing.T) {
	all, err := readAttacks("../../retrieval/testdata/attacks.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	search := &oneHit{}
	url, up := serve(t, search)
	escaped, tries := 0, 0
	for name, request := range map[string]string{
		"new system message":  `{"messages":[{"role":"user","content":"Why?"}]}`,
		"own system message":  `{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Why?"}]}`,
		"system in parts":     `{"messages":[{"role":"system","content":[{"type":"text","text":"Be brief."}]},{"role":"user","content":"Why?"}]}`,
		"before the question": `{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Why?"}],"rag":{"placement":"user"}}`,
		"question in parts":   `{"messages":[{"role":"user","content":[{"type":"text","text":"Why?"}]}],"rag":{"placement":"user"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			want := messages(t, search, url, up, index.Chunk{ID: "1", Text: "harmless"}, request)
			if !strings.Contains(want, "...") || strings.Contains(want, "harmless") {
				t.Fatalf("got %q, want the passage in it, delimited", want)
			}
			for _, a := range all {
				tries++
				got := messages(t, search, url, up, index.Chunk{ID: "1", Title: a.Title, Text: a.Text}, request)
				if diff := cmp.Diff(want, got); diff != "" {
					escaped++
					t.Errorf("%s: outside of the passages (-without +with):\n%s", a.ID, diff)
				}
			}
		})
	}
	t.Logf("%d of %d tries reached the upstream un-delimited", escaped, tries)
}
