package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
	"go.uber.org/goleak"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/vector"
	"github.com/ragproxy/ragproxy/proxy"
)

// lengths embeds a text by its length; documents, if not nil, is asked first.
type lengths struct {
	documents func(ctx context.Context) error
	spaces    atomic.Int32 // how often its space was asked for
}

func (l *lengths) Space(context.Context) (string, error) {
	l.spaces.Add(1)
	return "lengths@2", nil
}

func (l *lengths) EmbedQuery(_ context.Context, text string) ([]float32, error) {
	return []float32{1, float32(len(text))}, nil
}

func (l *lengths) EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	if l.documents != nil {
		if err := l.documents(ctx); err != nil {
			return nil, err
		}
	}
	out := make([][]float32, len(texts))
	for i, text := range texts {
		out[i] = []float32{1, float32(len(text))}
	}
	return out, nil
}

// api is a server with an index of its own.
type api struct {
	t   *testing.T
	url string
	key string
	idx *index.Index
	dir string
}

func startAPI(t *testing.T, flags map[string]string, e index.Embedder, change func(*proxy.Options)) *api {
	t.Helper()
	cfg := testConfig(t, flags)
	splitter, err := defaultSplitter()
	if err != nil {
		t.Fatal(err)
	}
	exact, err := vector.New("exact")
	if err != nil {
		t.Fatal(err)
	}
	keyword, err := lexical.New(lexical.Options{})
	if err != nil {
		t.Fatal(err)
	}
	idx := index.Open(index.Options{Dir: cfg.DataDir, Embedder: e, Splitter: splitter, Vector: exact, VectorByName: vector.New, Keyword: keyword})
	a := startAPIOn(t, cfg, idx, change)
	a.idx = idx
	return a
}

// startAPIOn is startAPI with any engine, which ends with the test.
func startAPIOn(t *testing.T, cfg *config.Config, engine index.Engine, change func(*proxy.Options)) *api {
	t.Helper()
	opts, err := serverOptions(cfg, engine, "http://127.0.0.1:1/v1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	opts.Web.Loopback = true
	if change != nil {
		change(&opts)
	}
	srv := httptest.NewServer(proxy.New(opts))
	t.Cleanup(func() {
		srv.Close()
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return &api{t: t, url: srv.URL + "/v1/rag/", dir: cfg.DataDir}
}

// ask sends a request; a body that begins with { is JSON.
func (a *api) ask(ctx context.Context, method, path, kind string, body []byte, header ...string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", kind)
	if a.key != "" {
		req.Header.Set("Authorization", "Bearer "+a.key)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer), err
}

func (a *api) get(path string) (int, string) { return a.do(http.MethodGet, path, "", nil) }

func (a *api) do(method, path, kind string, body []byte) (int, string) {
	a.t.Helper()
	status, answer, err := a.ask(a.t.Context(), method, path, kind, body)
	if err != nil {
		a.t.Errorf("%s %s: %v", method, path, err)
	}
	return status, answer
}

func multipartOf(named ...string) (kind string, body []byte) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(named); i += 2 {
		if field, ok := strings.CutPrefix(named[i], "="); ok {
			_ = w.WriteField(field, named[i+1]) // into memory
			continue
		}
		part, _ := w.CreateFormFile("file", named[i])
		_, _ = io.WriteString(part, named[i+1])
	}
	_ = w.Close()
	return w.FormDataContentType(), b.Bytes()
}

// upload indexes files and gives the result, without the time-dependent parts.
func (a *api) upload(named ...string) gjson.Result {
	a.t.Helper()
	kind, body := multipartOf(named...)
	status, answer := a.do(http.MethodPost, "documents", kind, body)
	if status != http.StatusOK {
		a.t.Fatalf("upload: got %d %s", status, answer)
	}
	return gjson.Parse(answer)
}

// ids lists a collection.
func (a *api) ids(collection string) string {
	a.t.Helper()
	status, answer := a.get("documents?collection=" + collection)
	if status == http.StatusNotFound {
		return "404"
	}
	var out []string
	for _, id := range gjson.Get(answer, "data.#.id").Array() {
		out = append(out, id.String())
	}
	return strings.Join(out, " ")
}

// finds asks for the documents that a search finds by keywords.
func (a *api) finds(query string) string {
	a.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "top_k": 10})
	if err != nil {
		a.t.Fatal(err)
	}
	_, answer := a.do(http.MethodPost, "search", "application/json", body)
	var out []string
	for _, hit := range gjson.Get(answer, "data").Array() {
		if hit.Get("scores.bm25").Float() > 0 {
			out = append(out, hit.Get("document_id").String())
		}
	}
	return strings.Join(out, " ")
}

