package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/internal/upstreamtest"
	"github.com/ragproxy/ragproxy/retrieval"
)

var update = flag.Bool("update", false, "write what the transcripts got into them")

// TestTranscripts replays testdata/*.txtar: the client's request, the recorded
// upstream, and to the letter what the upstream was asked and the client got.
// Drop a file = a test.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("list transcripts: %v, %d files", err, len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, sections(ar))
			if *update {
				rewriteTranscript(t, file, ar, got)
				return
			}
			for name, text := range got {
				if diff := cmp.Diff(sections(ar)[name], text); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

func sections(ar *txtar.Archive) map[string]string {
	out := map[string]string{}
	for _, f := range ar.Files {
		out[f.Name] = string(f.Data)
	}
	return out
}

func rewriteTranscript(t *testing.T, file string, ar *txtar.Archive, got map[string]string) {
	var names []string
	for name := range got {
		names = append(names, name)
	}
	sort.Strings(names)
	kept := ar.Files[:0]
	for _, f := range ar.Files {
		if !strings.HasPrefix(f.Name, "want ") {
			kept = append(kept, f)
		}
	}
	ar.Files = kept
	for _, name := range names {
		ar.Files = append(ar.Files, txtar.File{Name: name, Data: []byte(got[name])})
	}
	if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
		t.Fatal(err)
	}
}

// play runs one transcript and returns its "want ..." sections.
func play(t *testing.T, in map[string]string) map[string]string {
	responses := map[string]string{}
	for _, kind := range []string{"rewrite", "answer", "other"} {
		if raw, ok := in[kind]; ok {
			responses[kind] = raw
		}
	}
	up := upstreamtest.Start(t, responses)
	search := &fakeSearcher{}
	if raw, ok := in["search"]; ok {
		if err := json.Unmarshal([]byte(raw), search); err != nil {
			t.Fatalf("read section search: %v", err)
		}
	}
	opts := testOptions(t, up.URL, search)
	if key, ok := in["key"]; ok {
		opts.Upstream.APIKey = strings.TrimSpace(key)
	}
	if raw, ok := in["aliases"]; ok {
		if err := json.Unmarshal([]byte(raw), &opts.Aliases); err != nil {
			t.Fatalf("read section aliases: %v", err)
		}
	}
	proxy := httptest.NewServer(New(opts))
	t.Cleanup(proxy.Close)

	got := map[string]string{"want response": normalize(send(t, proxy.URL, in["request"]))}
	for _, c := range up.Calls() {
		got["want "+c.Kind+" call"] = normalize(showCall(c))
	}
	return got
}

func testOptions(t testing.TB, upstream string, search retrieval.Searcher) Options {
	return boundedOptions(t, upstream, search, 0, nil)
}

