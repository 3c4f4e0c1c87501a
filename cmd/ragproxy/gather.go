package main

import (
	"context"
	"errors"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// gatherer hands spans on to other processors many at a time. The SDK's batch
// processor is a goroutine behind a channel: woken for each single span it
// costs more than all else that a span does.
type gatherer struct {
	inner []sdktrace.SpanProcessor

	mu     sync.Mutex
	spans  []sdktrace.ReadOnlySpan
	timer  *time.Timer // runs while spans wait
	closed bool
}

const (
	gatherMost  = 64
	gatherDelay = 200 * time.Millisecond
)

func newGatherer(inner ...sdktrace.SpanProcessor) *gatherer {
	g := &gatherer{inner: inner}
	g.timer = time.AfterFunc(time.Hour, g.flush)
	g.timer.Stop()
	return g
}

// OnStart implements sdktrace.SpanProcessor.
func (g *gatherer) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements sdktrace.SpanProcessor.
func (g *gatherer) OnEnd(s sdktrace.ReadOnlySpan) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	if g.spans = append(g.spans, s); len(g.spans) == 1 {
		g.timer.Reset(gatherDelay)
	}
	if len(g.spans) >= gatherMost {
		g.handOn()
	}
}

func (g *gatherer) flush() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.handOn()
}

// handOn never waits: the processors drop what they have no room for.
func (g *gatherer) handOn() {
	g.timer.Stop()
	for i, s := range g.spans {
		for _, p := range g.inner {
			p.OnEnd(s)
		}
		g.spans[i] = nil
	}
	g.spans = g.spans[:0]
}

// Shutdown implements sdktrace.SpanProcessor. The processors end side by side,
// so that one that is stuck does not take the others' time.
func (g *gatherer) Shutdown(ctx context.Context) error {
	g.mu.Lock()
	g.handOn()
	g.closed = true
	g.mu.Unlock()
	return g.each(func(p sdktrace.SpanProcessor) error { return p.Shutdown(ctx) })
}

// ForceFlush implements sdktrace.SpanProcessor.
func (g *gatherer) ForceFlush(ctx context.Context) error {
	g.flush()
	return g.each(func(p sdktrace.SpanProcessor) error { return p.ForceFlush(ctx) })
}

func (g *gatherer) each(do func(sdktrace.SpanProcessor) error) error {
	errs := make([]error, len(g.inner))
	var wg sync.WaitGroup
	for i, p := range g.inner {
		wg.Go(func() { errs[i] = do(p) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
