package main

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

func TestParseStat(t *testing.T) {
	// The name of a process may hold spaces and brackets.
	stat := "4242 (a) b (c) S 1 4242 4242 0 -1 4194304 900 0 0 0 123 45 0 0 20 0 9 0 100 200 300"
	got, err := parseStat([]byte(stat))
	if want := (123 + 45) * tick; err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if got, err := parseStat([]byte("4242 (x) S 1")); err == nil {
		t.Errorf("got %v of a short line, want an error", got)
	}
}

func TestMedian(t *testing.T) {
	if got := medianOf([]int{9, 1, 5}); got != 5 {
		t.Errorf("got %d, want 5", got)
	}
	if got := medianOf[int](nil); got != 0 {
		t.Errorf("got %d of none, want 0", got)
	}
}

// TestStreamsAreChecked holds the bench to its own promise: a whole answer is
// taken, a short or an altered one is not.
func TestStreamsAreChecked(t *testing.T) {
	s := newStub()
	srv := httptest.NewServer(s)
	defer srv.Close()
	b := &bench{client: srv.Client(), answers: newStub()}
	for _, model := range []string{"n20", "n20-whole", "n20-1ms"} {
		j := job{url: srv.URL + "/v1", request: request{model, 20, false}, concurrency: 2, streams: 4}
		if _, err := b.run(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if n := b.lost.count.Load(); n != 0 {
			t.Fatalf("%s: got %d lost, want none: %v", model, n, b.lost.first())
		}
	}
	short := job{url: srv.URL + "/v1", request: request{"n19", 20, false}, concurrency: 1, streams: 1}
	if _, err := b.run(t.Context(), short); err != nil {
		t.Fatal(err)
	}
	if n := b.lost.count.Load(); n != 1 {
		t.Errorf("got %d lost, want the short one", n)
	}
}

func TestCheckRetrieved(t *testing.T) {
	const sources = `,"rag":{"type":"TYPE","degraded":[],"sources":[{"n":1}]}`
	event := func(kind string) string {
		return `data: {"choices":[{"index":0,"delta":{"content":""}}]` + strings.Replace(sources, "TYPE", kind, 1) + "}\n\n"
	}
	answer := string(newStub().whole(3))
	middle, end, _ := strings.Cut(answer, "data: [DONE]")
	end = "data: [DONE]" + end
	whole := event("retrieval.done") + middle + event("summary") + end
	tests := []struct {
		name, body string
		ok         bool
	}{
		{"whole", whole, true},
		{"cut", strings.TrimSuffix(whole, end), false},
		{"no sources", strings.Replace(whole, `[{"n":1}]`, "[]", 1), false},
		{"degraded", strings.Replace(whole, `"degraded":[]`, `"degraded":["vector"]`, 1), false},
		{"no summary", event("retrieval.done") + middle + end, false},
		{"a delta less", strings.Replace(whole, word(1), "", 1), false},
	}
	for _, tt := range tests {
		if err := checkRetrieved([]byte(tt.body), 3); (err == nil) != tt.ok {
			t.Errorf("%s: got %v, want ok %v", tt.name, err, tt.ok)
		}
	}
}

func TestCancelIsSeen(t *testing.T) {
	s := newStub()
	srv := httptest.NewServer(s)
	defer srv.Close()
	b := &bench{client: srv.Client()}
	for _, ph := range phases() {
		if ph.hang == "rewrite" || ph.hang == "embedding" {
			continue // calls that only ragproxy makes
		}
		if d, err := b.leave(t.Context(), s, srv.URL+"/v1", ph); err != nil || d <= 0 || d >= patience {
			t.Errorf("%s: got %v, %v, want a short while", ph.name, d.Round(time.Microsecond), err)
		}
	}
}

func TestCountSpans(t *testing.T) {
	scope := &traces.ScopeSpans{Spans: []*traces.Span{{Name: "a"}, {Name: "b"}}}
	req := &collector.ExportTraceServiceRequest{ResourceSpans: []*traces.ResourceSpans{
		{Resource: &resource.Resource{}, ScopeSpans: []*traces.ScopeSpans{scope, scope}, SchemaUrl: "x"}, {ScopeSpans: []*traces.ScopeSpans{{}}},
	}}
	b, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	if got := countSpans(b, 3); got != 4 {
		t.Errorf("got %d spans, want 4", got)
	}
	for i := range b {
		countSpans(b[:i], 3) // cut off anywhere it ends all the same
	}
}