// boundedOptions has a bound on the context.
func boundedOptions(t testing.TB, upstream string, search retrieval.Searcher, limit int, counter *retrieval.TokenCounter) Options {
	prompts, err := retrieval.LoadPrompts("testdata/answer.tmpl", "testdata/rewrite.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	client := NewHTTPClient()
	t.Cleanup(client.CloseIdleConnections)
	return Options{
		Upstream: Upstream{BaseURL: upstream}, HTTPClient: client,
		Retriever: retrieval.New(retrieval.Options{
			Searcher: search, Prompts: prompts, Collection: "default", TopK: 4, Depth: 100, VectorWeight: .5,
			Rewrite: retrieval.RewriteOptions{Mode: retrieval.RewriteAuto, MaxTurns: 10, Deadline: 5 * time.Second}, Deadline: 5 * time.Second,
			MaxContextTokens: limit, Tokens: counter,
		}),
		MaxContextTokens: limit, Tokens: counter,
		Collection: "default", TopK: 4, Placement: PlacementSystem, Dialect: "rag", GuardLinks: true, KeepAlive: 15 * time.Second,
		MaxBodyBytes: 1 << 20, Logger: slog.New(slog.DiscardHandler), Version: "test",
	}
}

// send writes a raw request ("METHOD path", headers, empty line, body) and
// gives the response as text, with "(cut)" behind an answer that broke off.
func send(t *testing.T, base, raw string) string {
	head, body, _ := strings.Cut(raw, "\n\n")
	lines := bufio.NewScanner(strings.NewReader(head))
	lines.Scan()
	method, path, _ := strings.Cut(lines.Text(), " ")
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(strings.TrimSuffix(body, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		req.Header.Add(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, readErr := io.ReadAll(resp.Body)
	var b bytes.Buffer
	fmt.Fprintln(&b, resp.Status)
	resp.Header.Del("Date")
	writeHeader(&b, resp.Header)
	b.WriteByte('\n')
	b.Write(got)
	if readErr != nil {
		b.WriteString("(cut)\n")
	}
	return b.String()
}

func showCall(c upstreamtest.Call) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s\n", c.Method, c.Path)
	writeHeader(&b, c.Header)
	fmt.Fprintf(&b, "\n%s\n", c.Body)
	return b.String()
}

func writeHeader(b *bytes.Buffer, h http.Header) {
	if err := h.Write(b); err != nil { // a bytes.Buffer takes everything
		panic(err)
	}
	text := strings.ReplaceAll(b.String(), "\r\n", "\n")
	b.Reset()
	b.WriteString(text)
}

// normalize takes out what differs from run to run.
func normalize(s string) string {
	for _, r := range []struct{ pattern, with string }{
		{`chatcmpl-[A-Z2-7]{26}`, "chatcmpl-P"},
		{`req-[A-Z2-7]{26}`, "req-R"},
		{`"created":1[0-9]{9}\b`, `"created":1`},
		{`"ms":[0-9]+`, `"ms":0`},
		{`Content-Length: [0-9]+`, "Content-Length: N"},
	} {
		s = regexp.MustCompile(r.pattern).ReplaceAllString(s, r.with)
	}
	if !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return s
}

// fakeSearcher answers with two hits, or as a transcript's section "search"
// says.
type fakeSearcher struct {
	VectorError  string
	KeywordError string
	Missing      bool // no collection exists
	Empty        bool
	TextLength   int    // of each hit
	More         string // behind the second hit's text

	search func(context.Context, index.Query) (index.Legs, error)
}

func (f *fakeSearcher) Exists(_ context.Context, name string) error {
	if f.Missing {
		return fmt.Errorf("collection %q: %w", name, index.ErrNotFound)
	}
	return nil
}

func (f *fakeSearcher) Search(ctx context.Context, q index.Query) (index.Legs, error) {
	if f.search != nil {
		return f.search(ctx, q)
	}
	if f.Missing {
		return index.Legs{}, fmt.Errorf("collection %q: %w", q.Collection, index.ErrNotFound)
	}
	var legs index.Legs
	if !f.Empty {
		planning := index.Chunk{ID: "agents.html#chunk-3", DocumentID: "agents.html", URL: "https://example.org/agents", Title: "LLM \"agents\"", Text: f.text("Planning breaks a task into steps."), Ordinal: 3, Start: 3000, End: 3034}
		memory := index.Chunk{ID: "notes.md#chunk-0", DocumentID: "notes.md", Title: "Notes", Text: f.text("Memory <is> kept in an index & read back.") + f.More, End: 41, Meta: map[string]any{"lang": "en"}}
		legs.Vector.Hits = []index.Hit{{Chunk: planning, Score: .75}, {Chunk: memory, Score: .25}}
		legs.Keyword.Hits = []index.Hit{{Chunk: planning, Score: 7.5}}
	}
	if f.VectorError != "" {
		legs.Vector = index.Leg{Err: errors.New(f.VectorError)}
	}
	if f.KeywordError != "" {
		legs.Keyword = index.Leg{Err: errors.New(f.KeywordError)}
	}
	return legs, nil
}

func (f *fakeSearcher) text(s string) string {
	if f.TextLength > 0 {
		return s[:1] + strings.Repeat("é", f.TextLength-1) // no two texts are the same
	}
	return s
}
