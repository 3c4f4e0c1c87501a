package proxy

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/proxy/access"
)

const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func TestRootByAccept(t *testing.T) {
	s, _ := guarded(t, func(*Options) {})
	for _, c := range []struct {
		accept string
		html   bool
	}{
		{browserAccept, true}, {"text/html", true}, {"application/json, text/html;q=0.5", true},
		{"", false}, {"*/*", false}, {"application/json", false}, {"text/html;q=0", false}, {"text/htmlx, ;;", false},
	} {
		w := serve(s, "GET", "/", "", "Accept", c.accept)
		want := "text/plain; charset=utf-8"
		if c.html {
			want = "text/html; charset=utf-8"
		}
		if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || got != want || !strings.Contains(w.Header().Get("Vary"), "Accept") {
			t.Errorf("Accept %q: got %d %s (Vary %q), want 200 %s", c.accept, w.Code, got, w.Header().Get("Vary"), want)
		}
	}
}

// TestPlaygroundFiles: each file the page names is there, under the policy.
func TestPlaygroundFiles(t *testing.T) {
	s, _ := guarded(t, func(*Options) {})
	page := serve(s, "GET", "/", "", "Accept", browserAccept)
	paths := regexp.MustCompile(`(?:href|src)="(playground/[^"]+)"`).FindAllStringSubmatch(page.Body.String(), -1)
	if len(paths) < 5 {
		t.Fatalf("got %d files on the page, want its scripts and styles", len(paths))
	}
	all := []*httptest.ResponseRecorder{page}
	for _, m := range paths {
		w := serve(s, "GET", "/"+m[1], "")
		if w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: got %d, want the file", m[1], w.Code)
		}
		all = append(all, w)
	}
	for _, w := range all {
		for name, want := range map[string]string{"Content-Security-Policy": playgroundPolicy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("got %s %q, want %q", name, got, want)
			}
		}
	}
	for _, bad := range []string{"<script>", "<style", "onclick=", "style=", "http://", "https://"} {
		if strings.Contains(page.Body.String(), bad) {
			t.Errorf("the page holds %q, which its policy refuses", bad)
		}
	}
	for _, path := range []string{"/playground/nope.js", "/playground/../server.go", "/playground/%2e%2e/doc.go"} {
		if w := serve(s, "GET", path, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", path, w.Code)
		}
	}
}

// TestPlaygroundScriptsParseNoHTML: answers and passages come from strangers,
// so no script may turn text into markup.
func TestPlaygroundScriptsParseNoHTML(t *testing.T) {
	files, err := loadPlayground()
	if err != nil {
		t.Fatal(err)
	}
	risky := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\(|new Function`)
	for name, file := range files {
		if m := risky.Find(file.body); m != nil {
			t.Errorf("%s uses %s", name, m)
		}
	}
}

func TestPlaygroundCaching(t *testing.T) {
	s, _ := guarded(t, func(*Options) {})
	plain := serve(s, "GET", "/playground/app.js", "")
	zipped := serve(s, "GET", "/playground/app.js", "", "Accept-Encoding", "br, gzip")
	if got := zipped.Header().Get("Content-Encoding"); got != "gzip" || zipped.Body.Len() >= plain.Body.Len() {
		t.Fatalf("got the encoding %q and %d bytes, want gzip and fewer than %d", got, zipped.Body.Len(), plain.Body.Len())
	}
	z, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != plain.Body.String() {
		t.Errorf("got another file unzipped (%v)", err)
	}
	if w := serve(s, "GET", "/playground/app.js", "", "Accept-Encoding", "gzip;q=0"); w.Header().Get("Content-Encoding") != "" {
		t.Error("got gzip for a client that refuses it")
	}
	etag := plain.Header().Get("Etag")
	if etag == "" || plain.Header().Get("Cache-Control") != "no-cache" {
		t.Fatalf("got ETag %q and Cache-Control %q, want both", etag, plain.Header().Get("Cache-Control"))
	}
	for _, tag := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
		if w := serve(s, "GET", "/playground/app.js", "", "If-None-Match", tag); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
			t.Errorf("If-None-Match %s: got %d with %d bytes, want 304", tag, w.Code, w.Body.Len())
		}
	}
	if w := serve(s, "GET", "/playground/app.js", "", "If-None-Match", `"other"`); w.Code != http.StatusOK {
		t.Errorf("got %d for another tag, want 200", w.Code)
	}
}

// TestPlaygroundNeedsNoKey: the files hold no data; what they ask for does.
func TestPlaygroundNeedsNoKey(t *testing.T) {
	store, _ := addKeys(t, access.Key{Name: "a"})
	s, _ := guarded(t, func(o *Options) {
		o.Keys, o.Playground = store, Playground{Questions: []string{"one", "two"}}
	})
	for _, path := range []string{"/", "/playground/app.js", "/playground/style.css"} {
		if w := serve(s, "GET", path, "", "Accept", browserAccept); w.Code != http.StatusOK {
			t.Errorf("%s: got %d, want 200 without a key", path, w.Code)
		}
	}
	var got struct {
		NeedsKey  bool `json:"needs_key"`
		TopK      int  `json:"top_k"`
		Questions []string
	}
	w := serve(s, "GET", "/playground/config.json", "")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !got.NeedsKey || len(got.Questions) != 2 {
		t.Errorf("got %s (%v), want the defaults and that a key is needed", w.Body, err)
	}
	for _, request := range []string{"POST /playground/app.js", "POST /", "GET /v1/rag/collections", "GET /playgroundx"} {
		method, path, _ := strings.Cut(request, " ")
		if w := serve(s, method, path, ""); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: got %d, want 401", request, w.Code)
		}
	}
}
