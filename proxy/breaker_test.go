package proxy

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ragproxy/ragproxy/internal/breaker"
)

const followUpBody = `{"model":"m","stream":true,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"q"}]}`

// rewriterTest is a proxy whose rewriter answers as answer says.
type rewriterTest struct {
	client *http.Client
	answer atomic.Pointer[http.HandlerFunc]
	asked  atomic.Int64
}

func startRewriter(t *testing.T, answer http.HandlerFunc) *rewriterTest {
	r, net := &rewriterTest{}, &pipeNet{}
	r.client = net.client(t)
	r.answer.Store(&answer)
	net.serve(t, "upstream", replies("text/event-stream", done))
	net.serve(t, "rewriter", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.asked.Add(1)
		(*r.answer.Load())(w, req)
	}))
	opts := testOptions(t, "http://upstream/v1", &fakeSearcher{})
	opts.HTTPClient, opts.Rewrite = net.client(t), Upstream{BaseURL: "http://rewriter/v1"}
	opts.RewriteBreaker = breaker.New(breaker.Options{Name: "rewriter", Failures: 5, OpenFor: 30 * time.Second})
	net.serve(t, "proxy", New(opts))
	return r
}

// ask asks a follow-up with a key, and returns the events.
func (r *rewriterTest) ask(t *testing.T, ctx context.Context, key string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://proxy/v1/chat/completions", strings.NewReader(followUpBody))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := r.client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

func TestDeadRewriterIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRewriter(t, status(500))
		for range 5 {
			if got := r.ask(t, t.Context(), "k"); !strings.Contains(got, `"code":"rewrite_failed"`) {
				t.Fatalf("got %s, want rewrite_failed", got)
			}
		}
		for range 20 {
			if got := r.ask(t, t.Context(), "k"); !strings.Contains(got, `"code":"circuit_open"`) {
				t.Fatalf("got %s, want circuit_open", got)
			}
		}
		if n := r.asked.Load(); n != 5 {
			t.Errorf("the rewriter was asked %d times, want 5", n)
		}
		works := says("a query")
		r.answer.Store(&works)
		time.Sleep(31 * time.Second)
		for range 2 {
			if got := r.ask(t, t.Context(), "k"); !strings.Contains(got, `"type":"rewrite.done"`) {
				t.Errorf("after half a minute: got %s, want a rewrite", got)
			}
		}
	})
}

// TestClientsOpenNothing: what the rewriter has against one client, and clients
// that go away, leave it to the others.
func TestClientsOpenNothing(t *testing.T) {
	for _, code := range []int{400, 401, 403, 404, 429} {
		synctest.Test(t, func(t *testing.T) {
			refuse, works := status(code), says("a query")
			r := startRewriter(t, func(w http.ResponseWriter, req *http.Request) {
				if req.Header.Get("Authorization") == "Bearer bad" {
					refuse(w, req)
				} else {
					works(w, req)
				}
			})
			for range 9 {
				if got := r.ask(t, t.Context(), "bad"); !strings.Contains(got, `"code":"rewrite_failed"`) {
					t.Errorf("%d: got %s, want rewrite_failed", code, got)
				}
			}
			if got := r.ask(t, t.Context(), "good"); !strings.Contains(got, `"type":"rewrite.done"`) {
				t.Errorf("%d: the other client got %s, want a rewrite", code, got)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		r := startRewriter(t, hangs("", ""))
		for range 9 {
			ctx, leave := context.WithTimeout(t.Context(), time.Second)
			r.ask(t, ctx, "k")
			leave()
		}
		works := says("a query")
		r.answer.Store(&works)
		if got := r.ask(t, t.Context(), "k"); !strings.Contains(got, `"type":"rewrite.done"`) {
			t.Errorf("after clients that went: got %s, want a rewrite", got)
		}
	})
}
