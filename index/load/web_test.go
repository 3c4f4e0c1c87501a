package load

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/ragproxy/ragproxy/index"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a server of fixed responses: path, content type, body.
func site(t *testing.T, pages map[string][2]string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header()["Content-Type"] = nil
		if page[0] != "" {
			w.Header().Set("Content-Type", page[0])
		}
		fmt.Fprint(w, page[1])
	}))
	t.Cleanup(server.Close)
	return server
}

// loadAll loads a source to its end.
func loadAll(t *testing.T, source string, opts Options) ([]index.Document, []string) {
	t.Helper()
	loader, err := Open(source, opts)
	if err != nil {
		t.Fatal(err)
	}
	return results(loader.Load(t.Context()))
}

func TestWebContent(t *testing.T) {
	server := site(t, map[string][2]string{
		"/page":        {"text/html; charset=utf-8", "<title>A &amp; B</title><p>Text.</p>"},
		"/latin":       {"text/html; charset=iso-8859-1", "<title>caf\xe9</title><p>na\xefve</p>"},
		"/liar":        {"text/html; charset=iso-8859-1", "<title>café</title><p>" + strings.Repeat("x ", 2000) + "naïve</p>"},
		"/meta":        {"text/html", "<meta charset=shift_jis><title>\x93\xfa\x96\x7b</title><p>\x93\xfa\x96\x7b"},
		"/bom":         {"text/plain", "\xff\xfeh\x00i\x00"},
		"/doc.md":      {"text/plain; charset=utf-8", "---\ntitle: M\n---\nText."},
		"/markdown":    {"text/markdown", "# M\nText."},
		"/plain":       {"text/plain", "Text."},
		"/shown.html":  {"text/plain", "<p>Text."},
		"/lines":       {"application/x-ndjson", `{"id":"l1","text":"Text."}` + "\n" + `{"text":"Other."}`},
		"/lines.jsonl": {"application/json", `{"id":"l2","text":"Text."}`},
		"/file.md":     {"application/octet-stream", "# M\nText."},
		"/untyped":     {"", "<html><title>T</title><body>Text."},
		"/style":       {"text/css", "p{}"},
	})
	for _, test := range []struct {
		path string
		want []index.Document // Text, Title; ID and URL where they are not the page's
	}{
		{"/page", []index.Document{{Title: "A & B", Text: "Text."}}},
		{"/page?q=1#part", []index.Document{{Title: "A & B", Text: "Text."}}},
		{"/latin", []index.Document{{Title: "café", Text: "naïve"}}},
		{"/liar", []index.Document{{Title: "café", Text: strings.Repeat("x ", 2000) + "naïve"}}},
		{"/meta", []index.Document{{Title: "日本", Text: "日本"}}},
		{"/bom", []index.Document{{Text: "hi"}}},
		{"/doc.md", []index.Document{{Title: "M", Text: "Text."}}},
		{"/markdown", []index.Document{{Title: "M", Text: "# M\nText.", Marks: []index.Mark{{Meta: map[string]any{"heading": "M"}}}}}},
		{"/plain", []index.Document{{Text: "Text."}}},
		{"/shown.html", []index.Document{{Text: "<p>Text."}}},
		{"/lines", []index.Document{{ID: "l1", Text: "Text.", URL: "-"}, {ID: server.URL + "/lines#2", Text: "Other.", URL: "-"}}},
		{"/lines.jsonl", []index.Document{{ID: "l2", Text: "Text.", URL: "-"}}},
		{"/file.md", []index.Document{{Title: "M", Text: "# M\nText.", Marks: []index.Mark{{Meta: map[string]any{"heading": "M"}}}}}},
		{"/untyped", []index.Document{{Title: "T", Text: "Text."}}},
		{"/style", []index.Document{{Text: "p{}"}}},
	} {
		address, _, _ := strings.Cut(server.URL+test.path, "#")
		for i, doc := range test.want {
			if doc.ID == "" {
				test.want[i].ID = address
			}
			if test.want[i].URL = address; doc.URL == "-" { // a line has its own, here none
				test.want[i].URL = ""
			}
		}
		docs, failures := loadAll(t, server.URL+test.path, Options{AllowPrivate: true})
		if diff := cmp.Diff(test.want, trimmed(docs)); diff != "" || failures != nil {
			t.Errorf("%s: got errors %q, documents (-want +got)\n%s", test.path, failures, diff)
		}
	}
}

func trimmed(docs []index.Document) []index.Document {
	for i := range docs {
		docs[i].Text = strings.TrimSpace(docs[i].Text)
	}
	return docs
}

func TestWebErrors(t *testing.T) {
	server := site(t, map[string][2]string{
		"/image":  {"image/png", "\x89PNG\r\n\x1a\n"},
		"/blank":  {"text/html", "<title>T</title><body> <script>x()</script>"},
		"/large":  {"text/plain", strings.Repeat("x", 2000)},
		"/binary": {"text/plain", "a\x00b"},
	})
	for path, want := range map[string]string{
		"/missing": "status 404 Not Found",
		"/image":   `cannot read content of type "image/png"`,
		"/blank":   "no text",
		"/large":   "larger than load.max_bytes (1000)",
		"/binary":  "looks binary",
	} {
		docs, failures := loadAll(t, server.URL+path, Options{AllowPrivate: true, MaxBytes: 1000})
		if len(docs) != 0 || len(failures) != 1 || !strings.Contains(failures[0], want) || !strings.HasPrefix(failures[0], server.URL+path+": load "+server.URL+path+": ") {
			t.Errorf("%s: got %d documents and %q, want the error %q and its URL", path, len(docs), failures, want)
		}
	}
}

