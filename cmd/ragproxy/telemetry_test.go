package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/ragproxy/ragproxy/config"
)

// receiver takes traces by OTLP over HTTP and decodes them.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*collector.ExportTraceServiceRequest
	headers  []http.Header
	paths    []string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	got := &collector.ExportTraceServiceRequest{}
	if err == nil {
		err = proto.Unmarshal(body, got)
	}
	if err != nil || req.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, fmt.Sprint(err), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests, r.headers, r.paths = append(r.requests, got), append(r.headers, req.Header.Clone()), append(r.paths, req.URL.Path)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (r *receiver) spans() []*traces.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*traces.Span
	for _, req := range r.requests {
		for _, res := range req.ResourceSpans {
			for _, scope := range res.ScopeSpans {
				out = append(out, scope.Spans...)
			}
		}
	}
	return out
}

func (r *receiver) resource() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.requests) == 0 {
		return nil
	}
	return plain(r.requests[0].ResourceSpans[0].Resource.Attributes)
}

func plain(list []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range list {
		switch v := kv.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			out[kv.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			out[kv.Key] = fmt.Sprint(v.IntValue)
		case *common.AnyValue_BoolValue:
			out[kv.Key] = fmt.Sprint(v.BoolValue)
		default:
			out[kv.Key] = kv.Value.String()
		}
	}
	return out
}

// spanTree has a line for each span, below its parent.
func spanTree(spans []*traces.Span, parent string, depth int) []string {
	var out []string
	slices.SortFunc(spans, func(a, b *traces.Span) int { return strings.Compare(a.Name, b.Name) })
	for _, s := range slices.Clone(spans) {
		if fmt.Sprintf("%x", s.ParentSpanId) == parent {
			kind := strings.ToLower(strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_"))
			out = append(out, strings.Repeat("  ", depth)+kind+" "+s.Name)
			out = append(out, spanTree(spans, fmt.Sprintf("%x", s.SpanId), depth+1)...)
		}
	}
	return out
}

const apples = `{"_id": "a", "title": "Apples", "text": "Apples grow on trees.", "url": "https://fruit.example/a"}` + "\n"

const applesTurn = `{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"What about apples?"},{"role":"assistant","content":"They are fruit."},{"role":"user","content":"Where do they grow?"}]}`

// indexApples fills the index of dir.
func indexApples(t *testing.T, dir string, env ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "fruit.jsonl"), []byte(apples), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := runIn(t, dir, env, "index", "fruit.jsonl"); !strings.Contains(out, "1") {
		t.Fatalf("index: %s", out)
	}
}

// TestTracesReachCollectors sends to a collector and to LangSmith at once, each
// with its own headers, and reads what arrived.
func TestTracesReachCollectors(t *testing.T) {
	dir := t.TempDir()
	indexApples(t, dir)
	otlp, smith := newReceiver(t), newReceiver(t)
	p := startServe(t, dir,
		"OTEL_EXPORTER_OTLP_ENDPOINT="+otlp.URL, "OTEL_EXPORTER_OTLP_HEADERS=Authorization=Basic%20cGs6c2s=", "OTEL_SERVICE_NAME=my-rag",
		"LANGSMITH_TRACING=true", "LANGSMITH_API_KEY=lsv2-key", "LANGSMITH_ENDPOINT="+smith.URL, "LANGSMITH_PROJECT=rag")
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	if status, all := p.ask(t, "POST", "/v1/chat/completions", applesTurn, "Traceparent", "00-"+trace+"-"+parent+"-01"); status != http.StatusOK {
		t.Fatalf("got %d %s", status, all)
	}
	p.stop(t)
	for name, r := range map[string]*receiver{"collector": otlp, "langsmith": smith} {
		spans := r.spans()
		got := spanTree(spans, parent, 0)
		want := []string{
			"server POST /v1/chat/completions",
			"  client chat m",
			"  internal retrieval default",
			"    internal bm25",
			"    client chat m",
			"    internal embeddings all-MiniLM-L6-v2", // of the user's own words
			"    internal embeddings all-MiniLM-L6-v2", // of the rewrite
			"    internal vector",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: spans (-want +got):\n%s", name, diff)
		}
		for _, s := range spans {
			if id := fmt.Sprintf("%x", s.TraceId); id != trace {
				t.Errorf("%s: got %s in trace %s, want the client's", name, s.Name, id)
			}
			if s.EndTimeUnixNano < s.StartTimeUnixNano {
				t.Errorf("%s: %s ends before it begins", name, s.Name)
			}
		}
		if text := fmt.Sprint(r.requests); strings.Contains(text, "grow") || strings.Contains(text, "lsv2") || strings.Contains(text, "cGs6c2s") {
			t.Errorf("%s: got content or a key in the spans: %s", name, text)
		}
		if got := r.resource(); got["service.name"] != "my-rag" || got["service.version"] == "" || got["telemetry.sdk.language"] != "go" {
			t.Errorf("%s: got resource %v", name, got)
		}
	}
	if h, path := otlp.headers[0], otlp.paths[0]; h.Get("Authorization") != "Basic cGs6c2s=" || h.Get("X-Api-Key") != "" || path != "/v1/traces" {
		t.Errorf("collector: got %s with %v", path, h)
	}
	if h, path := smith.headers[0], smith.paths[0]; h.Get("X-Api-Key") != "lsv2-key" || h.Get("Langsmith-Project") != "rag" || h.Get("Authorization") != "" || path != "/otel/v1/traces" {
		t.Errorf("langsmith: got %s with %v", path, h)
	}
	for _, s := range otlp.spans() {
		if s.Name == "chat m" && plain(s.Attributes)["gen_ai.request.stream"] == "true" {
			checkAnswerSpan(t, plain(s.Attributes))
		}
	}
}

