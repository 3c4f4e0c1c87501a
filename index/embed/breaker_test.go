package embed

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ragproxy/ragproxy/internal/breaker"
)

// breakerTest has an embedder with a breaker of five failures and half a
// minute, over a server that answers as answer says.
type breakerTest struct {
	*OpenAI
	answer transport
	calls  int
}

func newBreakerTest(t *testing.T, answer transport) *breakerTest {
	b := &breakerTest{answer: answer}
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		b.calls++
		return b.answer(b.calls, r)
	})}
	b.OpenAI = newEmbedder(t, OpenAIOptions{
		BaseURL: "http://embed.test/v1", Model: "m", HTTPClient: client,
		Breaker: breaker.New(breaker.Options{Name: "embed.test", Failures: 5, OpenFor: 30 * time.Second}),
	})
	return b
}

// failures asks n times in vain.
func (b *breakerTest) failures(t *testing.T, n int) {
	t.Helper()
	for range n {
		if err := query(t.Context(), b.OpenAI); err == nil || errors.Is(err, breaker.ErrOpen) {
			t.Fatalf("got %v, want the server's own failure", err)
		}
	}
}

func TestDeadServerIsLeftAlone(t *testing.T) {
	for name, answer := range map[string]transport{
		"refuses":      func(int, *http.Request) (*http.Response, error) { return nil, errRefused },
		"status 500":   func(int, *http.Request) (*http.Response, error) { return reply(500, ""), nil },
		"status 401":   func(int, *http.Request) (*http.Response, error) { return reply(401, ""), nil }, // the key is ours
		"status 429":   func(int, *http.Request) (*http.Response, error) { return reply(429, "", "Retry-After", "60"), nil },
		"wrong answer": func(int, *http.Request) (*http.Response, error) { return reply(200, "<html>"), nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBreakerTest(t, answer)
				b.failures(t, 5)
				b.calls = 0
				for range 100 {
					if err := query(t.Context(), b.OpenAI); !errors.Is(err, breaker.ErrOpen) {
						t.Fatalf("got %v, want breaker.ErrOpen", err)
					}
				}
				if b.calls != 0 {
					t.Errorf("the server was asked %d times, want never", b.calls)
				}
				b.answer = func(int, *http.Request) (*http.Response, error) { return good(), nil }
				if err := documents(t.Context(), b.OpenAI); err != nil { // a run has patience of its own
					t.Errorf("documents: %v", err)
				}
				time.Sleep(31 * time.Second)
				for range 2 {
					if err := query(t.Context(), b.OpenAI); err != nil {
						t.Errorf("after half a minute: %v", err)
					}
				}
			})
		})
	}
}

func TestSlowServerIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreakerTest(t, func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := query(ctx, b.OpenAI); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want a deadline", err)
			}
			cancel()
		}
		if err := query(t.Context(), b.OpenAI); !errors.Is(err, breaker.ErrOpen) {
			t.Errorf("got %v, want breaker.ErrOpen", err)
		}
	})
}

// TestOneTextOpensNothing: what is wrong with a text, or a caller who went away,
// is no reason to leave the others without vectors.
func TestOneTextOpensNothing(t *testing.T) {
	for _, code := range []int{400, 413, 422} {
		b := newBreakerTest(t, func(int, *http.Request) (*http.Response, error) { return reply(code, ""), nil })
		b.failures(t, 9)
	}
	b := newBreakerTest(t, func(_ int, r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	for range 9 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		if err := query(ctx, b.OpenAI); !errors.Is(err, context.Canceled) || errors.Is(err, breaker.ErrOpen) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	}
}
