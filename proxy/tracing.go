package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/ragproxy/ragproxy/retrieval"
)

// Spans follow OpenTelemetry's semantic conventions for HTTP servers and for
// generative AI (semantic-conventions-genai, October 2026): a server span for
// the request; below it `retrieval COLLECTION`, with the rewrite's `chat
// MODEL`, `embeddings MODEL` and the legs in it, and the answer's `chat MODEL`.

// scope names who makes the spans.
const scope = "github.com/ragproxy/ragproxy"

// provider is what gen_ai.provider.name says of any upstream: it is the API's
// shape.
const provider = "openai"

// startRequest begins the server span, below the client's if it sent one.
func (s *Server) startRequest(c *gin.Context, n *notes) {
	if s.tracer == nil {
		return
	}
	r := c.Request
	ctx := r.Context()
	if r.Header.Get("Traceparent") != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	method := r.Method
	if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, method) {
		method = "_OTHER"
	}
	ctx, n.span = s.tracer.Start(ctx, method+" "+n.route, trace.WithSpanKind(trace.SpanKindServer))
	n.spanAttrs = append(make([]attribute.KeyValue, 0, 8),
		attribute.String("http.request.method", method),
		attribute.String("http.route", n.route),
		attribute.String("url.path", shortened(r.URL.Path)),
		attribute.String("ragproxy.request.id", n.id),
	)
	c.Request = r.WithContext(ctx)
}

// propagate sends the trace on. Without one the client's own headers stay.
func propagate(ctx context.Context, h http.Header) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return
	}
	h.Del("Tracestate") // of a traceparent that could not be read
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
}

func (s *Server) startRetrieval(ctx context.Context, collection string, topK int) (context.Context, trace.Span) {
	if s.tracer == nil {
		return ctx, trace.SpanFromContext(ctx)
	}
	return s.tracer.Start(ctx, "retrieval "+shortened(collection), trace.WithSpanKind(trace.SpanKindInternal), trace.WithAttributes(
		attribute.String("gen_ai.operation.name", "retrieval"),
		attribute.String("gen_ai.data_source.id", shortened(collection)),
		attribute.Int("gen_ai.request.top_k", topK),
	))
}

// endRetrieval tells the result, and the stages that have no span yet.
func (s *Server) endRetrieval(span trace.Span, res *retrieval.Result) {
	if s.tracer == nil || !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.Int("ragproxy.passages", len(res.Sources)))
	if len(res.Degraded) > 0 {
		span.SetAttributes(attribute.StringSlice("ragproxy.degraded", res.Degraded))
	}
	if s.opts.Observe.TraceContent {
		span.SetAttributes(retrievedContent(res)...)
	}
	ctx := trace.ContextWithSpan(context.Background(), span)
	for _, stage := range res.Stages {
		switch stage.Name {
		case retrieval.StageRewrite, retrieval.StageEmbed: // calls, with spans of their own
			continue
		case retrieval.StageBudget: // next to nothing
			continue
		}
		_, leg := s.tracer.Start(ctx, stage.Name, trace.WithTimestamp(stage.Begin))
		if stage.Err != nil {
			leg.SetAttributes(attribute.String("error.type", stage.Err.Code))
			leg.SetStatus(codes.Error, stage.Err.Message)
		}
		leg.End(trace.WithTimestamp(stage.Begin.Add(stage.Took)))
	}
	span.End()
}

// tracedRewrite puts a span around the rewrite.
func (s *Server) tracedRewrite(c retrieval.Completer) retrieval.Completer {
	if r, ok := c.(rewriter); ok && s.tracer != nil {
		return tracedRewriter{r, s}
	}
	return c
}

type tracedRewriter struct {
	rewriter
	server *Server
}

// Complete implements retrieval.Completer.
func (r tracedRewriter) Complete(ctx context.Context, req retrieval.CompletionRequest) (retrieval.Completion, error) {
	ctx, span := r.server.tracer.Start(ctx, "chat "+shortened(r.model), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(chatAttributes(r.model, req.OnDelta != nil, addressOf(r.server.opts.rewriteURL()))...))
	done, err := r.rewriter.Complete(ctx, req)
	if err != nil {
		endWithError(span, err)
		return done, err
	}
	span.SetAttributes(attribute.String("gen_ai.response.model", shortened(done.Model)))
	if done.Usage != nil {
		span.SetAttributes(usageAttributes(usage{input: int(done.Usage.PromptTokens), output: int(done.Usage.CompletionTokens)})...)
	}
	if r.server.opts.Observe.TraceContent {
		span.SetAttributes(outputMessages(done.Text))
	}
	span.End()
	return done, nil
}

