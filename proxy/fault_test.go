package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/retrieval"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for: far above what it takes.
const patience = 30 * time.Second

const ask = `{"model":"m","stream":true,"messages":[{"role":"user","content":"q"}]}`

// startProxy serves the proxy over an upstream that is a handler.
func startProxy(t *testing.T, upstream http.HandlerFunc, change func(*Options)) string {
	up := httptest.NewServer(upstream)
	t.Cleanup(up.Close)
	opts := testOptions(t, up.URL+"/v1", &fakeSearcher{})
	if change != nil {
		change(&opts)
	}
	proxy := httptest.NewServer(New(opts))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

func postChat(t *testing.T, ctx context.Context, base, body string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	t.Cleanup(client.CloseIdleConnections)
	resp, err := client.Do(req)
	if err == nil {
		t.Cleanup(func() { resp.Body.Close() })
	}
	return resp, err
}

func TestBodyOverTheLimit(t *testing.T) {
	base := startProxy(t, func(http.ResponseWriter, *http.Request) { t.Error("the upstream was asked") }, func(o *Options) { o.MaxBodyBytes = 100 })
	resp, err := postChat(t, t.Context(), base, strings.Repeat(" ", 101))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(body), `"code":"request_too_large"`) {
		t.Errorf("got %s %s (%v), want 413 request_too_large", resp.Status, body, err)
	}
}

func TestUpstreamDown(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, stream := range []string{"true", "false"} {
		base := startProxy(t, nil, func(o *Options) { o.Upstream.BaseURL = "http://" + closed.Addr().String() + "/v1" })
		resp, err := postChat(t, t.Context(), base, strings.Replace(ask, "true", stream, 1))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusBadGateway || !strings.Contains(string(body), `"code":"upstream_unreachable"`) {
			t.Errorf("stream %s: got %s %s (%v), want 502 upstream_unreachable", stream, resp.Status, body, err)
		}
		if strings.Contains(string(body), closed.Addr().String()) {
			t.Errorf("the error tells the upstream's address: %s", body)
		}
	}
}

func TestPlainIsCutWithoutAWord(t *testing.T) {
	sent := "data: {\"id\":\"a\",\"choices\":[]}\n\ndata: {\"id\":"
	base := startProxy(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, sent)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, nil)
	for _, rag := range []string{`{"enabled":false}`, `{"dialect":"plain"}`, `{"events":false}`} {
		resp, err := postChat(t, t.Context(), base, strings.Replace(ask, `"stream"`, `"rag":`+rag+`,"stream"`, 1))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err == nil || string(got) != sent {
			t.Errorf("rag %s: got %q and error %v, want upstream's bytes and a broken connection", rag, got, err)
		}
	}
}

// TestPlainIsUpstreamsBytes sends what streams can look like, cut at every
// place, and wants it back to the letter.
func TestPlainIsUpstreamsBytes(t *testing.T) {
	stream := ": comment\r\nid: 1\r\ndata: {\"id\":\"a\",\"x\":1.0,\"error\":null}\r\n\r\nevent: x\ndata:{\"choices\":[]}\n\ndata: not json\n\ndata: [DONE]\n\n"
	for at := 0; at <= len(stream); at += 7 {
		base := startProxy(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, stream[:at])
			http.NewResponseController(w).Flush()
			io.WriteString(w, stream[at:])
		}, nil)
		resp, err := postChat(t, t.Context(), base, strings.Replace(ask, `"stream"`, `"rag":{"enabled":false},"stream"`, 1))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); err != nil || string(got) != stream {
			t.Fatalf("cut at %d: got %q (%v), want %q", at, got, err, stream)
		}
	}
}

func TestHugeLineAndGzip(t *testing.T) {
	text := strings.Repeat("é", 5<<20)
	stream := `data: {"id":"a","choices":[{"index":0,"delta":{"content":"` + text + `"}}]}` + "\n\ndata: [DONE]\n\n"
	base := startProxy(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Content-Encoding", "gzip") // which nobody asked for
		z := gzip.NewWriter(w)
		io.WriteString(z, stream)
		z.Close()
	}, nil)
	resp, err := postChat(t, t.Context(), base, ask)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Contains(got, []byte(text)) || !bytes.HasSuffix(got, []byte("data: [DONE]\n\n")) || resp.Header.Get("Content-Encoding") != "" {
		t.Errorf("got %d bytes (%v), want the whole text, plain", len(got), err)
	}
}

func TestLiveEventsDoNotWaitForTheUpstream(t *testing.T) {
	release := make(chan struct{})
	base := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: [DONE]\n\n")
	}, nil)
	resp, err := postChat(t, t.Context(), base, strings.Replace(ask, `"stream"`, `"rag":{"events":"all"},"stream"`, 1))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(resp.Body)
	var seen []string
	for lines.Scan() {
		if strings.Contains(lines.Text(), `"type":"retrieval.done"`) {
			seen = append(seen, "done")
			close(release)
		}
		if lines.Text() == "data: [DONE]" {
			seen = append(seen, "end")
		}
	}
	if got := strings.Join(seen, " "); got != "done end" {
		t.Errorf("got %q, want the event before the upstream answered, then its end", got)
	}
}

