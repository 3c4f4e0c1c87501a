package proxy

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

const (
	traceID    = "0af7651916cd43dd8448eb211c80319c"
	clientSpan = "b7ad6b7169203331"
)

// traced is a server whose spans are kept.
func traced(t *testing.T, upstream http.HandlerFunc, change func(*Options)) (*Server, *tracetest.InMemoryExporter) {
	kept := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept))
	s := observed(t, upstream, func(o *Options) {
		o.Observe.Traces = provider
		if change != nil {
			change(o)
		}
	})
	return s, kept
}

// tree shows spans as lines, children below their parents, by name.
func tree(spans tracetest.SpanStubs) []string {
	var out []string
	var below func(parent string, depth int)
	below = func(parent string, depth int) {
		var children []tracetest.SpanStub
		for _, s := range spans {
			if s.Parent.SpanID().String() == parent {
				children = append(children, s)
			}
		}
		slices.SortFunc(children, func(a, b tracetest.SpanStub) int { return strings.Compare(a.Name, b.Name) })
		for _, s := range children {
			line := fmt.Sprintf("%s%s %s", strings.Repeat("  ", depth), s.SpanKind, s.Name)
			if s.Status.Code == codes.Error {
				line += " failed"
			}
			out = append(out, line)
			below(s.SpanContext.SpanID().String(), depth+1)
		}
	}
	below(clientSpan, 0)
	below("0000000000000000", 0)
	return out
}

func spanAttributes(t *testing.T, spans tracetest.SpanStubs, name string) map[string]string {
	t.Helper()
	for _, s := range spans {
		if s.Name == name {
			out := map[string]string{}
			for _, a := range s.Attributes {
				out[string(a.Key)] = a.Value.String()
			}
			return out
		}
	}
	t.Fatalf("got no span %q", name)
	return nil
}

func TestSpans(t *testing.T) {
	var sent []http.Header
	s, kept := traced(t, func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Clone())
		speaks(w, r)
	}, nil)
	w := serve(s, "POST", "/v1/chat/completions", followUp, "Traceparent", "00-"+traceID+"-"+clientSpan+"-01", "Tracestate", "v=1")
	spans := kept.GetSpans()
	want := []string{
		"server POST /v1/chat/completions",
		"  client chat gpt-x",
		"  internal retrieval default",
		"    internal bm25",
		"    client chat gpt-x",
		"    internal vector",
	}
	if diff := cmp.Diff(want, tree(spans)); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	for _, span := range spans {
		if span.SpanContext.TraceID().String() != traceID {
			t.Errorf("got %s in trace %s, want the client's", span.Name, span.SpanContext.TraceID())
		}
	}
	if len(sent) != 2 {
		t.Fatalf("got %d calls upstream, want rewrite and answer", len(sent))
	}
	for _, h := range sent {
		parent := h.Get("Traceparent")
		if !strings.HasPrefix(parent, "00-"+traceID+"-") || strings.Contains(parent, clientSpan) || h.Get("Tracestate") != "v=1" {
			t.Errorf("got traceparent %q and tracestate %q upstream, want the trace with a span of ours", parent, h.Get("Tracestate"))
		}
	}
	server := spanAttributes(t, spans, "POST /v1/chat/completions")
	if got := server["ragproxy.request.id"]; got != w.Header().Get(requestIDHeader) {
		t.Errorf("got request id %q in the span, want that of the answer", got)
	}
	delete(server, "ragproxy.request.id")
	if diff := cmp.Diff(map[string]string{
		"http.request.method": "POST", "http.route": "/v1/chat/completions", "url.path": "/v1/chat/completions", "http.response.status_code": "200",
	}, server); diff != "" {
		t.Errorf("server span (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{
		"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": "default", "gen_ai.request.top_k": "4", "ragproxy.passages": "2",
	}, spanAttributes(t, spans, "retrieval default")); diff != "" {
		t.Errorf("retrieval span (-want +got):\n%s", diff)
	}
	for _, span := range spans {
		if strings.HasPrefix(span.Name, "chat ") && len(span.Attributes) > 0 {
			checkChat(t, span, span.Parent.SpanID() == spans[len(spans)-1].SpanContext.SpanID())
		}
	}
}

