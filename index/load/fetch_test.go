package load

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Headers go to their origin only, whatever redirects say, and are in no error.
func TestHeaders(t *testing.T) {
	seen := map[string]http.Header{}
	var mu sync.Mutex
	note := func(name string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			seen[name+r.URL.Path] = r.Header.Clone()
			mu.Unlock()
			next.ServeHTTP(w, r)
		})
	}
	var inner, outer *httptest.Server
	outer = httptest.NewServer(note("outer", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "text") })))
	defer outer.Close()
	inner = httptest.NewServer(note("inner", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/next", http.StatusFound)
			return
		}
		http.Redirect(w, r, outer.URL+"/", http.StatusFound)
	})))
	defer inner.Close()
	from, name, value, err := ParseHeader(inner.URL + "/ x-token:  s3cret ")
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{AllowPrivate: true, Headers: map[string]http.Header{from: {name: {value}}}}
	if docs, failures := loadAll(t, strings.Replace(inner.URL, "http://", "http://ann:pass@", 1), opts); len(docs) != 1 || failures != nil {
		t.Errorf("got %v and errors %q", docs, failures)
	}
	for _, path := range []string{"inner/", "inner/next"} {
		if got := seen[path]; got.Get("X-Token") != "s3cret" || !strings.HasPrefix(got.Get("Authorization"), "Basic ") {
			t.Errorf("%s: got headers %v, want the token and the password", path, got)
		}
	}
	if got := seen["outer/"]; got == nil || got.Get("X-Token") != "" || got.Get("Authorization") != "" || got.Get("Referer") != "" {
		t.Errorf("got headers %v at another origin, want none of ours", got)
	}
	outer.Close()
	_, failures := loadAll(t, inner.URL, opts)
	if len(failures) != 1 || strings.Contains(failures[0], "s3cret") {
		t.Errorf("got %q, want an error without the token", failures)
	}
}

func TestParseHeader(t *testing.T) {
	for s, want := range map[string][]string{
		"https://Wiki.example.com Authorization: Bearer a:b": {"https://wiki.example.com", "Authorization", "Bearer a:b"},
		"https://h:443/ cookie: a=1; b=2":                    {"https://h", "Cookie", "a=1; b=2"},
		"http://h:8080  X-Empty:":                            {"http://h:8080", "X-Empty", ""},
	} {
		from, name, value, err := ParseHeader(s)
		if diff := cmp.Diff(want, []string{from, name, value}); diff != "" || err != nil {
			t.Errorf("%q: got error %v (-want +got)\n%s", s, err, diff)
		}
	}
	for _, s := range []string{"", "Authorization: secret", "https://h/path A: secret", "ftp://h A: secret", "https://h secret", "https://h A B: secret", "https://h A: secret\r\nB: c", "https://u:secret@h A: b"} {
		if _, _, _, err := ParseHeader(s); err == nil || !strings.Contains(err.Error(), "load.headers") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got error %v, want one that names the key and not the value", s, err)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	f.Add("https://h A: b")
	f.Add("http://[::1]:80/ x-y:\tz")
	f.Fuzz(func(t *testing.T, s string) {
		from, name, value, err := ParseHeader(s)
		if err == nil && (from == "" || name == "" || strings.ContainsAny(name+value, "\r\n")) {
			t.Errorf("got %q, %q, %q", from, name, value)
		}
	})
}
