package rerank

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/ragproxy/ragproxy/retrieval"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ retrieval.Reranker = (*Client)(nil)

// seen is what a server read of a request.
type seen struct {
	Path, Key string
	Body      map[string]any
}

// serve answers every request with body, and returns a client for it.
func serve(t *testing.T, opts Options, status int, body string) (*Client, *[]seen) {
	t.Helper()
	var all []seen
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := seen{Path: r.URL.Path, Key: r.Header.Get("Authorization")}
		if err := json.NewDecoder(r.Body).Decode(&got.Body); err != nil {
			t.Errorf("read request: %v", err)
		}
		all = append(all, got)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	opts.BaseURL = s.URL + opts.BaseURL
	return newTestClient(t, opts), &all
}

func newTestClient(t *testing.T, opts Options) *Client {
	t.Helper()
	c, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestShapes speaks with each API as its documentation has it.
func TestShapes(t *testing.T) {
	texts := []any{"a", " ", "c"}
	tests := []struct {
		name   string
		opts   Options
		answer string
		want   seen
	}{
		{
			"cohere", Options{Kind: Cohere, BaseURL: "/v2", APIKey: "key", Model: "rerank-v3.5"},
			`{"id":"07","results":[{"index":2,"relevance_score":0.9},{"index":0,"relevance_score":0.5},{"index":1,"relevance_score":1e-5}],"meta":{}}`,
			seen{"/v2/rerank", "Bearer key", map[string]any{"model": "rerank-v3.5", "query": "q", "documents": texts}},
		},
		{
			"jina, vllm", Options{Kind: Cohere, BaseURL: "/v1/", Model: "m"},
			`{"model":"m","usage":{},"results":[{"index":2,"document":{"text":"c"},"relevance_score":0.9},{"index":0,"document":{"text":"a"},"relevance_score":0.5},{"index":1,"relevance_score":0.00001}]}`,
			seen{"/v1/rerank", "", map[string]any{"model": "m", "query": "q", "documents": texts}},
		},
		{
			"voyage", Options{Kind: Cohere, BaseURL: "/v1", Model: "rerank-2.5"},
			`{"object":"list","data":[{"relevance_score":0.9,"index":2},{"relevance_score":0.5,"index":0},{"relevance_score":0.00001,"index":1}]}`,
			seen{"/v1/rerank", "", map[string]any{"model": "rerank-2.5", "query": "q", "documents": texts}},
		},
		{
			"no model", Options{Kind: Cohere},
			`{"results":[{"index":0,"relevance_score":0.5},{"index":1,"relevance_score":0.00001},{"index":2,"relevance_score":0.9}]}`,
			seen{"/rerank", "", map[string]any{"query": "q", "documents": texts}},
		},
		{
			"tei", Options{Kind: TEI, APIKey: "key", Model: "ignored"},
			` [{"index":2,"score":0.9},{"index":0,"score":0.5},{"index":1,"score":0.00001}]`,
			seen{"/rerank", "Bearer key", map[string]any{"query": "q", "texts": texts, "raw_scores": false, "truncate": true}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, got := serve(t, tt.opts, http.StatusOK, tt.answer)
			scores, err := c.Rerank(t.Context(), "q", []string{"a", "", "c"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]float64{.5, .00001, .9}, scores); diff != "" {
				t.Errorf("scores (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]seen{tt.want}, *got); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoPassagesNoRequest(t *testing.T) {
	c, got := serve(t, Options{Kind: TEI}, http.StatusOK, "[]")
	if scores, err := c.Rerank(t.Context(), "q", nil); err != nil || len(scores) > 0 || len(*got) > 0 {
		t.Errorf("got %v, %v after %d requests, want nothing", scores, err, len(*got))
	}
}

func TestWrongAnswers(t *testing.T) {
	for _, tt := range []struct{ answer, want string }{
		{`<html>`, "no JSON of a re-ranker"},
		{``, "no JSON of a re-ranker"},
		{`{"results":"none"}`, "no JSON of a re-ranker"},
		{`{"error":"model not loaded"}`, "0 scores for 2 passages"},
		{`[]`, "0 scores for 2 passages"},
		{`null`, "0 scores for 2 passages"},
		{`[{"index":0,"score":1}]`, "1 scores for 2 passages"},
		{`[{"index":0,"score":1},{"index":1,"score":1},{"index":2,"score":1}]`, "3 scores for 2 passages"},
		{`[{"index":0,"score":1},{"index":0,"score":1}]`, "the index 0 twice"},
		{`[{"index":0,"score":1},{"index":2,"score":1}]`, "the index 2 for 2 passages"},
		{`[{"index":0,"score":1},{"index":-1,"score":1}]`, "the index -1 for 2 passages"},
		{`[{"index":0,"score":1},{"score":1}]`, "a score without an index"},
		{`[{"index":0,"score":1},{"index":1}]`, "no score for the index 1"},
		{`{"results":[{"index":0,"relevance_score":null},{"index":1,"relevance_score":1}]}`, "no score for the index 0"},
		{`[{"index":0,"score":1},{"index":1,"score":NaN}]`, "no JSON of a re-ranker"},
		{`[{"index":0,"score":1},{"index":1,"score":1e999}]`, "no JSON of a re-ranker"},
		{`[{"index":0,"score":1},{"index":1.5,"score":1}]`, "no JSON of a re-ranker"},
		{`[` + strings.Repeat(" ", maxAnswer) + `]`, "longer than"},
	} {
		c, got := serve(t, Options{Kind: TEI}, http.StatusOK, tt.answer)
		scores, err := c.Rerank(t.Context(), "q", []string{"a", "b"})
		if err == nil || !strings.Contains(err.Error(), tt.want) || scores != nil {
			t.Errorf("%.60s: got %v, %v, want an error with %q", tt.answer, scores, err, tt.want)
		}
		if len(*got) != 1 {
			t.Errorf("%.60s: got %d requests, want 1", tt.answer, len(*got))
		}
	}
}

func TestRefusals(t *testing.T) {
	const key = "sk-secret-1234"
	for _, tt := range []struct {
		status   int
		want     string
		requests int
	}{
		{http.StatusUnauthorized, "check rerank.api_key", 1},
		{http.StatusNotFound, "check rerank.base_url, rerank.kind and rerank.model", 1},
		{http.StatusUnprocessableEntity, "a lower rerank.depth may help", 1},
		{http.StatusFailedDependency, "no re-ranker", 1},
		{http.StatusInternalServerError, "status 500", 1},
		{http.StatusTooManyRequests, "status 429", 2},
		{http.StatusServiceUnavailable, "status 503", 2},
		{http.StatusNoContent, "status 204", 1},
	} {
		c, got := serve(t, Options{Kind: Cohere, APIKey: key}, tt.status, "{\"detail\":\n \"bad key "+key+"\"}")
		_, err := c.Rerank(t.Context(), "q", []string{"a", "b"})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), key) {
			t.Errorf("%d: got %v, want %q in it and not the key", tt.status, err, tt.want)
		}
		if len(*got) != tt.requests {
			t.Errorf("%d: got %d requests, want %d", tt.status, len(*got), tt.requests)
		}
	}
}

// TestRedirectIsNotFollowed has it point to another origin, which must see
// neither texts nor key.
func TestRedirectIsNotFollowed(t *testing.T) {
	other, got := serve(t, Options{Kind: TEI}, http.StatusOK, "[]")
	s := httptest.NewServer(http.RedirectHandler(other.url, http.StatusTemporaryRedirect))
	t.Cleanup(s.Close)
	c := newTestClient(t, Options{Kind: TEI, BaseURL: s.URL, APIKey: "key"})
	if _, err := c.Rerank(t.Context(), "q", []string{"a"}); err == nil || !strings.Contains(err.Error(), "redirects to") {
		t.Errorf("got %v, want an error that names the redirect", err)
	}
	if len(*got) > 0 {
		t.Errorf("got %v at the other origin, want nothing", *got)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func reply(status int, body, after string) (*http.Response, error) {
	h := http.Header{}
	if after != "" {
		h.Set("Retry-After", after)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// TestSecondAttempt is in fake time: the server refuses once, and the caller
// has two seconds.
func TestSecondAttempt(t *testing.T) {
	for name, tt := range map[string]struct {
		after string
		calls int
		took  time.Duration
	}{
		"says when":        {"1", 2, time.Second},
		"says a part":      {"0.5", 2, 500 * time.Millisecond},
		"says nothing":     {"", 2, 100 * time.Millisecond},
		"says nonsense":    {"soon", 2, 100 * time.Millisecond},
		"too late":         {"2", 1, 0},
		"much too late":    {"1e300", 1, 0},
		"date in the past": {"Fri, 31 Dec 1999 23:59:59 GMT", 2, 100 * time.Millisecond},
		"date":             {"Sat, 01 Jan 2000 00:00:01 GMT", 2, time.Second}, // synctest begins at midnight
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				c := newTestClient(t, Options{Kind: TEI, BaseURL: "http://rerank.test", HTTPClient: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
					if calls++; calls == 1 {
						return reply(http.StatusTooManyRequests, "", tt.after)
					}
					return reply(http.StatusOK, `[{"index":0,"score":1}]`, "")
				})}})
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				begin := time.Now()
				_, err := c.Rerank(ctx, "q", []string{"a"})
				if took := time.Since(begin); calls != tt.calls || took != tt.took || (err == nil) != (calls == 2) {
					t.Errorf("got %v after %d calls and %s, want %d calls and %s", err, calls, took, tt.calls, tt.took)
				}
			})
		})
	}
}

func TestContextEndsAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestClient(t, Options{Kind: TEI, BaseURL: "http://rerank.test", HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, err := c.Rerank(ctx, "q", []string{"a"})
		if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took != time.Second || strings.Contains(err.Error(), "check ") {
			t.Errorf("got %v after %s, want a deadline after 1s and no advice", err, took)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for _, opts := range []Options{
		{},
		{Kind: "jina", BaseURL: "http://127.0.0.1"},
		{Kind: TEI},
		{Kind: TEI, BaseURL: "127.0.0.1:8080"},
		{Kind: TEI, BaseURL: "ftp://127.0.0.1"},
		{Kind: TEI, BaseURL: "http://user:secret@127.0.0.1"},
	} {
		if _, err := New(opts); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: got %v, want an error without the password", opts, err)
		}
	}
}