func checkChat(t *testing.T, span tracetest.SpanStub, answer bool) {
	got := map[string]string{}
	for _, a := range span.Attributes {
		got[string(a.Key)] = a.Value.String()
	}
	for _, key := range []string{"server.port", "gen_ai.response.time_to_first_chunk"} {
		if _, there := got[key]; !there && (key == "server.port" || answer) {
			t.Errorf("got no %s in %v", key, got)
		}
		delete(got, key)
	}
	want := map[string]string{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-x", "server.address": "127.0.0.1",
		"gen_ai.request.stream": "false", "gen_ai.response.model": "small", "gen_ai.usage.input_tokens": "7", "gen_ai.usage.output_tokens": "3",
	}
	if answer {
		want["gen_ai.request.stream"], want["gen_ai.response.model"], want["gen_ai.response.id"] = "true", "gpt-x-2026", "c1"
		want["gen_ai.usage.input_tokens"], want["gen_ai.usage.output_tokens"], want["gen_ai.response.finish_reasons"] = "30", "12", `["stop"]`
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("span of the answer: %v (-want +got):\n%s", answer, diff)
	}
}

// TestNoContentInSpans looks for every text of a request, with and without
// TraceContent.
func TestNoContentInSpans(t *testing.T) {
	for _, content := range []bool{false, true} {
		s, kept := traced(t, speaks, func(o *Options) { o.Observe.TraceContent = content })
		serve(s, "POST", "/v1/chat/completions", followUp)
		var all strings.Builder
		for _, span := range kept.GetSpans() {
			fmt.Fprintln(&all, span.Name, span.Status.Description)
			for _, a := range append(span.Attributes, attribute.Int("events", len(span.Events))) {
				fmt.Fprintln(&all, a.Key, a.Value.String())
			}
		}
		for _, text := range []string{"what is it?", "what is planning", "Planning breaks a task", "planning [1]"} {
			if got := strings.Contains(all.String(), text); got != content {
				t.Errorf("got %q in the spans: %v, want %v:\n%s", text, got, content, &all)
			}
		}
	}
}

func TestSpansOfFailures(t *testing.T) {
	refuse := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"error":{"message":"bad key sesame","code":"invalid_api_key"}}`)
	}
	for name, c := range map[string]struct {
		upstream http.HandlerFunc
		change   func(*Options)
		want     []string
		kind     string
	}{
		"refused": {refuse, nil, []string{"server POST /v1/chat/completions", "  client chat m failed", "  internal retrieval default", "    internal bm25", "    internal vector"}, "401"},
		"dead": {refuse, func(o *Options) { o.Upstream.BaseURL = "http://127.0.0.1:1/v1" },
			[]string{"server POST /v1/chat/completions failed", "  client chat m failed", "  internal retrieval default", "    internal bm25", "    internal vector"}, "upstream_unreachable"},
		"a leg": {speaks, func(o *Options) {
			o.Retriever = New(testOptions(t, "http://127.0.0.1:1", &fakeSearcher{VectorError: "dead"})).settings.Load().retriever
		}, []string{"server POST /v1/chat/completions", "  client chat m", "  internal retrieval default", "    internal bm25", "    internal vector failed"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, kept := traced(t, c.upstream, c.change)
			serve(s, "POST", "/v1/chat/completions", ask)
			if diff := cmp.Diff(c.want, tree(kept.GetSpans())); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
			if got := spanAttributes(t, kept.GetSpans(), "chat m")["error.type"]; got != c.kind {
				t.Errorf("got error.type %q, want %q", got, c.kind)
			}
		})
	}
}

// TestPassedOnWithoutTracing: the client's own trace headers go upstream as they
// are, sampled or not, valid or not.
func TestPassedOnWithoutTracing(t *testing.T) {
	var sent []http.Header
	s := observed(t, func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Clone())
		speaks(w, r)
	}, nil)
	for _, path := range []string{"/v1/chat/completions", "/v1/embeddings"} {
		serve(s, "POST", path, ask, "Traceparent", "whatever", "Tracestate", "x=y")
	}
	for _, h := range sent {
		if h.Get("Traceparent") != "whatever" || h.Get("Tracestate") != "x=y" {
			t.Errorf("got %v upstream, want the client's trace headers", h)
		}
	}
}

// TestUnreadableParent begins a trace of its own.
func TestUnreadableParent(t *testing.T) {
	var sent []http.Header
	s, kept := traced(t, func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Clone())
		speaks(w, r)
	}, nil)
	serve(s, "POST", "/v1/embeddings", `{"input":"q"}`, "Traceparent", "whatever", "Tracestate", "x=y")
	if diff := cmp.Diff([]string{"server POST /v1/*"}, tree(kept.GetSpans())); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	if got := sent[0].Get("Traceparent"); !strings.HasPrefix(got, "00-"+kept.GetSpans()[0].SpanContext.TraceID().String()) || sent[0].Get("Tracestate") != "" {
		t.Errorf("got traceparent %q and tracestate %q, want a trace of ours", got, sent[0].Get("Tracestate"))
	}
}