// What unpacks to more than the limit is refused while it unpacks.
func TestWebGzipBomb(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(make([]byte, 10<<20)); err != nil {
		t.Fatal(err)
	}
	z.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(packed.Bytes())
	}))
	defer server.Close()
	_, failures := loadAll(t, server.URL, Options{AllowPrivate: true, MaxBytes: 1 << 20})
	if len(failures) != 1 || !strings.Contains(failures[0], "larger than load.max_bytes") {
		t.Errorf("got %q, want it refused", failures)
	}
}

func TestWebRedirects(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var left int
		if fmt.Sscanf(r.URL.Path, "/%d", &left); left > 0 {
			http.Redirect(w, r, fmt.Sprintf("/%d#x", left-1), http.StatusFound)
			return
		}
		fmt.Fprintf(w, "Text for %s.", r.UserAgent())
	}))
	defer server.Close()

	docs, failures := loadAll(t, server.URL+"/10#part", Options{AllowPrivate: true, UserAgent: "tester"})
	want := []index.Document{{ID: server.URL + "/10", URL: server.URL + "/0", Text: "Text for tester."}}
	if diff := cmp.Diff(want, docs); diff != "" || failures != nil {
		t.Errorf("got errors %q, documents (-want +got)\n%s", failures, diff)
	}
	if _, failures = loadAll(t, server.URL+"/11", Options{AllowPrivate: true}); len(failures) != 1 || !strings.Contains(failures[0], "more than 10 redirects") {
		t.Errorf("got %q, want too many redirects", failures)
	}
	if docs, _ = loadAll(t, server.URL+"/0", Options{AllowPrivate: true}); len(docs) != 1 || docs[0].Text != "Text for ragproxy." {
		t.Errorf("got %+v, want the user agent ragproxy", docs)
	}
}

// The guard sees the address of every hop: here the second one is refused.
func TestWebRefusedAddresses(t *testing.T) {
	inner := site(t, map[string][2]string{"/": {"text/plain", "secret"}})
	outer := httptest.NewServer(http.RedirectHandler(inner.URL+"/", http.StatusFound))
	defer outer.Close()
	address := strings.TrimPrefix(outer.URL, "http://")

	for name, opts := range map[string]Options{
		"no address":    {},
		"the first hop": {AllowAddresses: []string{address}},
	} {
		docs, failures := loadAll(t, outer.URL, opts)
		if len(docs) != 0 || len(failures) != 1 || !strings.Contains(failures[0], "load.allow_private") || !strings.Contains(failures[0], "load.allow_addresses") {
			t.Errorf("%s allowed: got %v and %q, want it refused and both keys named", name, docs, failures)
		}
	}
	both := []string{address, strings.TrimPrefix(inner.URL, "http://")}
	if docs, failures := loadAll(t, outer.URL, Options{AllowAddresses: both}); len(docs) != 1 || failures != nil {
		t.Errorf("both allowed: got %v and %q, want the page", docs, failures)
	}
}

// A proxy from the environment would dial past the guard.
func TestWebNoProxy(t *testing.T) {
	w, err := newWeb("http://example.com/", Options{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if w.fetch.client().Transport.(credentials).transport.Proxy != nil {
		t.Error("got a transport with a proxy, want none")
	}
}

func TestWebTimeout(t *testing.T) {
	for name, start := range map[string]bool{"before the header": false, "in the body": true} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if start {
				fmt.Fprint(w, "some text")
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
		}))
		_, failures := loadAll(t, server.URL, Options{AllowPrivate: true, Timeout: 50 * time.Millisecond})
		if len(failures) != 1 || !strings.Contains(failures[0], "took longer than load.timeout (50ms)") {
			t.Errorf("%s: got %q, want the timeout", name, failures)
		}
		server.Close()
	}
}

func TestWebCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	loader, err := Open(server.URL, Options{AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range loader.Load(ctx) {
		if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "load.timeout") {
			t.Errorf("got %v, want the cancellation", err)
		}
	}
}

// Credentials are sent but belong to no index and no message.
func TestWebCredentials(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		fmt.Fprintf(w, "Hello %s.", user+"/"+password)
	}))
	defer server.Close()
	source := strings.Replace(server.URL, "http://", "http://ann:secret@", 1) + "/x#y"
	docs, _ := loadAll(t, source, Options{AllowPrivate: true})
	want := []index.Document{{ID: server.URL + "/x", URL: server.URL + "/x", Text: "Hello ann/secret."}}
	if diff := cmp.Diff(want, docs); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	_, failures := loadAll(t, source, Options{})
	if len(failures) != 1 || strings.Contains(failures[0], "secret") {
		t.Errorf("got %q, want an error without the password", failures)
	}
}