func (o Options) rewriteURL() string {
	if o.Rewrite != (Upstream{}) {
		return o.Rewrite.BaseURL
	}
	return o.Upstream.BaseURL
}

// startCall begins the span of a call for the answer.
func (s *Server) startCall(ctx context.Context, n *notes) context.Context {
	n.endCall(n.status) // of an attempt that was refused
	n.called = time.Now()
	if s.tracer == nil {
		return ctx
	}
	n.callAttrs = chatAttributes(n.asked, n.stream, s.address)
	if n.choices > 1 {
		n.callAttrs = append(n.callAttrs, attribute.Int("gen_ai.request.choice.count", n.choices))
	}
	ctx, n.call = s.tracer.Start(ctx, "chat "+shortened(n.asked), trace.WithSpanKind(trace.SpanKindClient))
	return ctx
}

func chatAttributes(model string, stream bool, address []attribute.KeyValue) []attribute.KeyValue {
	return append(append(make([]attribute.KeyValue, 0, 16),
		attribute.String("gen_ai.operation.name", "chat"),
		attribute.String("gen_ai.provider.name", provider),
		attribute.String("gen_ai.request.model", shortened(model)),
		attribute.Bool("gen_ai.request.stream", stream),
	), address...)
}

// addressOf is the host and port of a base URL; none where it is no URL.
func addressOf(baseURL string) []attribute.KeyValue {
	u, err := url.Parse(baseURL)
	if err != nil || u.Hostname() == "" {
		return nil
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		port = map[string]int{"http": 80, "https": 443}[u.Scheme]
	}
	return []attribute.KeyValue{attribute.String("server.address", u.Hostname()), attribute.Int("server.port", port)}
}

func usageAttributes(u usage) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.Int("gen_ai.usage.input_tokens", u.input), attribute.Int("gen_ai.usage.output_tokens", u.output)}
}

// endCall ends the span of the last call, if there is one that has not ended.
func (n *notes) endCall(status int) {
	if !n.call.IsRecording() {
		return
	}
	attrs := n.callAttrs
	if n.usage != (usage{}) {
		attrs = append(attrs, usageAttributes(n.usage)...)
	}
	if !n.firstDelta.IsZero() {
		attrs = append(attrs, attribute.Float64("gen_ai.response.time_to_first_chunk", n.firstDelta.Sub(n.called).Seconds()))
	}
	if n.reply.model != "" {
		attrs = append(attrs, attribute.String("gen_ai.response.model", shortened(n.reply.model)))
	}
	if n.reply.id != "" {
		attrs = append(attrs, attribute.String("gen_ai.response.id", shortened(n.reply.id)))
	}
	if n.reply.reasons != nil {
		attrs = append(attrs, attribute.StringSlice("gen_ai.response.finish_reasons", n.reply.reasons))
	}
	if n.content.on {
		attrs = append(attrs, n.content.attributes(n.result)...)
	}
	kind := n.headerErr
	switch {
	case n.status >= http.StatusBadRequest:
		kind = strconv.Itoa(n.status)
	case kind == "" && status >= http.StatusBadRequest: // the answer broke off, or its reader went
		kind = errorType(status)
	}
	if kind != "" {
		attrs = append(attrs, attribute.String("error.type", kind))
		n.call.SetStatus(codes.Error, "")
	}
	n.call.SetAttributes(attrs...)
	n.call.End()
}

// endSpans ends the request's span and what is below it.
func (s *Server) endSpans(c *gin.Context, n *notes, status int) {
	if !n.span.IsRecording() {
		return
	}
	n.endCall(status)
	attrs := append(n.spanAttrs, attribute.Int("http.response.status_code", c.Writer.Status()))
	if key := clientOf(c).ID(); key != "" {
		attrs = append(attrs, attribute.String("ragproxy.key", key))
	}
	if last := c.Errors.Last(); last != nil {
		attrs = append(attrs, attribute.String("error.type", asError(last.Err).Code))
	}
	n.span.SetAttributes(attrs...)
	if status >= http.StatusInternalServerError {
		n.span.SetStatus(codes.Error, "")
	}
	n.span.End()
}

func errorType(status int) string {
	if status == 499 {
		return "client_closed_request"
	}
	return "upstream_closed"
}

// endWithError tells only the kind of an error: its text may hold anything.
func endWithError(span trace.Span, err error) {
	if !span.IsRecording() {
		return
	}
	kind := "_OTHER"
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		kind = "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		kind = "timeout"
	}
	fail(span, kind)
	span.End()
}

func fail(span trace.Span, kind string) {
	span.SetAttributes(attribute.String("error.type", kind))
	span.SetStatus(codes.Error, "")
}
