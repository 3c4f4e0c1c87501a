package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/proxy/access"
)

// addKey makes a store with these keys; it gives their secrets by name.
func addKeys(t testing.TB, keys ...access.Key) (*access.Store, map[string]string) {
	path := filepath.Join(t.TempDir(), "keys.json")
	secrets := map[string]string{}
	for _, k := range keys {
		secret, err := access.NewFile(path).Add(k)
		if err != nil {
			t.Fatal(err)
		}
		secrets[k.Name] = secret
	}
	store, err := access.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return store, secrets
}

// answer is an upstream's whole answer with its usage.
const answer = `{"choices":[{"index":0,"message":{"role":"assistant","content":"ok"}}],"usage":{"prompt_tokens":30,"completion_tokens":12,"total_tokens":42}}`

// seen is what an upstream was asked.
type seen struct {
	mu      sync.Mutex
	headers []http.Header
}

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.headers = append(s.headers, r.Header.Clone())
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Ratelimit-Remaining-Requests", "9999")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	io.WriteString(w, answer)
}

// serve answers requests without a network of its own.
func serve(s *Server, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(recorder{w}, r)
	return w
}

// recorder has what gin's writer passes on to, and httputil.ReverseProxy asks.
type recorder struct{ *httptest.ResponseRecorder }

func (recorder) CloseNotify() <-chan bool { return nil }

// guarded is a server over an upstream that answers at once.
func guarded(t *testing.T, change func(*Options)) (*Server, *seen) {
	up := &seen{}
	opts := testOptions(t, "http://upstream.example/v1", &fakeSearcher{})
	opts.HTTPClient = &http.Client{Transport: transport{up}}
	change(&opts)
	return New(opts), up
}

// transport lets a handler answer without a network.
type transport struct{ http.Handler }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	t.ServeHTTP(w, r)
	return w.Result(), nil
}

func errorCode(t *testing.T, w *httptest.ResponseRecorder) string {
	var got struct {
		Error struct{ Code, Type string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("got %q (%v), want an error in OpenAI's shape", w.Body, err)
	}
	return fmt.Sprint(w.Code, " ", got.Error.Type, " ", got.Error.Code)
}

const chatOnce = `{"model":"m","messages":[{"role":"user","content":"q"}]}`

func TestEveryPathNeedsTheKey(t *testing.T) {
	store, secrets := addKeys(t, access.Key{Name: "a"})
	s, up := guarded(t, func(o *Options) { o.Keys = store })
	for _, request := range []string{"POST /v1/chat/completions", "POST /v1/rag/search", "GET /v1/rag/collections", "GET /v1/models", "POST /v1/embeddings", "POST /", "GET /nowhere", "OPTIONS /v1/models"} {
		method, path, _ := strings.Cut(request, " ")
		for _, header := range [][]string{nil, {"Authorization", "Bearer rp-wrong"}, {"Authorization", secrets["a"]}, {"Authorization", "Basic " + secrets["a"]}, {"Api-Key", secrets["a"]}} {
			w := serve(s, method, path, chatOnce, header...)
			if got, want := errorCode(t, w), "401 authentication_error invalid_api_key"; got != want || w.Header().Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s with %v: got %s, want %s", request, header, got, want)
			}
		}
	}
	if len(up.headers) > 0 {
		t.Errorf("the upstream was asked %d times, want never", len(up.headers))
	}
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		if w := serve(s, "GET", path, ""); w.Code != http.StatusOK {
			t.Errorf("%s: got %d, want 200 without a key", path, w.Code)
		}
	}
	if w := serve(s, "POST", "/v1/chat/completions", chatOnce, "authorization", "bearer  "+secrets["a"]+" "); w.Code != http.StatusOK {
		t.Errorf("got %d %s, want 200 with the key", w.Code, w.Body)
	}
}

