package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// run serves until stop is called; ended gets what Serve returns.
func run(t *testing.T, s *Server) (base string, stop func(), ended chan error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	ended = make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	return "http://" + l.Addr().String(), cancel, ended
}

// get asks on a connection of its own.
func get(t *testing.T, address string) (int, string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestDrain(t *testing.T) {
	release := make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: {\"id\":\"a\",\"choices\":[]}\n\n")
		http.NewResponseController(w).Flush()
		<-release
		io.WriteString(w, "data: [DONE]\n\n")
	}))
	defer up.Close()
	s := New(testOptions(t, up.URL+"/v1", &fakeSearcher{}))
	base, stop, ended := run(t, s)
	resp, err := postChat(t, t.Context(), base, ask)
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := get(t, base+"/readyz"); code != http.StatusOK {
		t.Errorf("got %d from /readyz, want 200", code)
	}
	stop()
	for !s.stopping.Load() {
		if t.Context().Err() != nil {
			t.Fatal("the server did not begin to stop")
		}
	}
	// The listener is still open: it says that the end is near.
	if code, _ := get(t, base+"/livez"); code != http.StatusOK {
		t.Errorf("got %d from /livez while draining, want 200", code)
	}
	if code, body := get(t, base+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "not_ready") {
		t.Errorf("got %d %s from /readyz while draining, want 503 not_ready", code, body)
	}
	for s.running.begin() { // until the drain has begun
		s.running.end()
	}
	if code, body := get(t, base+"/v1/rag/collections"); code != http.StatusServiceUnavailable || !strings.Contains(body, "not_ready") {
		t.Errorf("got %d %s for a new request while draining, want 503 not_ready", code, body)
	}
	close(release)
	if got, err := io.ReadAll(resp.Body); err != nil || !strings.HasSuffix(string(got), "data: [DONE]\n\n") {
		t.Errorf("got %q (%v), want the stream's end", got, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve returned %v, want nil", err)
	}
}

func TestDrainHasADeadline(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: {\"id\":\"a\",\"choices\":[]}\n\n")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer up.Close()
	opts := testOptions(t, up.URL+"/v1", &fakeSearcher{})
	opts.Timeouts.Drain = time.Millisecond
	base, stop, ended := run(t, New(opts))
	resp, err := postChat(t, t.Context(), base, ask)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Serve returned %v, want nil", err)
	}
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("got a clean end, want a cut")
	}
}

// TestSlowReader takes nothing of an endless stream: the upstream's call must
// end.
func TestSlowReader(t *testing.T) {
	gone := make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		w.Header().Set("Content-Type", "text/event-stream")
		line := "data: {\"id\":\"a\",\"choices\":[],\"x\":\"" + strings.Repeat("x", 30_000) + "\"}\n\n"
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, line); err != nil {
				return
			}
		}
	}))
	defer up.Close()
	opts := testOptions(t, up.URL+"/v1", &fakeSearcher{})
	opts.Timeouts.Write = 50 * time.Millisecond
	base, stop, ended := run(t, New(opts))
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: "+strconv.Itoa(len(ask))+"\r\n\r\n"+ask)
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the upstream still writes for a client that reads nothing")
	}
	stop()
	<-ended
}

// TestSlowBody sends half a body, to a path that reads it and to one that
// needs a key and does not.
func TestSlowBody(t *testing.T) {
	store, _ := addKeys(t)
	opts := testOptions(t, "http://upstream.example/v1", &fakeSearcher{})
	opts.Keys, opts.Limits.BodyTimeout = store, 50*time.Millisecond
	opts.Collections = func() ([]index.CollectionInfo, error) { return nil, nil }
	base, stop, ended := run(t, New(opts))
	for path, want := range map[string]string{"/v1/chat/completions": "408", "/v1/rag/collections": "200"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, method(path)+" "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
		got, err := io.ReadAll(conn) // until the server closes
		conn.Close()
		if status, _, _ := strings.Cut(string(got), "\r\n"); err != nil || !strings.Contains(status, want) {
			t.Errorf("%s: got %q (%v), want %s and a closed connection", path, got, err, want)
		}
	}
	stop()
	<-ended
}

func method(path string) string {
	if strings.HasPrefix(path, "/v1/rag/") {
		return "GET"
	}
	return "POST"
}

func TestTLSAndTheUpstreamsOwnCA(t *testing.T) {
	var proxied atomic.Int64
	up := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, answer) }))
	defer up.Close()
	outbound := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxied.Add(1)
		tunnel(t, w, r)
	}))
	defer outbound.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: up.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		o    ClientOptions
		want int
	}{
		{"unknown CA", ClientOptions{}, http.StatusBadGateway},
		{"its CA", ClientOptions{CAFile: ca}, http.StatusOK},
		{"through a proxy", ClientOptions{CAFile: ca, ProxyURL: outbound.URL}, http.StatusOK},
		{"direct all the same", ClientOptions{CAFile: ca, ProxyURL: "http://127.0.0.1:1", Direct: []string{strings.TrimPrefix(up.URL, "https://")}}, http.StatusOK},
	} {
		client, err := NewClient(tt.o)
		if err != nil {
			t.Fatal(err)
		}
		opts := testOptions(t, up.URL+"/v1", &fakeSearcher{})
		opts.HTTPClient, opts.TLS = client, &tls.Config{Certificates: up.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}}
		opts.Timeouts.Write = time.Minute
		base, stop, ended := run(t, New(opts))
		front := up.Client().Transport.(*http.Transport).Clone() // trusts the same certificate
		front.ForceAttemptHTTP2 = true
		resp, err := (&http.Client{Transport: front}).Post(strings.Replace(base, "http:", "https:", 1)+"/v1/chat/completions", "application/json", strings.NewReader(chatOnce))
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != tt.want || resp.ProtoMajor != 2 {
			t.Errorf("%s: got %s over %s, want %d over HTTP/2", tt.name, resp.Status, resp.Proto, tt.want)
		}
		resp.Body.Close()
		front.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if n := proxied.Load(); n != 1 {
		t.Errorf("the outbound proxy was asked %d times, want once", n)
	}
	for _, o := range []ClientOptions{{CAFile: "nowhere.pem"}, {CAFile: "doc.go"}, {ProxyURL: "http://user:hush@[::"}} {
		if _, err := NewClient(o); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%v: got %v, want an error without the password", o, err)
		}
	}
}

// tunnel is a proxy's CONNECT.
func tunnel(t *testing.T, w http.ResponseWriter, r *http.Request) {
	far, err := net.Dial("tcp", r.Host)
	if err != nil {
		t.Error(err)
		return
	}
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { io.Copy(far, bufio.NewReader(buffered)); far.Close() }()
	go func() { io.Copy(near, far); near.Close() }()
}

func TestUpstreamThatNeverAnswers(t *testing.T) {
	client, err := NewClient(ClientOptions{ResponseTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/v1/chat/completions", "/v1/embeddings"} {
		base := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, func(o *Options) { o.HTTPClient = client })
		resp, err := http.Post(base+path, "application/json", strings.NewReader(chatOnce))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusGatewayTimeout || !strings.Contains(string(body), "upstream_timeout") {
			t.Errorf("%s: got %s %s, want 504 upstream_timeout", path, resp.Status, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestServeTellsTheListenersError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	err = New(testOptions(t, "http://upstream.example/v1", &fakeSearcher{})).Serve(t.Context(), l)
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want the listener's error", err)
	}
}
