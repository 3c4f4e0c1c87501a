package proxy

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/proxy/access"
)

// streamed is an upstream's stream with its usage; the role comes alone.
const streamed = `data: {"id":"c1","model":"gpt-x-2026","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

data: {"id":"c1","model":"gpt-x-2026","choices":[{"index":0,"delta":{"content":"planning [1]"},"finish_reason":null}]}

data: {"id":"c1","model":"gpt-x-2026","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"id":"c1","model":"gpt-x-2026","choices":[],"usage":{"prompt_tokens":30,"completion_tokens":12,"total_tokens":42}}

data: [DONE]

`

// speaks answers as an upstream would: streamed, whole or a rewrite.
func speaks(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.Header.Get(PurposeHeader) == "rewrite":
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"model":"small","choices":[{"message":{"content":"what is planning"}}],"usage":{"prompt_tokens":7,"completion_tokens":3}}`)
	case bytes.Contains(body, []byte(`"stream":true`)):
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, streamed)
	default:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answer)
	}
}

const followUp = `{"model":"gpt-x","stream":true,"messages":[{"role":"user","content":"planning?"},{"role":"assistant","content":"yes"},{"role":"user","content":"what is it?"}]}`

// observed is a server with an operator's eyes open.
func observed(t *testing.T, upstream http.HandlerFunc, change func(*Options)) *Server {
	up := httptest.NewServer(upstream)
	t.Cleanup(up.Close)
	opts := testOptions(t, up.URL+"/v1", &fakeSearcher{})
	opts.Observe = Observe{Metrics: true, MetricsHere: true, Explain: 4}
	if change != nil {
		change(&opts)
	}
	return New(opts)
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, want := range lines {
		if !strings.Contains("\n"+text, "\n"+want+"\n") {
			t.Errorf("got no line %q in:\n%s", want, text)
		}
	}
}

func TestMetrics(t *testing.T) {
	s := observed(t, speaks, func(o *Options) {
		o.Observe.Served = func() ([]index.Served, error) {
			return []index.Served{{Collection: "default", Generation: 3, Documents: 9, Lag: 1500 * time.Millisecond, Open: true}, {Collection: "new", Generation: 1}}, errors.New("one is damaged")
		}
		o.Retriever = New(testOptions(t, "http://127.0.0.1:1", &fakeSearcher{VectorError: "dead"})).settings.Load().retriever
	})
	for _, ask := range []struct{ method, path, body string }{
		{"POST", "/v1/chat/completions", followUp},
		{"POST", "/v1/chat/completions", `{"model":"gpt-x","messages":[{"role":"user","content":"q"}]}`},
		{"POST", "/v1/chat/completions", `{"model":"gpt-x","rag":{"enabled":false},"messages":[{"role":"user","content":"q"}]}`},
		{"POST", "/v1/chat/completions", `{"model":1}`},
		{"POST", "/v1/rag/search", `{"query":"q"}`},
		{"POST", "/v1/embeddings", `{"input":"q"}`},
		{"GET", "/made-up-by-a-client", ""},
		{"GET", "/livez", ""},
	} {
		serve(s, ask.method, ask.path, ask.body)
	}
	w := serve(s, "GET", "/metrics", "")
	if w.Code != http.StatusOK {
		t.Fatalf("got %d from /metrics, want 200", w.Code)
	}
	text := w.Body.String()
	wantLines(t, text,
		`ragproxy_request_duration_seconds_count{route="/v1/chat/completions",status="2xx"} 3`,
		`ragproxy_request_duration_seconds_count{route="/v1/chat/completions",status="4xx"} 1`,
		`ragproxy_request_duration_seconds_count{route="/v1/rag/search",status="2xx"} 1`,
		`ragproxy_request_duration_seconds_count{route="/v1/*",status="2xx"} 1`,
		`ragproxy_request_duration_seconds_count{route="other",status="4xx"} 1`,
		`ragproxy_stage_duration_seconds_count{stage="rewrite"} 1`,
		`ragproxy_stage_duration_seconds_count{stage="vector"} 3`,
		`ragproxy_stage_duration_seconds_count{stage="bm25"} 3`,
		`ragproxy_stage_duration_seconds_count{stage="budget"} 2`,
		`ragproxy_stage_duration_seconds_count{stage="upstream_header"} 3`,
		`ragproxy_time_to_first_delta_seconds_count 1`,
		`ragproxy_retrieved_passages_sum 3`,
		`ragproxy_degraded_total{stage="vector"} 3`,
		`ragproxy_tokens_total{kind="input"} 120`,
		`ragproxy_tokens_total{kind="output"} 48`,
		`ragproxy_tokens_total{kind="rewrite_input"} 7`,
		`ragproxy_tokens_total{kind="rewrite_output"} 3`,
		`ragproxy_index_generation{collection="default"} 3`,
		`ragproxy_index_documents{collection="default"} 9`,
		`ragproxy_ingest_lag_seconds{collection="default"} 1.5`,
		`ragproxy_index_generation{collection="new"} 1`,
		`ragproxy_build_info{version="test"} 1`,
	)
	for _, absent := range []string{"made-up", `lag_seconds{collection="new"}`, "livez"} {
		if strings.Contains(text, absent) {
			t.Errorf("got %q in the metrics:\n%s", absent, text)
		}
	}
}

// TestMetricsOfBrokenAnswers counts what broke off behind a status of 200.
func TestMetricsOfBrokenAnswers(t *testing.T) {
	s := observed(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n")
	}, nil)
	proxy := httptest.NewServer(s)
	defer proxy.Close()
	resp, err := postChat(t, t.Context(), proxy.URL, ask)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body) // it is cut
	resp.Body.Close()
	const want = `ragproxy_request_duration_seconds_count{route="/v1/chat/completions",status="5xx"} 1`
	for text := ""; !strings.Contains(text, want); {
		if t.Context().Err() != nil {
			t.Fatalf("got no %s in %s", want, text)
		}
		text = serve(s, "GET", "/metrics", "").Body.String()
	}
}

func TestWhoReadsMetrics(t *testing.T) {
	keys, secrets := addKeys(t, access.Key{Name: "ann"})
	for name, c := range map[string]struct {
		change func(*Options)
		header []string
		want   int
	}{
		"anyone where anyone may ask":      {func(*Options) {}, nil, http.StatusOK},
		"a web page on loopback":           {func(o *Options) { o.Web.Loopback = true }, []string{"Host", "evil.example"}, http.StatusForbidden},
		"nobody where clients need keys":   {func(o *Options) { o.Keys = keys }, nil, http.StatusForbidden},
		"not a client":                     {func(o *Options) { o.Keys = keys }, []string{"Authorization", "Bearer " + secrets["ann"]}, http.StatusForbidden},
		"without the metrics key":          {func(o *Options) { o.Observe.MetricsKey = "scrape" }, nil, http.StatusUnauthorized},
		"with another key":                 {func(o *Options) { o.Observe.MetricsKey = "scrape" }, []string{"Authorization", "Bearer " + secrets["ann"]}, http.StatusUnauthorized},
		"with the metrics key":             {func(o *Options) { o.Keys, o.Observe.MetricsKey = keys, "scrape" }, []string{"Authorization", "Bearer scrape"}, http.StatusOK},
		"nobody where they are elsewhere":  {func(o *Options) { o.Observe.MetricsHere = false }, nil, http.StatusNotFound},
		"nobody where there are no counts": {func(o *Options) { o.Observe.Metrics = false }, nil, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			s := observed(t, speaks, c.change)
			if w := serve(s, "GET", "/metrics", "", c.header...); w.Code != c.want {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, c.want)
			}
		})
	}
	// Not even the metrics key is a client's.
	s := observed(t, speaks, func(o *Options) { o.Keys, o.Observe.MetricsKey = keys, "scrape" })
	if w := serve(s, "POST", "/v1/chat/completions", ask, "Authorization", "Bearer scrape"); w.Code != http.StatusUnauthorized {
		t.Errorf("got %d with the metrics key for a chat completion, want 401", w.Code)
	}
}

func TestMetricsApart(t *testing.T) {
	s := observed(t, speaks, func(o *Options) { o.Observe.MetricsHere, o.Observe.MetricsKey = false, "scrape" })
	for key, want := range map[string]int{"": 401, "Bearer no": 401, "Basic scrape": 401, "bearer scrape": 200} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Authorization", key)
		w := httptest.NewRecorder()
		s.Metrics().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("got %d with %q, want %d", w.Code, key, want)
		}
	}
}

func TestLogLine(t *testing.T) {
	var log bytes.Buffer
	s := observed(t, speaks, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	serve(s, "POST", "/v1/chat/completions", followUp)
	line := log.String()
	for _, want := range []string{" model=gpt-x ", " collection=default ", " upstream_status=200 ", " first_delta_ms=", " rewritten=true "} {
		if !strings.Contains(line, want) {
			t.Errorf("got no %q in %s", want, line)
		}
	}
	if strings.Count(line, "\n") != 1 || strings.Contains(line, "planning") {
		t.Errorf("got %q, want one line without texts", line)
	}
}

// TestLoggedErrorsHaveNoQuery: keys stand there with some APIs.
func TestLoggedErrorsHaveNoQuery(t *testing.T) {
	var log bytes.Buffer
	s := observed(t, speaks, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.Upstream.BaseURL, o.Aliases = "http://127.0.0.1:1/v1", []Alias{{Name: "a", Model: "m"}}
	})
	if w := serve(s, "GET", "/v1/models?key=sesame", ""); w.Code != http.StatusBadGateway {
		t.Fatalf("got %d, want 502", w.Code)
	}
	if strings.Contains(log.String(), "sesame") || !strings.Contains(log.String(), "127.0.0.1:1/v1/models?…") {
		t.Errorf("got %s, want the address without its query", &log)
	}
}