// TestCredentials sends a request of each kind and looks at every header that
// the upstream gets, the rewrite's included.
func TestCredentials(t *testing.T) {
	store, secrets := addKeys(t, access.Key{Name: "a"})
	key := secrets["a"]
	const followUp = `{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"q2"}]}`
	for _, tt := range []struct {
		name, upstreamKey string
		header            []string
		want              string
	}{
		{"the upstream's key is held", "sk-held-secret", nil, "Bearer sk-held-secret"},
		{"held, and the client gives one", "sk-held-secret", []string{"X-Upstream-Authorization", "Bearer sk-theirs"}, "Bearer sk-held-secret"},
		{"none is held", "", nil, ""},
		{"none is held, the client gives one", "", []string{"X-Upstream-Authorization", "Bearer sk-theirs"}, "Bearer sk-theirs"},
		{"the client gives ours", "", []string{"X-Upstream-Authorization", "Bearer " + key}, ""},
		{"ours in other headers", "", []string{"Api-Key", key, "X-Api-Key", "k " + key}, ""},
	} {
		var log bytes.Buffer
		s, up := guarded(t, func(o *Options) {
			o.Keys, o.Upstream.APIKey = store, tt.upstreamKey
			o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		for _, request := range []string{"POST /v1/chat/completions", "POST /v1/embeddings", "GET /v1/models"} {
			method, path, _ := strings.Cut(request, " ")
			w := serve(s, method, path, followUp, append([]string{"Authorization", "Bearer " + key}, tt.header...)...)
			if w.Code != http.StatusOK || strings.Contains(fmt.Sprint(w.Header(), w.Body), "sk-") {
				t.Errorf("%s, %s: got %d %s, want 200 and no key of the upstream", tt.name, request, w.Code, w.Body)
			}
		}
		if len(up.headers) != 4 {
			t.Fatalf("%s: got %d calls, want 4 with the rewrite", tt.name, len(up.headers))
		}
		for _, h := range up.headers {
			if got := h.Get("Authorization"); got != tt.want {
				t.Errorf("%s: got Authorization %q, want %q", tt.name, got, tt.want)
			}
			if all := fmt.Sprint(h); strings.Contains(all, key) || h.Get("X-Upstream-Authorization") != "" {
				t.Errorf("%s: ragproxy's key went upstream: %s", tt.name, all)
			}
		}
		if text := log.String(); strings.Contains(text, key) || strings.Contains(text, "sk-") || !strings.Contains(text, "key=a") {
			t.Errorf("%s: got log %q, want the key's name and no secret", tt.name, text)
		}
	}
}

// An upstream that echoes what it was sent must not give our key away.
func TestUpstreamThatEchoesItsKey(t *testing.T) {
	for _, path := range []string{"/v1/chat/completions", "/v1/embeddings"} {
		base := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Echo", r.Header.Get("Authorization"))
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"error":{"message":"wrong key `+r.Header.Get("Authorization")+`"}}`)
		}, func(o *Options) { o.Upstream.APIKey = "sk-held-secret" })
		resp, err := http.Post(base+path, "application/json", strings.NewReader(chatOnce))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if all := fmt.Sprint(resp.Header, string(body)); err != nil || strings.Contains(all, "sk-held") || !strings.Contains(all, "Bearer ***") {
			t.Errorf("%s: got %s (%v), want it without the key", path, all, err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestCollectionsOfAKey(t *testing.T) {
	store, secrets := addKeys(t, access.Key{Name: "some", Collections: []string{"a", "b"}}, access.Key{Name: "none", Collections: []string{}},
		access.Key{Name: "part", Filter: map[string]any{"lang": "en"}}, access.Key{Name: "all"})
	var asked []index.Query
	s, _ := guarded(t, func(o *Options) {
		o.Keys = store
		o.Retriever = testOptions(t, "", &fakeSearcher{search: func(_ context.Context, q index.Query) (index.Legs, error) {
			asked = append(asked, q)
			return index.Legs{}, nil
		}}).Retriever
		o.Collections = func() ([]index.CollectionInfo, error) {
			return []index.CollectionInfo{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "default"}}, nil
		}
		o.Aliases = []Alias{{Name: "alias-c", Model: "m", Collection: "c"}}
	})
	for _, tt := range []struct {
		key, body string
		header    []string
		want      string // the collection that is searched, or the error
	}{
		{"some", `"rag":{"collection":"b"},`, nil, "b"},
		{"some", `"rag":{"collection":"c"},`, nil, "403 permission_error collection_forbidden"},
		{"some", `"rag":{"collection":"nonesuch"},`, nil, "403 permission_error collection_forbidden"},
		{"some", ``, []string{"X-RAG-Collection", "c"}, "403 permission_error collection_forbidden"},
		{"some", `"model":"alias-c",`, nil, "403 permission_error collection_forbidden"},
		{"some", ``, nil, "a"},
		{"none", ``, nil, "403 permission_error collection_forbidden"},
		{"none", `"rag":{"collection":"a"},`, nil, "403 permission_error collection_forbidden"},
		{"all", ``, nil, "default"},
		{"all", `"rag":{"collection":"c"},`, nil, "c"},
	} {
		asked = nil
		header := append(tt.header, "Authorization", "Bearer "+secrets[tt.key])
		w := serve(s, "POST", "/v1/chat/completions", `{`+tt.body+`"messages":[{"role":"user","content":"q"}]}`, header...)
		var got string
		if w.Code != http.StatusOK {
			got = errorCode(t, w)
		}
		for _, q := range asked {
			got += q.Collection
		}
		if got != tt.want {
			t.Errorf("key %s, %s %v: got %s, want %s", tt.key, tt.body, tt.header, got, tt.want)
		}
	}
	for key, want := range map[string]string{"some": `"a" "b"`, "none": "", "all": `"a" "b" "c" "default"`} {
		w := serve(s, "GET", "/v1/rag/collections", "", "Authorization", "Bearer "+secrets[key])
		var list struct{ Data []struct{ Name string } }
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range list.Data {
			names = append(names, strconv.Quote(c.Name))
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("collections of key %s: got %s, want %s", key, got, want)
		}
	}
	if w := serve(s, "GET", "/v1/rag/collections", "", "Authorization", "Bearer "+secrets["part"]); strings.Contains(w.Body.String(), "documents") {
		t.Errorf("got %s, want no counts of documents that the key does not see", w.Body)
	}
	asked = nil
	serve(s, "POST", "/v1/rag/search", `{"query":"q","filters":{"year":2024}}`, "Authorization", "Bearer "+secrets["part"])
	want := map[string]any{"type": "and", "filters": []any{
		map[string]any{"type": "eq", "key": "lang", "value": "en"}, map[string]any{"type": "eq", "key": "year", "value": json.Number("2024")}}}
	if len(asked) != 1 || !cmp.Equal(asked[0].Filters, want) {
		t.Errorf("got %v, want the filters %v", asked, want)
	}
}
