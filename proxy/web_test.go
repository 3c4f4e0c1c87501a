package proxy

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/proxy/access"
)

func TestHostAndOriginOnLoopback(t *testing.T) {
	s, up := guarded(t, func(o *Options) {
		o.Web = Web{Loopback: true, Hosts: []string{"rag.internal"}, Origins: []string{"https://app.example"}}
	})
	for _, tt := range []struct {
		host, origin string
		want         string // "" is 200
	}{
		{"127.0.0.1:8080", "", ""}, {"[::1]:8080", "", ""}, {"::1", "", ""}, {"localhost", "", ""}, {"LOCALHOST:1", "", ""}, {"app.localhost:8080", "", ""},
		{"10.1.2.3:80", "", ""}, {"rag.internal:8080", "", ""}, {"localhost.", "", ""},
		{"evil.example", "", "host_not_allowed"}, {"evil.example:8080", "", "host_not_allowed"}, {"localhost.evil.example", "", "host_not_allowed"},
		{"127.0.0.1.evil.example", "", "host_not_allowed"}, {"notlocalhost", "", "host_not_allowed"}, {"x.rag.internal", "", "host_not_allowed"},
		{"evil.example:8080", "http://evil.example:8080", "host_not_allowed"}, // rebound: the page is of the same origin
		{"localhost:8080", "http://localhost:8080", ""}, {"localhost:8080", "https://app.example", ""},
		{"localhost:8080", "http://evil.example", "origin_not_allowed"}, {"localhost:8080", "null", "origin_not_allowed"},
		{"localhost:8080", "http://localhost:3000", "origin_not_allowed"}, {"localhost:8080", "https://app.example.evil.example", "origin_not_allowed"},
		{"localhost:8080", "file://localhost:8080", "origin_not_allowed"},
	} {
		header := []string{"Host", tt.host}
		if tt.origin != "" {
			header = append(header, "Origin", tt.origin)
		}
		for _, path := range []string{"/v1/chat/completions", "/v1/embeddings", "/v1/rag/search"} {
			body := chatOnce
			if path == "/v1/rag/search" {
				body = `{"query":"q"}`
			}
			asked := len(up.headers)
			w := serve(s, "POST", path, body, header...)
			got := ""
			if w.Code != http.StatusOK {
				got = errorCode(t, w)
			}
			want := tt.want
			if want != "" {
				want = "403 permission_error " + want
				if len(up.headers) != asked {
					t.Errorf("%s from %s: the upstream was asked", tt.host, tt.origin)
				}
			}
			if got != want {
				t.Errorf("%s from %q, %s: got %q, want %q", tt.host, tt.origin, path, got, want)
			}
		}
	}
	if w := serve(s, "GET", "/livez", "", "Host", "evil.example"); w.Code != http.StatusOK {
		t.Errorf("got %d from /livez, want 200 under any name", w.Code)
	}
}

// With a key needed a page of another origin can do nothing without it.
func TestHostIsFreeWithKeys(t *testing.T) {
	store, secrets := addKeys(t, access.Key{Name: "a"})
	s, _ := guarded(t, func(o *Options) { o.Keys, o.Web.Loopback = store, true })
	w := serve(s, "POST", "/v1/chat/completions", chatOnce, "Host", "rag.example", "Origin", "https://x.example", "Authorization", "Bearer "+secrets["a"])
	if w.Code != http.StatusOK || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("got %d %v, want 200 and no CORS header, not even upstream's", w.Code, w.Header())
	}
}

func TestCORS(t *testing.T) {
	store, _ := addKeys(t, access.Key{Name: "a"})
	s, _ := guarded(t, func(o *Options) { o.Keys, o.Web.Origins = store, []string{"https://app.example"} })
	preflight := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization, x-rag-dialect", "Access-Control-Request-Private-Network", "true"}
	w := serve(s, "OPTIONS", "/v1/chat/completions", "", append(preflight, "Origin", "https://app.example")...)
	got := []string{http.StatusText(w.Code)}
	for _, name := range []string{"Allow-Origin", "Allow-Headers", "Allow-Private-Network", "Allow-Credentials"} {
		got = append(got, w.Header().Get("Access-Control-"+name))
	}
	if diff := cmp.Diff([]string{"No Content", "https://app.example", "authorization, x-rag-dialect", "true", ""}, got); diff != "" {
		t.Errorf("preflight: got other than want (-want +got):\n%s", diff)
	}
	for origin, want := range map[string]string{"https://app.example": "https://app.example", "https://evil.example": ""} {
		w := serve(s, "POST", "/v1/chat/completions", chatOnce, "Origin", origin) // an error that the page can read
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != want || w.Code != http.StatusUnauthorized || w.Header().Get("Vary") != "Origin" {
			t.Errorf("%s: got %q with status %d, want %q with 401", origin, got, w.Code, want)
		}
	}
	if w := serve(s, "OPTIONS", "/v1/chat/completions", "", append(preflight, "Origin", "https://evil.example")...); w.Code != http.StatusUnauthorized {
		t.Errorf("got %d for a foreign preflight, want 401", w.Code)
	}
}
