package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/proxy/access"
)

// fakeDocuments remembers what it was asked; the funcs replace what it does.
type fakeDocuments struct {
	ingest func(ctx context.Context, in Ingest, on func(IngestProgress)) (Ingested, error)
	err    error

	mu      sync.Mutex
	asked   []string
	filters map[string]any
}

func (f *fakeDocuments) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
}

// take returns what was asked since the last call.
func (f *fakeDocuments) take() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := strings.Join(f.asked, "; ")
	f.asked = nil
	return asked
}

func (f *fakeDocuments) Documents(_ context.Context, collection string, q index.DocumentsQuery) ([]index.DocumentInfo, bool, error) {
	f.note("list %s after %q limit %d", collection, q.After, q.Limit)
	f.filters = q.Filters
	return []index.DocumentInfo{{ID: "a", URL: "u", Title: "t", Chunks: 2, Meta: map[string]any{"k": 1}}, {ID: "b"}}, true, f.err
}

func (f *fakeDocuments) Document(_ context.Context, collection, id string, filters map[string]any) (index.DocumentInfo, []index.Chunk, error) {
	f.note("get %s %s", collection, id)
	f.filters = filters
	return index.DocumentInfo{ID: id, Title: "t", Chunks: 1}, []index.Chunk{{ID: id + "#chunk-0", Text: "text", End: 4}}, f.err
}

func (f *fakeDocuments) DeleteDocument(_ context.Context, collection, id string) (index.Manifest, error) {
	f.note("delete %s %s", collection, id)
	return index.Manifest{Generation: 7}, f.err
}

func (f *fakeDocuments) Ingest(ctx context.Context, in Ingest, on func(IngestProgress)) (Ingested, error) {
	if f.ingest != nil {
		return f.ingest(ctx, in, on)
	}
	var files []string
	for _, u := range in.Files {
		files = append(files, u.Name)
	}
	f.note("ingest %s %q %q %q %s", in.Collection, in.Classes, in.Select, files, in.URL)
	if f.err != nil {
		return Ingested{}, f.err
	}
	on(IngestProgress{Stage: StageLoad})
	return Ingested{Documents: 3, Added: 1, Failed: []IngestFailure{}, IDs: files}, nil
}

func (f *fakeDocuments) Extensions() []string { return []string{".md", ".txt"} }

// documentServer lets everybody write, on loopback.
func documentServer(t *testing.T, change func(*Options)) (*Server, *fakeDocuments) {
	docs := &fakeDocuments{}
	s, _ := guarded(t, func(o *Options) {
		o.Documents, o.Writing, o.Web.Loopback = docs, WriteGuarded, true
		if change != nil {
			change(o)
		}
	})
	return s, docs
}

// form is a multipart body with a part for each pair of name and content; a
// name with a slash is that of a file.
func form(parts ...string) string {
	var b strings.Builder
	for i := 0; i < len(parts); i += 2 {
		field, file, isFile := strings.Cut(parts[i], "/")
		fmt.Fprintf(&b, "--xyz\r\nContent-Disposition: form-data; name=%q", field)
		if isFile {
			fmt.Fprintf(&b, "; filename=%q\r\nContent-Type: text/plain", file)
		}
		fmt.Fprintf(&b, "\r\n\r\n%s\r\n", parts[i+1])
	}
	return b.String() + "--xyz--\r\n"
}

// post sends a form, or JSON.
func post(s *Server, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://localhost/v1/rag/documents", strings.NewReader(body))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=xyz")
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(recorder{w}, r)
	return w
}