// TestClientGoneCancelsTheUpstream cuts the client off in each phase of a
// request; the call that is under way must be cancelled.
func TestClientGoneCancelsTheUpstream(t *testing.T) {
	history := strings.Replace(ask, `[{`, `[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{`, 1)
	tests := []struct {
		name, body string
		inSearch   bool
		before     string // what upstream sends before it waits
	}{
		{"rewrite", history, false, ""},
		{"search", ask, true, ""},
		{"before the first token", ask, false, ""},
		{"mid-stream", ask, false, "data: {\"id\":\"a\",\"choices\":[]}\n\n"},
		{"plain mid-stream", strings.Replace(ask, `"stream"`, `"rag":{"enabled":false},"stream"`, 1), false, "data: {}\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			reached, cancelled := make(chan struct{}), make(chan struct{})
			wait := func(call context.Context) {
				close(reached)
				select {
				case <-call.Done():
					close(cancelled)
				case <-time.After(patience):
				}
			}
			base := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if tt.before != "" {
					w.Header().Set("Content-Type", "text/event-stream")
					io.WriteString(w, tt.before)
					http.NewResponseController(w).Flush()
				}
				wait(r.Context())
			}, func(o *Options) {
				o.Retriever = testOptions(t, "", &fakeSearcher{search: func(ctx context.Context, q index.Query) (index.Legs, error) {
					if tt.inSearch {
						wait(ctx)
					}
					return index.Legs{}, nil
				}}).Retriever
			})
			done := make(chan struct{})
			go func() {
				defer close(done)
				if resp, err := postChat(t, ctx, base, tt.body); err == nil {
					io.Copy(io.Discard, resp.Body)
				}
			}()
			<-reached
			leave()
			select {
			case <-cancelled:
			case <-time.After(patience):
				t.Error("the call went on after the client had gone")
			}
			<-done
		})
	}
}

func TestShutdownLetsStreamsEnd(t *testing.T) {
	release := make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: {\"id\":\"a\",\"choices\":[]}\n\n")
		http.NewResponseController(w).Flush()
		<-release
		io.WriteString(w, "data: [DONE]\n\n")
	}))
	defer up.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	server := New(testOptions(t, up.URL+"/v1", &fakeSearcher{}))
	go func() { ended <- server.Serve(ctx, l) }()
	resp, err := postChat(t, t.Context(), "http://"+l.Addr().String(), ask)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	for !server.stopping.Load() {
		select {
		case <-t.Context().Done():
			t.Fatal("the server did not begin to stop")
		default:
		}
	}
	close(release)
	got, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasSuffix(string(got), "data: [DONE]\n\n") {
		t.Errorf("got %q (%v), want the stream's end", got, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve returned %v, want nil", err)
	}
}

func TestPanicIsAnErrorNotACrash(t *testing.T) {
	base := startProxy(t, nil, func(o *Options) {
		o.Retriever = testOptions(t, "", &fakeSearcher{search: func(context.Context, index.Query) (index.Legs, error) { panic("boom") }}).Retriever
	})
	resp, err := postChat(t, t.Context(), base, ask)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); resp.StatusCode != 500 || !strings.Contains(string(body), `"type":"server_error"`) {
		t.Errorf("got %s %s (%v), want 500 in OpenAI's shape", resp.Status, body, err)
	}
}

// TestFramesStaySmall keeps every frame of ours readable for a Go client with
// bufio.Scanner's default buffer, whatever the passages are.
func TestFramesStaySmall(t *testing.T) {
	base := startProxy(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: {\"id\":\"a\",\"choices\":[{\"index\":%d,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", i)
		}
		io.WriteString(w, "data: [DONE]\n\n")
	}, func(o *Options) {
		o.Retriever = testOptions(t, "", &fakeSearcher{TextLength: 100_000}).Retriever
	})
	resp, err := postChat(t, t.Context(), base, strings.Replace(ask, `"stream"`, `"n":3,"stream"`, 1))
	if err != nil {
		t.Fatal(err)
	}
	lines, frames := bufio.NewReader(resp.Body), 0
	for {
		line, err := lines.ReadString('\n')
		if len(line) > maxFrameWanted {
			t.Errorf("a frame has %d bytes, want at most %d", len(line), maxFrameWanted)
		}
		if strings.Contains(line, `"truncated":true`) {
			frames++
		}
		if errors.Is(err, io.EOF) {
			break
		}
	}
	if frames != 2 { // retrieval.done and the summary
		t.Errorf("got %d frames with cut texts, want 2", frames)
	}
}

const maxFrameWanted = 60<<10 + len("data: \n")

var _ retrieval.Searcher = (*fakeSearcher)(nil)
