// Package upstreamtest is an OpenAI-compatible server for tests that replays
// recorded answers, line by line, and keeps what it was asked.
package upstreamtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Upstream is a running server. Each call is answered by the recorded
// response of its kind: "rewrite" for calls that say so in X-RAG-Purpose,
// "answer" for chat completions, "other" for the rest.
type Upstream struct {
	URL string // base URL, with /v1

	t         testing.TB
	responses map[string]string

	mu    sync.Mutex
	calls []Call
}

// Call is one request as it came.
type Call struct {
	Kind   string
	Method string
	Path   string
	Header http.Header
	Body   []byte
}

// Start serves until the test ends. responses holds, by kind, a raw HTTP
// response: status line, headers, an empty line, the body. The body goes out
// line by line. A header "Test-Cut: N" cuts the connection after N bytes of
// the body; "Test-Hang: 1" keeps the connection open after it until the
// client goes. A call without a response fails the test.
func Start(t testing.TB, responses map[string]string) *Upstream {
	u := New(t, responses)
	srv := httptest.NewServer(u)
	t.Cleanup(srv.Close)
	u.URL = srv.URL + "/v1"
	return u
}

// New makes an upstream that somebody else serves: its URL is empty.
func New(t testing.TB, responses map[string]string) *Upstream {
	return &Upstream{t: t, responses: responses}
}

// Calls are the requests so far.
func (u *Upstream) Calls() []Call {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]Call(nil), u.calls...)
}

// Call is the one call of a kind; none or several fail the test.
func (u *Upstream) Call(kind string) Call {
	u.t.Helper()
	var found []Call
	for _, c := range u.Calls() {
		if c.Kind == kind {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		u.t.Fatalf("upstream got %d calls of kind %s, want 1", len(found), kind)
	}
	return found[0]
}

// ServeHTTP implements http.Handler.
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	c := Call{kindOf(r), r.Method, r.URL.Path, r.Header.Clone(), body}
	u.mu.Lock()
	u.calls = append(u.calls, c)
	u.mu.Unlock()
	raw, ok := u.responses[c.Kind]
	if !ok {
		u.t.Errorf("upstream got an unexpected %s call: %s %s", c.Kind, c.Method, c.Path)
		panic(http.ErrAbortHandler)
	}
	if err := replay(w, r, raw); err != nil {
		u.t.Errorf("replay %s: %v", c.Kind, err)
	}
}

func kindOf(r *http.Request) string {
	switch {
	case r.Header.Get("X-RAG-Purpose") == "rewrite":
		return "rewrite"
	case r.URL.Path == "/v1/chat/completions":
		return "answer"
	default:
		return "other"
	}
}

func replay(w http.ResponseWriter, r *http.Request, raw string) error {
	in := bufio.NewReader(strings.NewReader(raw))
	status, err := textproto.NewReader(in).ReadLine()
	if err != nil {
		return err
	}
	header, err := textproto.NewReader(in).ReadMIMEHeader()
	if err != nil {
		return err
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	cut := -1
	if v := header.Get("Test-Cut"); v != "" {
		if cut, err = strconv.Atoi(v); err != nil {
			return err
		}
		body = body[:cut]
	}
	hang := header.Get("Test-Hang") != ""
	for name, values := range header {
		if !strings.HasPrefix(name, "Test-") {
			w.Header()[name] = values
		}
	}
	code, err := strconv.Atoi(strings.Fields(status)[1])
	if err != nil {
		return fmt.Errorf("status line %q: %w", status, err)
	}
	w.WriteHeader(code)
	rc := http.NewResponseController(w)
	for _, line := range bytes.SplitAfter(body, []byte("\n")) {
		if _, err := w.Write(line); err != nil {
			return nil // the client went, which tests do
		}
		if err := rc.Flush(); err != nil {
			return nil
		}
	}
	if hang {
		<-r.Context().Done()
	}
	if cut >= 0 {
		panic(http.ErrAbortHandler)
	}
	return nil
}
