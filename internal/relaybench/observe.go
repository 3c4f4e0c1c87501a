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

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

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
		var req collectorpb.ExportTraceServiceRequest
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = proto.Unmarshal(body, &req)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, res := range req.ResourceSpans {
			for _, scope := range res.ScopeSpans {
				spans.Add(int64(len(scope.Spans)))
			}
		}
	})
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
	watched, err := b.serveWith(ctx, "watched", "OTEL_EXPORTER_OTLP_ENDPOINT="+address, "OTEL_TRACES_SAMPLER=parentbased_always_on", "OTEL_BSP_SCHEDULE_DELAY=500")
	if err != nil {
		return err
	}
	defer watched.Stop()
	if err := b.warm(ctx, bare, watched); err != nil {
		return err
	}
	streams := 0
	for _, part := range []struct {
		what    string
		request request
		target  float64
	}{
		{"g. metrics and traces, retrieval off, CPU a stream of 100 deltas / neither, c=32", request{"n100", 100, false}, 1.1},
		{"   the same with full retrieval", request{"n100", 100, true}, 0},
	} {
		j := job{request: part.request, concurrency: 32, streams: b.plan.streams}
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
	time.Sleep(time.Second) // the last batch
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
