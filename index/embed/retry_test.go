package embed

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// transport answers without a network, so that time can be faked.
type transport func(call int, r *http.Request) (*http.Response, error)

// timed runs one call of an embedder over the fake transport in fake time.
func timed(t *testing.T, answer transport, run func(ctx context.Context, o *OpenAI) error) (calls int, took time.Duration, err error) {
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			calls++
			return answer(calls, r)
		})}
		o := newEmbedder(t, OpenAIOptions{BaseURL: "http://embed.test/v1", Model: "m", HTTPClient: client})
		start := time.Now()
		err = run(t.Context(), o)
		took = time.Since(start)
	})
	return calls, took, err
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func documents(ctx context.Context, o *OpenAI) error {
	got, err := o.EmbedDocuments(ctx, []string{"a"})
	if err == nil && len(got) != 1 {
		return errors.New("got no vector, want one")
	}
	return err
}

func query(ctx context.Context, o *OpenAI) error {
	_, err := o.EmbedQuery(ctx, "a")
	return err
}

func reply(status int, body string, header ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func good() *http.Response { return reply(200, `{"data":[{"index":0,"embedding":[1,2]}]}`) }

var errRefused = errors.New("dial tcp: connection refused")

func TestRetryThenSuccess(t *testing.T) {
	for name, tc := range map[string]struct {
		first    func() (*http.Response, error)
		min, max time.Duration
	}{
		"429 retry-after":    {func() (*http.Response, error) { return reply(429, `{}`, "Retry-After", "7"), nil }, 7 * time.Second, 8 * time.Second},
		"429 retry-after-ms": {func() (*http.Response, error) { return reply(429, `{}`, "Retry-After-Ms", "1500"), nil }, 1500 * time.Millisecond, 2 * time.Second},
		"503 date": {func() (*http.Response, error) {
			return reply(503, ``, "Retry-After", time.Now().Add(20*time.Second).UTC().Format(http.TimeFormat)), nil
		}, 19 * time.Second, 22 * time.Second},
		"503 odd header": {func() (*http.Response, error) { return reply(503, ``, "Retry-After", "soon"), nil }, 250 * time.Millisecond, 750 * time.Millisecond},
		"502 html":       {func() (*http.Response, error) { return reply(502, `<html>bad gateway`), nil }, 250 * time.Millisecond, 750 * time.Millisecond},
		"refused":        {func() (*http.Response, error) { return nil, errRefused }, 250 * time.Millisecond, 750 * time.Millisecond},
		"cut body": {func() (*http.Response, error) {
			res := good()
			res.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"data":[`), failingReader{}))
			return res, nil
		}, 250 * time.Millisecond, 750 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			calls, took, err := timed(t, func(call int, _ *http.Request) (*http.Response, error) {
				if call == 1 {
					return tc.first()
				}
				return good(), nil
			}, documents)
			if err != nil || calls != 2 || took < tc.min || took > tc.max {
				t.Errorf("got %v after %d calls and %s, want success after 2 and %s to %s", err, calls, took, tc.min, tc.max)
			}
		})
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestDeadServerIsGivenUpWithinMaxElapsed(t *testing.T) {
	for name, tc := range map[string]struct {
		answer transport
		least  time.Duration
		want   string
	}{
		"refused": {func(int, *http.Request) (*http.Response, error) { return nil, errRefused }, 45 * time.Second, "check embedding.base_url and that the server runs"},
		"503":     {func(int, *http.Request) (*http.Response, error) { return reply(503, "busy"), nil }, 45 * time.Second, "status 503: busy"},
		"silent": {func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, 60 * time.Second, "no answer within 1m0s"},
		"long 429": {func(int, *http.Request) (*http.Response, error) { return reply(429, "", "Retry-After", "3600"), nil }, 0, "asks to wait 1h0m0s"},
		"first refused, then silent": {func(call int, r *http.Request) (*http.Response, error) {
			if call == 1 {
				return nil, errRefused
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, 60 * time.Second, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			calls, took, err := timed(t, tc.answer, documents)
			if err == nil || took < tc.least || took > time.Minute {
				t.Errorf("got %v after %s, want an error after %s to 1m", err, took, tc.least)
			}
			if calls > 30 {
				t.Errorf("got %d calls, want at most 30: pauses must grow", calls)
			}
			for _, want := range []string{tc.want, "embed.test", " m "} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
		})
	}
}

func TestNotRepeated(t *testing.T) {
	for _, status := range []int{201, 301, 400, 401, 403, 404, 408, 409, 413, 422} {
		calls, took, err := timed(t, func(int, *http.Request) (*http.Response, error) { return reply(status, ""), nil }, documents)
		if err == nil || calls != 1 || took != 0 {
			t.Errorf("%d: got %v after %d calls and %s, want an error at once", status, err, calls, took)
		}
	}
}

func TestQueryIsTriedTwiceAtMostAndQuickly(t *testing.T) {
	for name, tc := range map[string]struct {
		answer transport
		calls  int
		ok     bool
	}{
		"first refused": {func(call int, _ *http.Request) (*http.Response, error) {
			if call == 1 {
				return nil, errRefused
			}
			return good(), nil
		}, 2, true},
		"503":          {func(int, *http.Request) (*http.Response, error) { return reply(503, ""), nil }, 2, false},
		"429 soon":     {func(int, *http.Request) (*http.Response, error) { return reply(429, "", "Retry-After-Ms", "100"), nil }, 2, false},
		"429 too late": {func(int, *http.Request) (*http.Response, error) { return reply(429, "", "Retry-After", "2"), nil }, 1, false},
		"400":          {func(int, *http.Request) (*http.Response, error) { return reply(400, ""), nil }, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			calls, took, err := timed(t, tc.answer, query)
			if (err == nil) != tc.ok || calls != tc.calls || took > 300*time.Millisecond {
				t.Errorf("got %v after %d calls and %s, want success %t after %d calls within 300ms", err, calls, took, tc.ok, tc.calls)
			}
		})
	}
}

func TestQueryKeepsTheCallersDeadline(t *testing.T) {
	silent := func(_ int, r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	_, took, err := timed(t, silent, func(ctx context.Context, o *OpenAI) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return query(ctx, o)
	})
	if !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
		t.Errorf("got %v after %s, want a deadline after 1s", err, took)
	}
}

func TestCancelEndsAPause(t *testing.T) {
	refuse := func(int, *http.Request) (*http.Response, error) { return reply(429, "", "Retry-After", "30"), nil }
	calls, took, err := timed(t, refuse, func(ctx context.Context, o *OpenAI) error {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(2*time.Second, cancel)
		return documents(ctx, o)
	})
	if !errors.Is(err, context.Canceled) || calls != 1 || took != 2*time.Second {
		t.Errorf("got %v after %d calls and %s, want context.Canceled after 1 and 2s", err, calls, took)
	}
}

// Each batch has a minute of its own: a long run is not a dead server.
func TestMaxElapsedCountsABatch(t *testing.T) {
	slow := func(int, *http.Request) (*http.Response, error) { <-time.After(40 * time.Second); return good(), nil }
	calls, took, err := timed(t, slow, func(ctx context.Context, o *OpenAI) error {
		o.opts.BatchSize = 1
		_, err := o.EmbedDocuments(ctx, []string{"a", "b", "c"})
		return err
	})
	if err != nil || calls != 3 || took != 2*time.Minute {
		t.Errorf("got %v after %d calls and %s, want success after 3 and 2m", err, calls, took)
	}
}

func TestSpaceWaitsNoLongerThanItsContext(t *testing.T) {
	silent := func(_ int, r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	calls, took, err := timed(t, silent, func(ctx context.Context, o *OpenAI) error {
		asked := make(chan struct{})
		go func() { defer close(asked); o.Space(ctx) }()
		synctest.Wait()
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := o.Space(short)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(mustDeadline(short)) != 0 {
			return errors.New("got no deadline after 1s, want one")
		}
		<-asked
		return nil
	})
	if err != nil || calls != 1 || took != time.Minute {
		t.Errorf("got %v after %d calls and %s, want one call of 1m", err, calls, took)
	}
}

func mustDeadline(ctx context.Context) time.Time {
	d, _ := ctx.Deadline()
	return d
}
