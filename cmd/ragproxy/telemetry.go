package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
)

// tracing sends spans where the configuration says. Spans wait in a queue of
// bounded length and are dropped where that is full, so that a collector which
// is slow or dead slows nobody. The SDK reads OTEL_TRACES_SAMPLER, OTEL_BSP_*
// and the like from the environment by itself.
type tracing struct{ provider *sdktrace.TracerProvider }

// spanQueue holds what a busy server makes in the five seconds between two
// batches; the SDK's own 2048 spans are those of 500 requests.
const spanQueue = 16384

// newTracing is nil where no traces are wanted.
func newTracing(ctx context.Context, cfg *config.Config, logger *slog.Logger) (*tracing, error) {
	if len(cfg.Traces()) == 0 {
		return nil, nil
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "ragproxy"), attribute.String("service.version", version())),
		resource.WithFromEnv()) // the last one wins: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("set up traces: %w", err)
	}
	// The SDK has one logger for all; to standard error it writes headers that it
	// cannot read.
	otel.SetLogger(logr.Discard())
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("traces", "error", err) }))
	var batches []sdktrace.SpanProcessor
	for _, to := range cfg.Traces() {
		exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(to.URL), otlptracehttp.WithHeaders(to.Headers))
		if err != nil {
			return nil, fmt.Errorf("set up traces: %s: %s", to.Source, without(err.Error(), secretsOf(to)))
		}
		var batch []sdktrace.BatchSpanProcessorOption
		if os.Getenv("OTEL_BSP_MAX_QUEUE_SIZE") == "" {
			batch = append(batch, sdktrace.WithMaxQueueSize(spanQueue))
		}
		batches = append(batches, sdktrace.NewBatchSpanProcessor(&tellingExporter{SpanExporter: exporter, to: to, logger: logger}, batch...))
	}
	return &tracing{sdktrace.NewTracerProvider(sdktrace.WithResource(about), sdktrace.WithSpanProcessor(newGatherer(batches...)))}, nil
}

// of is the provider as the server takes it.
func (t *tracing) of() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.provider
}

// lastSpans is how long the end of the server waits for the spans that are
// left.
const lastSpans = 2 * time.Second

func (t *tracing) stop() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastSpans)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // what was not taken has been told
}

// tellingExporter logs what goes wrong, without secrets and not all the time.
// The SDK would write it to standard error as it is: with the address, and with
// the collector's answer, which may repeat a key.
type tellingExporter struct {
	sdktrace.SpanExporter
	to     config.TraceTarget
	logger *slog.Logger

	mu   sync.Mutex
	told time.Time
}

// tellEvery bounds the warnings on one target.
const tellEvery = time.Minute

// ExportSpans implements sdktrace.SpanExporter.
func (e *tellingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.told) >= tellEvery {
		e.told = time.Now()
		e.logger.Warn("traces not exported", "target", e.to.Source, "spans", len(spans), "error", exportError(err, e.to))
	}
	return nil
}

func exportError(err error, to config.TraceTarget) string {
	text := err.Error()
	if at := (*url.Error)(nil); errors.As(err, &at) {
		text = at.Err.Error()
	}
	text = without(text, secretsOf(to))
	return text[:min(len(text), 300)]
}

// secretsOf are the values of the headers, whole and in their parts.
func secretsOf(to config.TraceTarget) []string {
	var out []string
	for _, v := range to.Headers {
		out = append(append(out, v), strings.Fields(v)...)
	}
	return out
}

func without(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) >= 4 {
			text = strings.ReplaceAll(text, s, "***")
		}
	}
	return text
}

// tracedEmbedder puts a span around the embedding of a query, where the search
// is traced.
type tracedEmbedder struct {
	index.Embedder
	attributes []attribute.KeyValue
	model      string
	kind       trace.SpanKind
}

func newTracedEmbedder(cfg *config.Config, inner index.Embedder) index.Embedder {
	e := tracedEmbedder{Embedder: inner, model: cmp.Or(cfg.Embedding.Model, "all-MiniLM-L6-v2"), kind: trace.SpanKindClient}
	provider, u := "openai", &url.URL{}
	if cfg.Embedding.Provider == "minilm" {
		provider, e.model, e.kind = "ragproxy", "all-MiniLM-L6-v2", trace.SpanKindInternal
	} else if parsed, err := url.Parse(cfg.Embedding.BaseURL); err == nil {
		u = parsed
	}
	e.attributes = []attribute.KeyValue{
		attribute.String("gen_ai.operation.name", "embeddings"),
		attribute.String("gen_ai.provider.name", provider),
		attribute.String("gen_ai.request.model", e.model),
	}
	if u.Hostname() != "" {
		e.attributes = append(e.attributes, attribute.String("server.address", u.Hostname()))
	}
	if knower, ok := inner.(index.SpaceKnower); ok { // not hidden by what is around it
		return struct {
			tracedEmbedder
			index.SpaceKnower
		}{e, knower}
	}
	return e
}

// EmbedQuery implements index.Embedder.
func (e tracedEmbedder) EmbedQuery(ctx context.Context, text string) ([]float32, error) {
	parent := trace.SpanFromContext(ctx)
	if !parent.SpanContext().IsValid() {
		return e.Embedder.EmbedQuery(ctx, text)
	}
	tracer := parent.TracerProvider().Tracer("github.com/ragproxy/ragproxy")
	ctx, span := tracer.Start(ctx, "embeddings "+e.model, trace.WithSpanKind(e.kind), trace.WithAttributes(e.attributes...))
	defer span.End()
	v, err := e.Embedder.EmbedQuery(ctx, text)
	if err != nil {
		span.SetAttributes(attribute.String("error.type", embedFailure(err)))
		span.SetStatus(codes.Error, "")
		return nil, err
	}
	span.SetAttributes(attribute.Int("gen_ai.embeddings.dimension.count", len(v)))
	return v, nil
}

// embedFailure is the kind of an error: its text is for the log.
func embedFailure(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "_OTHER"
}
