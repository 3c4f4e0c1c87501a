package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/load"
	"github.com/ragproxy/ragproxy/index/split"
	"github.com/ragproxy/ragproxy/internal/upstreamtest"
)

// standalone is the scripted rewrite of the one follow-up among the questions.
const standalone = "What are common ways of doing task decomposition?"

// TestOriginPost is the origin's guide on its own page: fetched over HTTP,
// kept by CSS class, split, embedded, and asked through the proxy. The
// question is whether the passages that reach the upstream hold the answer.
func TestOriginPost(t *testing.T) {
	data := os.Getenv("RAGPROXY_TEST_DATA")
	if data == "" {
		t.Skip("RAGPROXY_TEST_DATA is not set: the origin's post is not at hand")
	}
	site := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(data, "weng"))))
	defer site.Close()
	cfg := testConfig(t, nil)
	splitter, err := split.NewRecursive(split.Options{Size: 1000, Overlap: 200})
	if err != nil {
		t.Fatal(err)
	}
	idx, err := openEngine(cfg, splitter)
	if err != nil {
		t.Fatal(err)
	}
	defer idx.Close()
	indexPage(t, idx, site.URL+"/2023-06-23-agent.html")

	up := upstreamtest.Start(t, map[string]string{
		"rewrite": "HTTP/1.1 200 OK\nContent-Type: application/json\n\n{\"choices\":[{\"message\":{\"content\":\"" + standalone + "\"}}]}",
		"answer":  "HTTP/1.1 200 OK\nContent-Type: application/json\n\n{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"ok\"}}]}",
	})
	server, err := newServer(cfg, idx, up.URL, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(server)
	defer proxy.Close()

	questions, right := readQuestions(t, filepath.Join(data, "weng", "questions.jsonl")), 0
	for _, q := range questions {
		post(t, proxy.URL+"/v1/chat/completions", q.Messages)
		calls := up.Calls()
		passages := gjson.GetBytes(calls[len(calls)-1].Body, "messages.0.content").String()
		var missing []string
		for _, s := range q.MustContain {
			if !strings.Contains(passages, s) {
				missing = append(missing, s)
			}
		}
		if len(missing) == 0 {
			right++
			continue
		}
		t.Logf("%s: the passages lack %q", q.ID, missing)
	}
	t.Logf("%d of %d questions have all their strings in the passages", right, len(questions))
	if right < 9 {
		t.Errorf("got %d of %d questions right, want at least 9", right, len(questions))
	}
}

type question struct {
	ID          string          `json:"_id"`
	Messages    json.RawMessage `json:"messages"`
	MustContain []string        `json:"must_contain"`
}

func readQuestions(t *testing.T, path string) []question {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []question
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			t.Fatal(err)
		}
		out = append(out, q)
	}
	return out
}

// testConfig is the default configuration with an index of its own.
func testConfig(t *testing.T, flags map[string]string) *config.Config {
	t.Helper()
	all := map[string]string{"data_dir": t.TempDir()}
	for k, v := range flags {
		all[k] = v
	}
	cfg, _, err := config.Load(config.LoadOptions{Dir: t.TempDir(), Env: []string{"HOME=" + t.TempDir()}, Flags: all})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func indexPage(t *testing.T, idx index.Engine, url string) {
	t.Helper()
	builder, err := idx.Begin(t.Context(), index.BuildOptions{Collection: defaultCollection})
	if err != nil {
		t.Fatal(err)
	}
	loader, err := load.Open(url, load.Options{Classes: []string{"post-content", "post-title", "post-header"}, AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	for doc, err := range loader.Load(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := builder.Add(t.Context(), url, doc); err != nil {
			t.Fatal(err)
		}
	}
	m, err := builder.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("indexed %d documents, %d chunks", m.Documents, m.Chunks)
}

func post(t *testing.T, url string, messages json.RawMessage) {
	t.Helper()
	body := `{"model":"gpt-4o","messages":` + string(messages) + `}`
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("got %s, want 200", resp.Status)
	}
}