// TestDocumentsLive is the life of documents through the API, as the search of
// the same server sees it.
func TestDocumentsLive(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t, goleak.IgnoreCurrent()) })
	a := startAPI(t, nil, &lengths{}, nil)
	if got := a.ids("default"); got != "404" {
		t.Errorf("got %q of a collection that is not there, want 404", got)
	}
	if status, answer := a.get("documents"); status != http.StatusOK || answer != `{"object":"list","data":[],"has_more":false}` {
		t.Errorf("got %d %s, want an empty list where nobody named the collection", status, answer)
	}
	r := a.upload("a.md", "# Apples\n\nApples grow on trees.", "fruit.csv", "name,colour\npear,green\nplum,blue\n", "lines.jsonl", `{"id":"own/id","text":"a quince","url":"https://e.example/q","metadata":{"n":1}}`)
	want := `{"documents":4,"chunks":4,"added":4,"updated":0,"deleted":0,"unchanged":0,"failed":[],"generation":1,"ids":["a.md","fruit.csv#2","fruit.csv#3","own/id"]}`
	if r.Raw != want {
		t.Errorf("got %s\nwant %s", r.Raw, want)
	}
	if got := a.finds("apples"); got != "a.md" {
		t.Errorf("got %q found at once, want a.md", got)
	}
	// The same again changes nothing; another content updates; others stay.
	if r := a.upload("x/a.md", "# Apples\n\nApples grow on trees."); r.Get("unchanged").Int() != 1 || r.Get("generation").Int() != 1 {
		t.Errorf("got %s for the same file, want it unchanged", r.Raw)
	}
	if r := a.upload("a.md", "Cherries."); r.Get("updated").Int() != 1 || r.Get("documents").Int() != 4 {
		t.Errorf("got %s for another content, want an update", r.Raw)
	}
	if a.finds("apples") != "" || a.finds("cherries") != "a.md" || a.finds("pear") != "fruit.csv#2" {
		t.Errorf("got %q, %q, %q found", a.finds("apples"), a.finds("cherries"), a.finds("pear"))
	}
	for _, path := range []string{"documents/own/id", "documents/own%2Fid?collection=default"} {
		_, answer := a.get(path)
		want := `{"id":"own/id","url":"https://e.example/q","title":"","chunks":[{"id":"own/id#chunk-0","position":{"chunk":0,"start":0,"end":8},"text":"a quince"}],"metadata":{"n":1}}`
		if answer != want {
			t.Errorf("%s: got %s\nwant %s", path, answer, want)
		}
	}
	if status, answer := a.do(http.MethodDelete, "documents/fruit.csv%232", "", nil); status != http.StatusOK || answer != `{"id":"fruit.csv#2","deleted":true,"generation":3}` {
		t.Errorf("got %d %s, want it deleted", status, answer)
	}
	if got := a.ids("default"); got != "a.md fruit.csv#3 own/id" || a.finds("pear") != "" {
		t.Errorf("got %s, and %q found, want the rest", got, a.finds("pear"))
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		if status, answer := a.do(method, "documents/fruit.csv%232", "", nil); status != http.StatusNotFound || gjson.Get(answer, "error.code").String() != "document_not_found" {
			t.Errorf("%s: got %d %s, want 404 document_not_found", method, status, answer)
		}
	}
	a.upload("=collection", "other", "b.md", "b")
	if a.ids("other") != "b.md" || a.ids("default") != "a.md fruit.csv#3 own/id" {
		t.Errorf("got %s in the other collection, %s in the default one", a.ids("other"), a.ids("default"))
	}
	if err := a.idx.Verify("default"); err != nil {
		t.Error(err)
	}
}

