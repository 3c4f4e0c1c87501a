package main

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestGatherer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := tracetest.NewSpanRecorder(), tracetest.NewSpanRecorder()
		g := newGatherer(first, second)
		tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(g)).Tracer("test")
		end := func(n int) {
			for i := range n {
				_, span := tracer.Start(t.Context(), fmt.Sprint(i))
				span.End()
			}
		}
		got := func(want int, when string) {
			t.Helper()
			if a, b := len(first.Ended()), len(second.Ended()); a != want || b != want {
				t.Errorf("got %d and %d spans %s, want %d", a, b, when, want)
			}
		}
		end(gatherMost - 1)
		got(0, "before there are enough")
		end(1)
		got(gatherMost, "when there are enough")
		end(3)
		time.Sleep(2 * gatherDelay)
		synctest.Wait()
		got(gatherMost+3, "after a while")
		end(1)
		if err := g.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
		got(gatherMost+4, "after a flush")
		end(2)
		if err := g.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		got(gatherMost+6, "at the end")
		end(1)
		got(gatherMost+6, "behind the end")
	})
}