func checkAnswerSpan(t *testing.T, got map[string]string) {
	t.Helper()
	for key, want := range map[string]string{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m", "gen_ai.response.model": "builtin-extractive", "server.address": "127.0.0.1",
	} {
		if got[key] != want {
			t.Errorf("got %s %q, want %q", key, got[key], want)
		}
	}
	for _, key := range []string{"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.response.id", "gen_ai.response.finish_reasons", "gen_ai.response.time_to_first_chunk"} {
		if got[key] == "" {
			t.Errorf("got no %s in %v", key, got)
		}
	}
}

// TestContentOnRequest puts the texts into the spans, in the conventions' forms.
func TestContentOnRequest(t *testing.T) {
	dir := t.TempDir()
	indexApples(t, dir)
	r := newReceiver(t)
	p := startServe(t, dir, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL, "RAGPROXY_OBSERVABILITY_TRACE_CONTENT=true")
	p.ask(t, "POST", "/v1/chat/completions", applesTurn)
	p.stop(t)
	found := map[string]string{}
	for _, s := range r.spans() {
		for key, v := range plain(s.Attributes) {
			found[s.Name+" "+key] += v
		}
	}
	for key, want := range map[string]string{
		"retrieval default gen_ai.retrieval.query.text": "Where do apples grow?",
		"retrieval default gen_ai.retrieval.documents":  `[{"id":"a#chunk-0","score":`,
		"chat m gen_ai.input.messages":                  `{"role":"user","parts":[{"type":"text","content":"Where do they grow?"}]}`,
		"chat m gen_ai.system_instructions":             "Apples grow on trees.",
		"chat m gen_ai.output.messages":                 `[{"role":"assistant","parts":[{"type":"text","content":"Apples grow on trees. [1]`,
	} {
		if !strings.Contains(found[key], want) {
			t.Errorf("got %s %q, want %s in it", key, found[key], want)
		}
	}
}

// TestDeadCollectors has one that refuses, one that never answers and one that
// answers with an error that repeats the key: requests are answered, the server
// ends, and the log says why no traces arrive.
func TestDeadCollectors(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() // connections wait in its queue
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "bad key "+r.Header.Get("X-Api-Key"), http.StatusForbidden)
	}))
	defer echo.Close()
	dir := t.TempDir()
	indexApples(t, dir)
	for name, c := range map[string]struct{ endpoint, want string }{
		"refuses": {"http://127.0.0.1:1", "connection refused"},
		"silent":  {"http://" + silent.Addr().String(), ""}, // its end comes before it is told
		"error":   {echo.URL, "403 Forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			p := startServe(t, dir, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.endpoint, "OTEL_EXPORTER_OTLP_HEADERS=x-api-key=sesame-open", "OTEL_BSP_MAX_QUEUE_SIZE=8", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=4", "OTEL_BSP_SCHEDULE_DELAY=1")
			for range 5 {
				if status, all := p.ask(t, "POST", "/v1/chat/completions", applesTurn); status != http.StatusOK {
					t.Fatalf("got %d %s", status, all)
				}
			}
			p.stop(t)
			said := p.said.String()
			if !strings.Contains(said, c.want) || c.want != "" && strings.Count(said, "traces not exported") != 1 {
				t.Errorf("got %s, want %q told once", said, c.want)
			}
			if strings.Contains(said, "sesame-open") {
				t.Errorf("got the key in the log: %s", said)
			}
		})
	}
}

// TestNoTracesByDefault: nothing is sent where nothing is set.
func TestNoTracesByDefault(t *testing.T) {
	before := runtime.NumGoroutine()
	cfg, _, err := config.Load(config.LoadOptions{Dir: t.TempDir(), Env: []string{"HOME=/h"}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := newTracing(t.Context(), cfg, nil)
	if err != nil || got != nil || got.of() != nil || runtime.NumGoroutine() > before {
		t.Errorf("got %v, %v and %d goroutines, want none", got, err, runtime.NumGoroutine()-before)
	}
	got.stop()
}

func TestExportError(t *testing.T) {
	to := config.TraceTarget{Headers: map[string]string{"authorization": "Basic sesame-open", "x": "ab"}}
	for in, want := range map[error]string{
		&url.Error{Op: "Post", URL: "https://u:p@c.example/?k=v", Err: errors.New("no route")}: "no route",
		errors.New("failed to send to x: 401 (body: bad sesame-open about)"):                   "failed to send to x: 401 (body: bad *** about)",
	} {
		if got := exportError(in, to); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := exportError(errors.New(strings.Repeat("x", 1000)), to); len(got) != 300 {
		t.Errorf("got %d bytes, want 300", len(got))
	}
}
