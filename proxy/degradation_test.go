package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/internal/upstreamtest"
	"github.com/ragproxy/ragproxy/retrieval"
)

// TestDegradation is the degradation matrix: it breaks each stage in each of the
// ways that cells lists, under either policy, and asks a real server over HTTP
// in each form there is. What it saw is the table in docs/reliability.md, which
// -update writes.
func TestDegradation(t *testing.T) {
	base := buildCorpus(t)
	var rows []row
	for _, c := range cells() {
		t.Run(c.stage+"/"+c.fault, func(t *testing.T) {
			r := row{cell: c}
			t.Run("continue", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { r.seen = startStage(t, c, base, false).continues(t) })
			})
			t.Run("fail", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { r.failed = startStage(t, c, base, true).fails(t) })
			})
			rows = append(rows, r)
		})
	}
	if len(rows) == len(cells()) && !t.Failed() {
		checkGenerated(t, tableBegin, tableEnd, table(rows))
	}
}

// staged is a server one of whose stages is broken.
type staged struct {
	cell
	client   *http.Client
	upstream *upstreamtest.Upstream
	log      *lockedBuffer
	metrics  http.Handler
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns what was written since the last call.
func (l *lockedBuffer) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.b.String()
	l.b.Reset()
	return s
}

const answerStream = "HTTP/1.1 200 OK\nContent-Type: text/event-stream\n\n" +
	"data: {\"id\":\"u\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Planning comes first.\"},\"finish_reason\":null}]}\n\n" +
	"data: {\"id\":\"u\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"

const answerBody = "HTTP/1.1 200 OK\nContent-Type: application/json\n\n" +
	`{"id":"u","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Planning comes first."},"finish_reason":"stop"}]}`

// startStage starts the whole of it on a network in memory: the upstream, the
// rewriter, the embedder, the re-ranker and the proxy over a real index.
func startStage(t *testing.T, c cell, base string, fail bool) *staged {
	s := &staged{cell: c, log: &lockedBuffer{}}
	t.Cleanup(func() { time.Sleep(longestHang) }) // the last one: what hangs ends
	net := &pipeNet{}
	s.client = net.client(t)
	stream, whole := upstreamtest.New(t, map[string]string{"answer": answerStream}), upstreamtest.New(t, map[string]string{"answer": answerBody})
	s.upstream = stream
	net.serve(t, "upstream", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a client that went is its own test
		r.Body = io.NopCloser(bytes.NewReader(body))
		if gjson.GetBytes(body, "stream").Bool() {
			stream.ServeHTTP(w, r)
		} else {
			whole.ServeHTTP(w, r)
		}
	}))
	logger := slog.New(slog.NewJSONHandler(s.log, nil))
	opts := c.options(t, net, base, logger)
	opts.Policies = retrieval.Policies{c.stage: fail}
	o := Options{
		Upstream: Upstream{BaseURL: "http://upstream/v1"}, Rewrite: Upstream{BaseURL: "http://rewriter/v1"}, RewriteModel: "small",
		RewriteBreaker: newTestBreaker(), HTTPClient: net.client(t), Retriever: retrieval.New(opts),
		Collection: "default", TopK: 4, Placement: PlacementSystem, Dialect: "rag", MaxBodyBytes: 1 << 20, Logger: logger, Version: "test", Observe: Observe{Metrics: true},
	}
	server := New(o)
	s.metrics = server.Metrics()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	l := net.listen("proxy")
	go func() { ended <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	for range c.before { // until the circuit is open
		s.post(t, "body")
	}
	s.log.take()
	return s
}

// heard is what a client got.
type heard struct {
	status   int
	header   http.Header
	body     string
	cut      bool
	log      gjson.Result // the request's line
	upstream int          // calls for the answer
	counted  float64      // stages that the metric says failed
}

