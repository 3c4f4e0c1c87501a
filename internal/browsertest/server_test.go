package browsertest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// build makes the binary, or takes the one that RAGPROXY_TEST_BINARY names.
func build(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv("RAGPROXY_TEST_BINARY"); bin != "" {
		return bin
	}
	bin := filepath.Join(t.TempDir(), "ragproxy")
	cmd := exec.Command("go", "build", "-o", bin, "github.com/ragproxy/ragproxy/cmd/ragproxy")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

// startDemo runs `ragproxy demo` and gives its address.
func startDemo(t *testing.T, bin string) string {
	return start(t, exec.Command(bin, "demo", "--listen", "127.0.0.1:0"), regexp.MustCompile(`playground: (http://\S+)/`))
}

// startServe indexes the sample and runs `ragproxy serve` over an upstream.
func startServe(t *testing.T, bin, upstream, data string) string {
	t.Helper()
	index := exec.Command(bin, "index", "testdata/sample", "--data-dir", data)
	index.Dir = "../.."
	index.Env = environment()
	if out, err := index.CombinedOutput(); err != nil {
		t.Fatalf("index: %v\n%s", err, out)
	}
	cmd := exec.Command(bin, "serve", "--listen", "127.0.0.1:0", "--data-dir", data)
	cmd.Env = append(environment(), "RAGPROXY_UPSTREAM_BASE_URL="+upstream+"/v1", "RAGPROXY_OBSERVABILITY_EXPLAIN=50", "RAGPROXY_RETRIEVAL_MAX_CONTEXT_TOKENS=20000")
	return start(t, cmd, regexp.MustCompile(`listening on (http://\S+)`))
}

// environment is this one's, without what configures ragproxy.
func environment() []string {
	var out []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "RAGPROXY_") && !strings.HasPrefix(v, "OPENAI_") {
			out = append(out, v)
		}
	}
	return out
}

// start runs a server until the test ends and waits for the line with its
// address.
func start(t *testing.T, cmd *exec.Cmd, ready *regexp.Regexp) string {
	t.Helper()
	if cmd.Env == nil {
		cmd.Env = environment()
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	cmd.Dir = t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	found, seen := make(chan string, 1), &bytes.Buffer{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			seen.Write(append(lines.Bytes(), '\n'))
			if m := ready.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // how it ends is not this test's
		<-ended
		if t.Failed() {
			t.Logf("the server said:\n%s", seen)
		}
	})
	select {
	case address := <-found:
		return address
	case <-ended:
		t.Fatalf("the server ended:\n%s", seen)
	case <-time.After(time.Minute):
		t.Fatal("the server did not start in a minute")
	}
	return ""
}

// hostile is an answer that tries what a passage could make a model say.
const hostile = "<img src=x onerror=alert(1)> **bold** `code` [1] and [9].\n\n" +
	"[evil](javascript:alert(1)) [plain](http://example.org/) [good](https://example.org/) ![beacon](https://example.org/b.png)\n\n" +
	"- one\n- two\n  - nested\n\n```html\n<script>alert(2)</script>\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"

// fakeUpstream answers by what the last message asks for: "slow", "fail",
// "limit", "cut", "late error", "hostile".
func fakeUpstream(t *testing.T) *upstream {
	up := &upstream{gone: make(chan struct{}, 100)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/models") {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"object":"list","data":[{"id":"text-embedding-x","object":"model"},{"id":"fake-small","object":"model"},{"id":"fake-large","object":"model"}]}`)
			return
		}
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if r.Header.Get("X-RAG-Purpose") == "rewrite" {
			if strings.Contains(string(raw), "unwritable") {
				refuse(w, http.StatusInternalServerError, "No rewriting today")
				return
			}
			w.Header().Set("Content-Type", "application/json")
			if gjson.GetBytes(raw, "stream").Bool() {
				stream(w, r, []string{"What is ", "task decomposition?"}, 0)
				return
			}
			io.WriteString(w, `{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"What is task decomposition?"},"finish_reason":"stop"}]}`)
			return
		}
		up.answer(w, r, gjson.GetBytes(raw, "messages.@reverse.0.content").String())
	}))
	t.Cleanup(srv.Close)
	up.URL = srv.URL
	return up
}

// upstream is a fake one.
type upstream struct {
	URL  string
	gone chan struct{} // told of clients that went before a slow answer's end
}

func (up *upstream) answer(w http.ResponseWriter, r *http.Request, question string) {
	switch {
	case strings.Contains(question, "fail"):
		refuse(w, http.StatusInternalServerError, "The model fell over")
	case strings.Contains(question, "limit"):
		w.Header().Set("Retry-After", "7")
		refuse(w, http.StatusTooManyRequests, "Rate limit reached for fake-small")
	case strings.Contains(question, "key"):
		refuse(w, http.StatusUnauthorized, "Incorrect API key provided")
	case strings.Contains(question, "cut"):
		stream(w, r, []string{"This answer ", "ends in the"}, 0)
		panic(http.ErrAbortHandler)
	case strings.Contains(question, "slow"):
		for i := 0; i < 10_000 && r.Context().Err() == nil; i++ {
			stream(w, r, []string{fmt.Sprintf("word%d ", i)}, 20*time.Millisecond)
		}
		up.gone <- struct{}{}
	case strings.Contains(question, "hostile"):
		stream(w, r, strings.SplitAfter(hostile, " "), time.Millisecond)
		finish(w)
	default:
		var pieces []string
		for i := range 200 {
			pieces = append(pieces, fmt.Sprintf("word%d ", i))
		}
		stream(w, r, append(pieces, "[1]."), 8*time.Millisecond)
		finish(w)
	}
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":{"message":%q,"type":"fake_error","param":null,"code":null}}`, message)
}

// stream sends pieces of an answer, each after a pause.
func stream(w http.ResponseWriter, r *http.Request, pieces []string, pause time.Duration) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, piece := range pieces {
		text, err := json.Marshal(piece)
		if err != nil {
			return
		}
		fmt.Fprintf(w, `data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"fake-small","choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}`+"\n\n", text)
		_ = http.NewResponseController(w).Flush() // a client that went is seen by the context
		select {
		case <-r.Context().Done():
			return
		case <-time.After(pause):
		}
	}
}

func finish(w http.ResponseWriter) {
	io.WriteString(w, `data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"fake-small","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
}
