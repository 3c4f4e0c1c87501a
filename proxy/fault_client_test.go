package proxy

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// TestClientFaults sends what a client may send by mistake or on purpose, byte
// by byte. Each gets an answer that says what is wrong, or none if it went, and
// the next client is served as if nothing had been.
func TestClientFaults(t *testing.T) {
	head := func(length string) string {
		return "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + length + "\r\n"
	}
	sized := func(body string) string { return head(fmt.Sprintf("Content-Length: %d\r\n", len(body))) + body }
	tests := []struct {
		name   string
		send   string
		half   bool // the client says no more, but listens
		status int  // 0: it goes without listening
		code   string
	}{
		{"goes before its header is whole", "POST /v1/chat/comp", false, 0, ""},
		{"goes in the middle of its body", head("Content-Length: 100\r\n") + `{"model":`, false, 0, ""},
		{"goes before the answer", sized(ask), false, 0, ""},
		{"half a body, and then nothing", head("Content-Length: 100\r\n") + `{"model":`, true, 408, "request_timeout"},
		{"a body that ends early", head("Transfer-Encoding: chunked\r\n") + "9\r\n" + `{"model":` + "\r\n0\r\n\r\n", true, 400, "invalid_json"},
		{"a broken chunk", head("Transfer-Encoding: chunked\r\n") + "zz\r\n", true, 400, "invalid_json"},
		{"two lengths", head("Content-Length: 5\r\nContent-Length: 6\r\n") + "{}   ", true, 400, ""},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", true, 400, ""},
		{"no body", head("Content-Length: 0\r\n"), true, 400, "invalid_json"},
		{"no JSON", sized("hello"), true, 400, "invalid_json"},
		{"a list", sized("[]"), true, 400, "invalid_json"},
		{"bytes that are no text", sized("{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\xfe\"}],"), true, 400, "invalid_json"},
		{"JSON that goes on", sized(ask + "{}"), true, 400, "invalid_json"},
		{"no messages", sized(`{"model":"m"}`), true, 400, "invalid_messages"},
		{"messages twice", sized(`{"messages":[],"messages":[{"role":"user","content":"q"}]}`), true, 400, "invalid_messages"},
		{"nested too deep", sized(`{"messages":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`), true, 400, ""},
		{"a body too large", sized(strings.Repeat(" ", 1<<20+1)), true, 413, "request_too_large"},
		{"a header too large", "POST / HTTP/1.1\r\nHost: localhost\r\nA: " + strings.Repeat("a", 2<<20) + "\r\n\r\n", true, 431, ""},
		{"an option that is none", sized(`{"rag":{"top-k":1},"messages":[{"role":"user","content":"q"}]}`), true, 400, "unknown_rag_option"},
		{"a path that is none", "POST /v1/rag/nonesuch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", true, 404, "unknown_url"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log := &lockedBuffer{}
			base := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "text/event-stream")
				io.WriteString(w, delta+finish+done)
			}, func(o *Options) {
				o.Limits.BodyTimeout = patience
				if tt.status == http.StatusRequestTimeout {
					o.Limits.BodyTimeout = 100 * time.Millisecond
				}
				o.Logger = slog.New(slog.NewJSONHandler(log, nil))
			})
			status, body := speak(t, strings.TrimPrefix(base, "http://"), tt.send, tt.half)
			if status != tt.status || tt.code != "" && gjson.Get(body, "error.code").Str != tt.code {
				t.Errorf("got %d %.300q, want %d with code %q", status, body, tt.status, tt.code)
			}
			if status, body, _, err := exchangeWith(t, base, ask); status != 200 || err != nil || !strings.HasSuffix(body, done) {
				t.Errorf("the next client: got %d, %v, %q, want a whole answer", status, err, body)
			}
			if text := log.take(); strings.Contains(text, `"status":5`) || strings.Contains(text, "panic") {
				t.Errorf("the log takes the client's fault for the server's: %s", text)
			}
		})
	}
}

// speak sends bytes and reads the answer, if the client wants one.
func speak(t *testing.T, address, send string, listens bool) (int, string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, send) // the server may have heard enough before its end
	if !listens {
		return 0, ""
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Errorf("read answer: %v", err)
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("read answer: %v", err)
	}
	return resp.StatusCode, string(body)
}
