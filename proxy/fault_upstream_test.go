package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidwall/gjson"
)

// rawUpstream answers each request with bytes that need not be HTTP. With reset
// it then resets the connection, with hang it keeps it, else it closes it.
type rawUpstream struct {
	bytes       string
	reset, hang bool
}

func (u rawUpstream) start(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go u.answer(conn)
		}
	}()
	return "http://" + l.Addr().String() + "/v1"
}

func (u rawUpstream) answer(conn net.Conn) {
	defer conn.Close()
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	io.Copy(io.Discard, req.Body)
	io.WriteString(conn, u.bytes)
	switch {
	case u.reset:
		conn.(*net.TCPConn).SetLinger(0)
	case u.hang:
		io.Copy(io.Discard, conn) // until the proxy goes
	}
}

const (
	sseHead  = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
	jsonHead = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
	delta    = `data: {"id":"u","choices":[{"index":0,"delta":{"content":"Planning"},"finish_reason":null}]}` + "\n\n"
	finish   = `data: {"id":"u","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	done     = "data: [DONE]\n\n"
	whole200 = `{"id":"u","choices":[{"index":0,"message":{"role":"assistant","content":"Planning"},"finish_reason":"stop"}]}`
)

// TestUpstreamFaults: what an upstream may do wrong, and what the client is told
// of it. Nothing of it may look like a whole answer that is none.
func TestUpstreamFaults(t *testing.T) {
	length := func(body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", len(body))
	}
	refusal := func(status string, more string) string {
		body := `{"error":{"message":"no","type":"t","param":null,"code":"c"}}`
		return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s", status, len(body), more, body)
	}
	tests := []struct {
		name   string
		up     rawUpstream
		status int    // of a stream, and of an answer in one piece unless that has its own
		whole  int    // 0: as status; -1: not asked for
		code   string // of our error; "" if none of ours
		cut    bool   // a stream breaks off
		want   string // in the stream
		wantIn string // in the answer in one piece
	}{
		{name: "closes without a word", up: rawUpstream{}, status: 502, code: "upstream_unreachable"},
		{name: "resets without a word", up: rawUpstream{reset: true}, status: 502, code: "upstream_unreachable"},
		{name: "closes in its header", up: rawUpstream{bytes: "HTTP/1.1 200 OK\r\nContent-Ty"}, status: 502, code: "upstream_unreachable"},
		{name: "resets in its header", up: rawUpstream{bytes: "HTTP/1.1 200 OK\r\nContent-Ty", reset: true}, status: 502, code: "upstream_unreachable"},
		{name: "speaks no HTTP", up: rawUpstream{bytes: "SSH-2.0-OpenSSH_9.6\r\n"}, status: 502, code: "upstream_unreachable"},
		{name: "a header without end", up: rawUpstream{bytes: "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 11<<20)}, status: 502, code: "upstream_unreachable"},
		{name: "status 500 with a body", up: rawUpstream{bytes: refusal("500 Internal Server Error", "")}, status: 500, want: `"code":"c"`},
		{name: "status 429 with Retry-After", up: rawUpstream{bytes: refusal("429 Too Many Requests", "Retry-After: 7\r\n")}, status: 429, want: `"code":"c"`},
		{name: "status 401", up: rawUpstream{bytes: refusal("401 Unauthorized", "")}, status: 401, want: `"code":"c"`},
		{name: "status 503 in HTML", up: rawUpstream{bytes: "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: 6\r\n\r\n<html>"}, status: 503, want: "<html>"},
		{name: "closes before the first event", up: rawUpstream{bytes: sseHead}, status: 200, whole: -1, code: "upstream_closed", cut: true},
		{name: "closes in mid-stream", up: rawUpstream{bytes: sseHead + delta}, status: 200, whole: -1, code: "upstream_closed", cut: true, want: "Planning"},
		{name: "resets in mid-stream", up: rawUpstream{bytes: sseHead + delta, reset: true}, status: 200, whole: -1, code: "upstream_closed", cut: true},
		{name: "closes in half a line", up: rawUpstream{bytes: sseHead + delta + `data: {"id":"u","cho`}, status: 200, whole: -1, code: "upstream_closed", cut: true, want: "Planning"},
		{name: "ends without DONE", up: rawUpstream{bytes: sseHead + delta + finish}, status: 200, whole: -1, code: "upstream_closed", cut: true, want: "Planning"},
		{name: "garbage in the stream", up: rawUpstream{bytes: sseHead + "\x00\xff\xfe no event\n\n" + delta + "data: {not json\n\n" + finish + done}, status: 200, whole: -1, want: "data: {not json"},
		{name: "an error event in the stream", up: rawUpstream{bytes: sseHead + delta + `data: {"error":{"message":"overloaded","type":"t","code":"c"}}` + "\n\n"}, status: 200, whole: -1, want: `"message":"overloaded"`},
		{name: "a chunked stream cut in a chunk", up: rawUpstream{bytes: "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" +
			fmt.Sprintf("%x\r\n%s\r\nff\r\ndata: {", len(delta), delta)}, status: 200, whole: -1, code: "upstream_closed", cut: true, want: "Planning"},
		{name: "a stream under another content type", up: rawUpstream{bytes: "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n" + delta + finish + done}, status: 200, want: "Planning", wantIn: "Planning"},
		{name: "HTML with 200", up: rawUpstream{bytes: "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>welcome"}, status: 200, want: "<html>welcome", wantIn: "<html>welcome"},
		{name: "no JSON with 200", up: rawUpstream{bytes: jsonHead + `{"id":"u","choices":[{]`}, status: 200, want: `"choices":[{]`, wantIn: `"choices":[{]`},
		{name: "JSON that closes early", up: rawUpstream{bytes: length(whole200) + whole200[:40]}, status: 502, code: "upstream_closed"},
		{name: "JSON that is reset", up: rawUpstream{bytes: length(whole200) + whole200[:40], reset: true}, status: 502, code: "upstream_closed"},
		{name: "an empty answer", up: rawUpstream{bytes: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"}, status: 200},
		{name: "gzip that nobody asked for", up: rawUpstream{bytes: strings.Replace(sseHead, "Connection", "Content-Encoding: gzip\r\nConnection", 1) + zipped(delta+finish+done)}, status: 200, whole: -1, want: "Planning"},
		{name: "gzip that is none", up: rawUpstream{bytes: strings.Replace(jsonHead, "Connection", "Content-Encoding: gzip\r\nConnection", 1) + whole200}, status: 502, code: "upstream_unreachable"},
		{name: "gzip that is cut", up: rawUpstream{bytes: strings.Replace(sseHead, "Connection", "Content-Encoding: gzip\r\nConnection", 1) + zipped(delta + finish + done)[:60]}, status: 200, whole: -1, code: "upstream_closed", cut: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := startProxy(t, nil, func(o *Options) { o.Upstream.BaseURL = tt.up.start(t) })
			status, body, header, err := exchangeWith(t, base, ask)
			if status != tt.status || (err != nil) != tt.cut || !strings.Contains(body, tt.want) || codeIn(body) != tt.code && tt.code != "" {
				t.Errorf("stream: got %d, %v, %.300q, want %d, code %q, cut %t, with %q", status, err, body, tt.status, tt.code, tt.cut, tt.want)
			}
			if tt.cut && strings.Contains(body, "[DONE]") {
				t.Errorf("stream: it ends as a whole one does: %q", body)
			}
			if strings.Contains(tt.name, "Retry-After") && header.Get("Retry-After") != "7" {
				t.Errorf("stream: got Retry-After %q, want upstream's", header.Get("Retry-After"))
			}
			if tt.whole == -1 {
				return
			}
			status, body, _, err = exchangeWith(t, base, strings.Replace(ask, "true", "false", 1))
			if status != tt.status || err != nil || codeIn(body) != tt.code && tt.code != "" || !strings.Contains(body, tt.wantIn) {
				t.Errorf("in one piece: got %d, %v, %.300q, want %d, code %q, with %q", status, err, body, tt.status, tt.code, tt.wantIn)
			}
		})
	}
}

// codeIn is the code of the error that a body is, or ends with.
func codeIn(body string) string {
	if at := strings.LastIndex(body, "data: {\"error\""); at >= 0 {
		body = body[at+len("data: "):]
	}
	return gjson.Get(body, "error.code").Str
}

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, s)
	z.Close()
	return b.String()
}