func (s *staged) post(t *testing.T, form string) heard {
	path, extra := "/v1/chat/completions", ""
	history := ""
	if s.stage == retrieval.StageRewrite {
		history = `{"role":"user","content":"what is planning"},{"role":"assistant","content":"A start."},`
	}
	switch form {
	case "stream":
		extra = `"stream":true,`
	case "live":
		extra = `"stream":true,"rag":{"events":"all"},`
	case "search":
		path = "/v1/rag/search"
	}
	body := `{` + extra + `"model":"m","messages":[` + history + `{"role":"user","content":"planning steps"}]}`
	if form == "search" {
		body = `{"query":"planning steps"}`
	}
	before, counted := len(s.upstream.Calls()), s.counted(t)
	resp, err := s.client.Post("http://proxy"+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", form, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	synctest.Wait() // the log line comes after the answer
	a := heard{status: resp.StatusCode, header: resp.Header, body: string(got), cut: err != nil, upstream: len(s.upstream.Calls()) - before, counted: s.counted(t) - counted}
	for line := range strings.Lines(s.log.take()) {
		if gjson.Get(line, "msg").Str == "request" {
			a.log = gjson.Parse(line)
		}
	}
	return a
}

// counted sums ragproxy_degraded_total over the stages.
func (s *staged) counted(t *testing.T) (sum float64) {
	w := httptest.NewRecorder()
	s.metrics.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "ragproxy_degraded_total{") {
			n, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}

// shown is what a client of a degraded answer was told.
type shown struct {
	Events   []string // "retrieval.failed vector leg_failed -> bm25"
	Degraded []string
	Passages int
}

// forms are the ways to ask; search has no rewrite.
func (s *staged) forms() []string {
	if s.stage == retrieval.StageRewrite {
		return []string{"stream", "live", "body"}
	}
	return []string{"stream", "live", "body", "search"}
}

// continues wants an answer in every form, and the failure told in all places.
func (s *staged) continues(t *testing.T) shown {
	var first shown
	for _, form := range s.forms() {
		a := s.post(t, form)
		if a.status != http.StatusOK || a.cut {
			t.Errorf("%s: got status %d, cut %t, want a whole answer: %s", form, a.status, a.cut, a.body)
			continue
		}
		if form != "search" && !strings.Contains(a.body, "Planning comes first.") {
			t.Errorf("%s: the answer's text is missing: %s", form, a.body)
		}
		got := a.seen(t, form)
		want := shown{Events: s.events, Degraded: s.degraded, Passages: s.passages}
		if form == "body" || form == "search" { // which have no events
			want.Events = nil
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", form, diff)
		}
		told := strings.Join(s.degraded, ",")
		if h := a.header.Get("X-RAG-Degraded"); form != "live" && h != told {
			t.Errorf("%s: got the header X-RAG-Degraded %q, want %q", form, h, told)
		}
		if a.log.Get("degraded").Str != told || (a.log.Get("cause").Str == "") != (told == "") {
			t.Errorf("%s: got the log line %s, want degraded %q and a cause", form, a.log.Raw, told)
		}
		if a.counted != float64(len(s.degraded)) {
			t.Errorf("%s: the metric counted %v, want %d", form, a.counted, len(s.degraded))
		}
		if form == "stream" {
			first = got
		}
	}
	return first
}

func (a heard) seen(t *testing.T, form string) shown {
	switch form {
	case "search":
		return shown{Degraded: texts(gjson.Get(a.body, "degraded")), Passages: len(gjson.Get(a.body, "data").Array())}
	case "body":
		return shown{Degraded: texts(gjson.Get(a.body, "rag.degraded")), Passages: len(gjson.Get(a.body, "rag.sources").Array())}
	}
	var out shown
	done, summary := gjson.Result{}, gjson.Result{}
	lines := bufio.NewScanner(strings.NewReader(a.body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		switch rag := gjson.Get(data, "rag"); rag.Get("type").Str {
		case "rewrite.failed":
			out.Events = append(out.Events, "rewrite.failed "+rag.Get("error.code").Str)
		case "retrieval.failed":
			out.Events = append(out.Events, fmt.Sprintf("retrieval.failed %s %s -> %s", rag.Get("leg").Str, rag.Get("error.code").Str, rag.Get("fallback")))
		case "retrieval.done":
			done = rag
		case "summary":
			summary = rag
		}
	}
	out.Degraded, out.Passages = texts(done.Get("degraded")), len(done.Get("sources").Array())
	if again := texts(summary.Get("degraded")); !slices.Equal(again, out.Degraded) || !strings.HasSuffix(a.body, "data: [DONE]\n\n") {
		t.Errorf("%s: got degraded %q in the summary and the end %q, want %q and [DONE]", form, again, a.body[max(0, len(a.body)-20):], out.Degraded)
	}
	return out
}

func texts(list gjson.Result) []string {
	var out []string
	for _, v := range list.Array() {
		out = append(out, v.Str)
	}
	return out
}

// fails wants a refusal in every form, before the headers where they wait, and
// nothing sent to the upstream. It returns the status, or 200 where the fault is
// none.
func (s *staged) fails(t *testing.T) int {
	if s.degraded == nil { // not a failure
		a := s.post(t, "stream")
		if a.status != http.StatusOK {
			t.Errorf("got %d, want 200: %s", a.status, a.body)
		}
		return a.status
	}
	status := 0
	for _, form := range s.forms() {
		a := s.post(t, form)
		payload := a.body
		if form == "live" { // whose headers are gone
			at := strings.LastIndex(a.body, "data: ")
			payload = a.body[max(at, 0):]
			if a.status != http.StatusOK || !a.cut || strings.Contains(a.body, "[DONE]") || !strings.Contains(a.body, ".failed") {
				t.Errorf("live: got %d, cut %t, want the failure's event, an error event and the cut: %s", a.status, a.cut, a.body)
			}
			payload = strings.TrimPrefix(payload, "data: ")
		} else {
			status = a.status
			if a.status != http.StatusServiceUnavailable || a.header.Get("X-RAG-Degraded") == "" {
				t.Errorf("%s: got %d, X-RAG-Degraded %q, want 503 and the stage: %s", form, a.status, a.header.Get("X-RAG-Degraded"), a.body)
			}
		}
		wantRefusal(t, form, s.cell, payload)
		if a.counted != 1 {
			t.Errorf("%s: the metric counted %v, want 1", form, a.counted)
		}
		if a.upstream != 0 {
			t.Errorf("%s: the upstream was asked %d times, want never", form, a.upstream)
		}
		if !slices.Contains(s.degraded, a.log.Get("degraded").Str) || a.log.Get("cause").Str == "" || a.log.Get("error").Str == "" {
			t.Errorf("%s: got the log line %s, want what failed, the cause and the error", form, a.log.Raw)
		}
	}
	return status
}

func wantRefusal(t *testing.T, form string, c cell, payload string) {
	t.Helper()
	var got struct {
		Error struct{ Message, Type, Param, Code string }
	}
	if err := json.Unmarshal([]byte(payload), &got); err != nil {
		t.Errorf("%s: got %q, want an error: %v", form, payload, err)
		return
	}
	e, key := got.Error, "degrade."+c.stage
	if e.Type != "service_unavailable" || e.Code != "stage_failed" || e.Param != key || !strings.Contains(e.Message, "set "+key+": continue") {
		t.Errorf("%s: got %+v, want stage_failed for %s and what to do", form, e, key)
	}
}

// TestMatrixIsWhole: every stage is down, slow and wrong, each at least once.
func TestMatrixIsWhole(t *testing.T) {
	have := map[string]bool{}
	for _, c := range cells() {
		have[c.stage+" "+c.kind] = true
	}
	for _, stage := range []string{"rewrite", "embed", "vector", "bm25", "rerank", "index"} {
		for _, kind := range []string{down, slow, wrong} {
			if !have[stage+" "+kind] {
				t.Errorf("no cell has %s %s", stage, kind)
			}
		}
	}
}

// Deadlines of the test are the shipped ones; the time is not real.
const (
	testSearchDeadline  = 10 * time.Second
	testRewriteDeadline = 3 * time.Second
	testRerankDeadline  = 2 * time.Second
	longestHang         = 48 * time.Hour
)