func TestDocumentPaths(t *testing.T) {
	s, docs := documentServer(t, nil)
	for _, test := range []struct {
		request, asked, answer string
	}{
		{"GET /v1/rag/documents", `list default after "" limit 100`,
			`{"object":"list","data":[{"id":"a","url":"u","title":"t","chunks":2,"metadata":{"k":1}},{"id":"b","url":"","title":"","chunks":0,"metadata":{}}],"has_more":true}`},
		{"GET /v1/rag/documents?collection=c&limit=2&after=x%2Fy", `list c after "x/y" limit 2`, ""},
		{"GET /v1/rag/documents/a", "get default a",
			`{"id":"a","url":"","title":"t","chunks":[{"id":"a#chunk-0","position":{"chunk":0,"start":0,"end":4},"text":"text"}],"metadata":{}}`},
		{"GET /v1/rag/documents/docs/a.md?collection=c", "get c docs/a.md", ""},
		{"GET /v1/rag/documents/docs%2Fa.md", "get default docs/a.md", ""},
		{"GET /v1/rag/documents/https://e.example/a/", "get default https://e.example/a/", ""},
		{"GET /v1/rag/documents/https%3A%2F%2Fe.example%2Fa%3Fb%23c%2525", "get default https://e.example/a?b#c%25", ""},
		{"GET /v1/rag/documents//etc/x", "get default /etc/x", ""},
		{"GET /v1/rag/documents/../../x", "get default ../../x", ""},
		{"DELETE /v1/rag/documents/a/b?collection=c", "delete c a/b", `{"id":"a/b","deleted":true,"generation":7}`},
	} {
		method, path, _ := strings.Cut(test.request, " ")
		w := serve(s, method, path, "", "Host", "localhost")
		if got := docs.take(); w.Code != http.StatusOK || got != test.asked {
			t.Errorf("%s: got %d, asked %s, want %s", test.request, w.Code, got, test.asked)
		}
		if got := w.Body.String(); test.answer != "" && got != test.answer {
			t.Errorf("%s: got %s\nwant %s", test.request, got, test.answer)
		}
	}
	for request, want := range map[string]string{
		"GET /v1/rag/documents?limit=0":                   "400 invalid_request_error invalid_rag_option",
		"GET /v1/rag/documents?limit=1001":                "400 invalid_request_error invalid_rag_option",
		"GET /v1/rag/documents?limit=x":                   "400 invalid_request_error invalid_rag_option",
		"GET /v1/rag/documents?colection=c":               "400 invalid_request_error unknown_rag_option",
		"GET /v1/rag/documents?collection=a&collection=b": "400 invalid_request_error invalid_rag_option",
		"GET /v1/rag/documents?a=%zz":                     "400 invalid_request_error invalid_rag_option",
		"GET /v1/rag/documents/https://e.example/?p=1":    "400 invalid_request_error unknown_rag_option",
		"DELETE /v1/rag/documents/https://e.example/?p=1": "400 invalid_request_error unknown_rag_option",
		"PUT /v1/rag/documents":                           "404 not_found_error unknown_url",
		"DELETE /v1/rag/documents":                        "404 not_found_error unknown_url",
		"POST /v1/rag/documents/a":                        "404 not_found_error unknown_url",
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := errorCode(t, serve(s, method, path, "", "Host", "localhost")); got != want || docs.take() != "" {
			t.Errorf("%s: got %s, want %s and nothing asked", request, got, want)
		}
	}
}

func TestDocumentErrors(t *testing.T) {
	s, docs := documentServer(t, nil)
	for _, test := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("x: %w", index.ErrNotFound), "404 not_found_error collection_not_found"},
		{fmt.Errorf("x: %w", index.ErrNoDocument), "404 not_found_error document_not_found"},
		{fmt.Errorf("x: %w", index.ErrBusy), "409 conflict_error index_busy"},
		{fmt.Errorf("x: %w", index.ErrSpace), "409 conflict_error embedder_mismatch"},
		{fmt.Errorf("x: %w", &index.EmbedderError{Err: errors.New("dial 10.0.0.1")}), "502 upstream_error embedding_failed"},
		{&fs.PathError{Op: "open", Path: "/secret/path", Err: syscall.EACCES}, "503 service_unavailable index_read_only"},
		{&fs.PathError{Op: "open", Path: "/secret/path", Err: syscall.EROFS}, "503 service_unavailable index_read_only"},
		{fmt.Errorf("x: %w: disk full at /secret/path", index.ErrReadOnly), "503 service_unavailable index_read_only"},
		{fmt.Errorf("%w: dial 10.0.0.1", index.ErrOpen), "503 service_unavailable engine_unavailable"},
		{errors.New("anything at /secret/path"), "500 server_error internal"},
	} {
		docs.err = test.err
		for _, request := range []string{"GET /v1/rag/documents?collection=c", "GET /v1/rag/documents/a", "DELETE /v1/rag/documents/a", "POST"} {
			method, path, _ := strings.Cut(request, " ")
			w := post(s, form("file/a.md", "x"))
			if method != http.MethodPost {
				w = serve(s, method, path, "", "Host", "localhost")
			}
			if got := errorCode(t, w); got != test.want {
				t.Errorf("%s with %v: got %s, want %s", request, test.err, got, test.want)
			}
			if strings.Contains(w.Body.String(), "secret") || strings.Contains(w.Body.String(), "10.0.0.1") {
				t.Errorf("%s: got %s, want no word of where things are", request, w.Body)
			}
			if busy := errors.Is(test.err, index.ErrBusy); busy != (w.Header().Get("Retry-After") == "5") {
				t.Errorf("%s with %v: got Retry-After %q", request, test.err, w.Header().Get("Retry-After"))
			}
		}
	}
	docs.err = index.ErrNotFound // of the collection that nobody named
	if w := serve(s, http.MethodGet, "/v1/rag/documents", "", "Host", "localhost"); w.Code != http.StatusOK {
		t.Errorf("got %d, want an empty list of the default collection before there is one", w.Code)
	}
}

