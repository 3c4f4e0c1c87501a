package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ragproxy/ragproxy/internal/child"
)

// newCollector is a receiver of traces, in a process of its own. GET says how
// many spans came.
func newCollector() http.Handler {
	var spans atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fmt.Fprint(w, spans.Load())
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		spans.Add(int64(countSpans(body, 3)))
	})
}

// countSpans counts the messages at a depth of an ExportTraceServiceRequest:
// its resource_spans are field 1, their scope_spans field 2, the spans of those
// field 2 (opentelemetry-proto). To decode all of it would take cores that the
// proxies need.
func countSpans(message []byte, depth int) (n int) {
	field := protowire.Number(2)
	if depth == 3 {
		field = 1
	}
	for len(message) > 0 {
		number, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return n
		}
		message = message[size:]
		if size = protowire.ConsumeFieldValue(number, kind, message); size < 0 {
			return n
		}
		if number == field && kind == protowire.BytesType {
			if inner, _ := protowire.ConsumeBytes(message); depth > 1 {
				n += countSpans(inner, depth-1)
			} else {
				n++
			}
		}
		message = message[size:]
	}
	return n
}

// observed is part g: CPU a stream with metrics and traces, each stream traced
// and sent to a collector, against a ragproxy that does neither.
func (b *bench) observed(ctx context.Context) error {
	collector, err := child.StartSelf(ctx, b.dir, "collector")
	if err != nil {
		return err
	}
	defer collector.Stop()
	bare, err := b.serveWith(ctx, "bare", "RAGPROXY_OBSERVABILITY_METRICS=false")
	if err != nil {
		return err
	}
	defer bare.Stop()
	address := strings.TrimSuffix(collector.URL, "/v1")
	watched, err := b.serveWith(ctx, "watched", "OTEL_EXPORTER_OTLP_ENDPOINT="+address, "OTEL_TRACES_SAMPLER=parentbased_always_on", "OTEL_BSP_SCHEDULE_DELAY=1000")
	if err != nil {
		return err
	}
	defer watched.Stop()
	if err := b.warm(ctx, bare, watched); err != nil {
		return err
	}
	rounds := b.plan.rounds
	b.plan.rounds *= 3 // and shorter: the difference is small
	defer func() { b.plan.rounds = rounds }()
	streams := 0
	for _, part := range []struct {
		what    string
		request request
		target  float64
	}{
		{"g. metrics and traces, retrieval off, CPU a stream of 100 deltas / neither, c=32", request{"n100", 100, false}, 1.1},
		{"   the same with full retrieval", request{"n100", 100, true}, 0},
	} {
		j := job{request: part.request, concurrency: 32, streams: b.plan.streams / 2}
		with, without, err := b.duelOf(ctx, watched, bare, j, j)
		if err != nil {
			return err
		}
		streams += (len(with))*j.streams + j.concurrency
		r, spread := ratio(with, without, cpuOf)
		note := b.cpuNote(with, without, spread, j.streams, "stream")
		if part.target > 0 {
			b.report.most(part.what, "%.2f", r, part.target, note)
		} else {
			b.report.info(part.what, "%.2f", r, note)
		}
	}
	time.Sleep(2 * time.Second) // the last batch
	spans, err := b.count(ctx, address)
	if err != nil {
		return err
	}
	// Two a stream at least: the request's and the call's.
	b.report.least("   spans that arrived, of two for each stream", "%.2f", float64(spans)/float64(2*streams), 1, fmt.Sprintf("%d spans of %d streams", spans, streams))
	return nil
}

// serveWith starts a ragproxy with more in its environment.
func (b *bench) serveWith(ctx context.Context, name string, env ...string) (*child.Child, error) {
	cmd := ragproxy(ctx, b.binary, b.dir, b.stub.URL, "serve")
	cmd.Env = append(cmd.Env, env...)
	return child.Start(ctx, b.dir, name, cmd)
}

func (b *bench) count(ctx context.Context, address string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(said))
}