func exchangeWith(t *testing.T, base, body string) (int, string, http.Header, error) {
	t.Helper()
	resp, err := postChat(t, t.Context(), base, body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(got), resp.Header, err
}

// TestUpstreamHangsInMidStream: comments keep the connection until the client
// has had enough; then upstream's is let go.
func TestUpstreamHangsInMidStream(t *testing.T) {
	released := make(chan struct{})
	base := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, delta)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(released)
	}, func(o *Options) { o.KeepAlive = time.Millisecond })
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	resp, err := postChat(t, ctx, base, ask)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for kept := 0; kept < 3; {
		if !lines.Scan() {
			t.Fatalf("the stream ended (%v), want comments", lines.Err())
		}
		if strings.HasPrefix(lines.Text(), ":") {
			kept++
		}
	}
	leave()
	select {
	case <-released:
	case <-time.After(patience):
		t.Error("the upstream was kept after the client had gone")
	}
}

// TestUpstreamFallsSilent: an answer of which nothing comes any more ends, with
// an error that says so; one that is merely slow does not.
func TestUpstreamFallsSilent(t *testing.T) {
	const silence = time.Minute
	for _, tt := range []struct{ name, contentType, piece, ask string }{
		{"stream", "text/event-stream", delta, ask},
		{"in one piece", "application/json", " ", chatOnce},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var network pipeNet
				released := make(chan struct{})
				network.serve(t, "up", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.Copy(io.Discard, r.Body)
					w.Header().Set("Content-Type", tt.contentType)
					for range 5 {
						http.NewResponseController(w).Flush()
						time.Sleep(silence - time.Second)
						io.WriteString(w, tt.piece)
					}
					http.NewResponseController(w).Flush()
					<-r.Context().Done()
					close(released)
				}))
				opts := testOptions(t, "http://up/v1", &fakeSearcher{})
				opts.HTTPClient = network.client(t)
				opts.HTTPClient.Transport = silenceTransport{opts.HTTPClient.Transport.(*http.Transport), silence}
				network.serve(t, "ragproxy", New(opts))
				begin := time.Now()
				resp, err := network.client(t).Post("http://ragproxy/v1/chat/completions", "application/json", strings.NewReader(tt.ask))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, _ := io.ReadAll(resp.Body)
				if !strings.Contains(string(body), `"code":"upstream_timeout"`) {
					t.Errorf("got %s %q, want upstream_timeout", resp.Status, body)
				}
				if n := strings.Count(string(body), `"content":"Planning"`); tt.piece == delta && n != 5 {
					t.Errorf("got %d deltas before the error, want 5", n)
				}
				if tt.piece != delta && resp.StatusCode != http.StatusGatewayTimeout {
					t.Errorf("got %s, want 504", resp.Status)
				}
				if took := time.Since(begin) - 5*(silence-time.Second); took < silence || took > 2*silence+time.Second {
					t.Errorf("the answer ended after a silence of %s, want one to two times %s", took, silence)
				}
				<-released
			})
		})
	}
}