// TestFilesThatFail are named, and the others indexed; nothing says where the
// server keeps them.
func TestFilesThatFail(t *testing.T) {
	a := startAPI(t, nil, &lengths{}, nil)
	r := a.upload("empty.md", "", "broken.docx", "no archive", "bomb.docx", bomb(t), "ok.md", "fine", "bad.jsonl", "{\"id\":\"l1\",\"text\":\"x\"}\nno JSON\n")
	if got := r.Get("ids").Raw; got != `["ok.md","l1"]` {
		t.Errorf("got %s, want what could be read", got)
	}
	var failed []string
	for _, f := range r.Get("failed").Array() {
		failed = append(failed, f.Get("source").String())
		if text := f.Get("error").String(); strings.Contains(text, "ragproxy-upload") || strings.Contains(text, os.TempDir()) {
			t.Errorf("got %q, want no word of the temporary folder", text)
		}
	}
	if diff := cmp.Diff([]string{"empty.md", "broken.docx", "bomb.docx", "bad.jsonl"}, failed); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	if got := r.Get("failed.2.error").String(); !strings.Contains(got, "bomb") {
		t.Errorf("got %q, want it called a bomb", got)
	}
	// Of many failures the first are told.
	r = a.upload("bad.jsonl", strings.Repeat("no JSON\n", 1000))
	if n := len(r.Raw); n > 60<<10 {
		t.Errorf("got an answer of %d bytes, want one that fits into a frame", n)
	}
	list := r.Get("failed").Array()
	if last := list[len(list)-1].Get("error").String(); !strings.HasSuffix(last, " more failed") {
		t.Errorf("got %q last, want how many more", last)
	}
	var many strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&many, "{\"id\":\"some-long-id-%020d\",\"text\":\"x\"}\n", i)
	}
	if r = a.upload("many.jsonl", many.String()); r.Get("added").Int() != 2500 || len(r.Raw) > 60<<10 {
		t.Errorf("got %d added in an answer of %d bytes, want 2500 in one that fits into a frame", r.Get("added").Int(), len(r.Raw))
	}
}

// bomb is a .docx that unpacks to far more than it is.
func bomb(t *testing.T) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("word/document.xml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, `<document><body><p><r><t>`+strings.Repeat("x", 32<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPages(t *testing.T) {
	asked := 0
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<title>Page</title><div class="nav">navigation</div><div class="post">the post</div>`)
	}))
	defer site.Close()
	page := func(a *api, fields string) gjson.Result {
		t.Helper()
		status, answer := a.do(http.MethodPost, "documents", "application/json", []byte(`{"url":"`+site.URL+`/p?x=1"`+fields+`}`))
		if status != http.StatusOK {
			t.Fatalf("got %d %s", status, answer)
		}
		return gjson.Parse(answer)
	}
	// Loopback is refused unless the configuration allows it.
	a := startAPI(t, nil, &lengths{}, nil)
	if r := page(a, ""); r.Get("added").Int() != 0 || r.Get("failed.0.source").String() != site.URL+"/p?x=1" || !strings.Contains(r.Get("failed.0.error").String(), "load.allow_private") || asked > 0 {
		t.Errorf("got %s, %d requests, want it refused", r.Raw, asked)
	}
	if got := a.ids("default"); got != "404" {
		t.Errorf("got %q, want no collection of nothing", got)
	}
	a = startAPI(t, map[string]string{"load.allow_addresses": strings.TrimPrefix(site.URL, "http://")}, &lengths{}, nil)
	if r := page(a, `,"class":"post"`); r.Get("added").Int() != 1 || r.Get("ids.0").String() != site.URL+"/p?x=1" {
		t.Errorf("got %s, want the page added under its address", r.Raw)
	}
	if a.finds("post") == "" || a.finds("navigation") != "" {
		t.Error("the classes were not kept apart")
	}
	if r := page(a, `,"class":"post"`); r.Get("unchanged").Int() != 1 {
		t.Errorf("got %s, want the page unchanged", r.Raw)
	}
	if r := page(a, `,"select":".nav"`); r.Get("updated").Int() != 1 || a.finds("navigation") == "" {
		t.Errorf("got %s, want what another selector takes", r.Raw)
	}
	if status, _ := a.get("documents/" + url.PathEscape(site.URL+"/p?x=1")); status != http.StatusOK {
		t.Errorf("got %d for the page by its id, want 200", status)
	}
	if status, answer := a.do(http.MethodDelete, "documents/"+site.URL+"/p%3Fx=1", "", nil); status != http.StatusOK {
		t.Errorf("got %d %s, want the page deleted", status, answer)
	}
	if r := page(a, `,"select":".nav"`); r.Get("added").Int() != 1 {
		t.Errorf("got %s, want a page that was deleted fetched again", r.Raw)
	}
}