// TestWhoMayWrite goes through keys, addresses and the configuration.
func TestWhoMayWrite(t *testing.T) {
	const written, refused = "200", "403 permission_error write_forbidden"
	store, secrets := addKeys(t,
		access.Key{Name: "reader"}, access.Key{Name: "writer", Write: true}, access.Key{Name: "docs", Write: true, Collections: []string{"docs"}},
		access.Key{Name: "filtered", Filter: map[string]any{"public": true}}, access.Key{Name: "old", Write: true, Expires: time.Now().Add(-time.Hour)})
	for _, test := range []struct {
		name     string
		writing  Writing
		loopback bool
		key      string // "" has no store
		origin   string
		body     []string
		want     string
	}{
		{"loopback", WriteGuarded, true, "", "", nil, written},
		{"loopback, own page", WriteGuarded, true, "", "http://localhost", nil, written},
		{"loopback, foreign page", WriteGuarded, true, "", "http://evil.example", nil, "403 permission_error origin_not_allowed"},
		{"everywhere", WriteGuarded, false, "", "", nil, refused},
		{"everywhere, said outright", WriteOpen, false, "", "", nil, written},
		{"everywhere, said outright, own page", WriteOpen, false, "", "http://localhost", nil, written},
		{"everywhere, said outright, foreign page", WriteOpen, false, "", "http://evil.example", nil, "403 permission_error origin_not_allowed"},
		{"everywhere, said outright, file page", WriteOpen, false, "", "null", nil, "403 permission_error origin_not_allowed"},
		{"off", WriteNever, true, "", "", nil, refused},
		{"off, with a key", WriteNever, true, "writer", "", nil, refused},
		{"no write", WriteGuarded, true, "reader", "", nil, refused},
		{"no write, said outright", WriteOpen, true, "reader", "", nil, refused},
		{"filtered", WriteOpen, true, "filtered", "", nil, refused},
		{"write", WriteGuarded, false, "writer", "", nil, written},
		{"write, a page with a key", WriteGuarded, false, "writer", "http://app.example", nil, written},
		{"expired", WriteGuarded, false, "old", "", nil, "401 authentication_error invalid_api_key"},
		{"write, its own collection", WriteGuarded, false, "docs", "", nil, written},
		{"write, another collection", WriteGuarded, false, "docs", "", []string{"collection", "default"}, "403 permission_error collection_forbidden"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, docs := documentServer(t, func(o *Options) {
				o.Writing, o.Web.Loopback = test.writing, test.loopback
				if test.key != "" {
					o.Keys = store
				}
			})
			var header []string
			if test.key != "" {
				header = append(header, "Authorization", "Bearer "+secrets[test.key])
			}
			if test.origin != "" {
				header = append(header, "Origin", test.origin)
			}
			code := func(w *httptest.ResponseRecorder) string {
				if w.Code == http.StatusOK {
					return written
				}
				return errorCode(t, w)
			}
			if got := code(post(s, form(append(test.body, "file/a.md", "x")...), header...)); got != test.want {
				t.Errorf("POST: got %s, want %s", got, test.want)
			}
			url := "/v1/rag/documents/a"
			if test.body != nil {
				url += "?collection=" + test.body[1]
			}
			if got := code(serve(s, http.MethodDelete, url, "", append(header, "Host", "localhost")...)); got != test.want {
				t.Errorf("DELETE: got %s, want %s", got, test.want)
			}
			if asked := docs.take(); (test.want == written) != (asked != "") {
				t.Errorf("got asked %q", asked)
			}
		})
	}
}

// TestFilterOfAKeyReachesTheIndex for what is read; the index hides by it.
func TestFilterOfAKeyReachesTheIndex(t *testing.T) {
	store, secrets := addKeys(t, access.Key{Name: "k", Collections: []string{"docs"}, Filter: map[string]any{"public": true}})
	s, docs := documentServer(t, func(o *Options) { o.Keys = store })
	for _, path := range []string{"/v1/rag/documents", "/v1/rag/documents/a"} {
		docs.filters = nil
		serve(s, http.MethodGet, path, "", "Authorization", "Bearer "+secrets["k"])
		if diff := cmp.Diff(map[string]any{"public": true}, docs.filters); diff != "" {
			t.Errorf("%s: filters (-want +got):\n%s", path, diff)
		}
		if got := docs.take(); !strings.Contains(got, " docs ") {
			t.Errorf("%s: asked %s, want the key's own collection", path, got)
		}
		got := errorCode(t, serve(s, http.MethodGet, path+"?collection=default", "", "Authorization", "Bearer "+secrets["k"]))
		if want := "403 permission_error collection_forbidden"; got != want || docs.take() != "" {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
		if w := serve(s, http.MethodGet, path, ""); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: got %d without the key, want 401", path, w.Code)
		}
	}
}
