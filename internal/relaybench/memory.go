package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ragproxy/ragproxy/internal/child"
)

// memory is part e: what many paced streams at once add to a process that has
// served a few.
func (b *bench) memory(ctx context.Context) error {
	n := b.plan.concurrent
	for _, m := range []struct {
		what      string
		retrieval bool
	}{{"retrieval off", false}, {"full retrieval", true}} {
		p, err := b.serve(ctx, "memory-"+strings.ReplaceAll(m.what, " ", "-"), b.stub.URL)
		if err != nil {
			return err
		}
		idle, peak, streams, err := b.grow(ctx, p, m.retrieval)
		p.Stop()
		if err != nil {
			return err
		}
		b.report.most(fmt.Sprintf("e. %s, memory of %d streams at once beyond idle, MB", m.what, n), "%.0f", peak-idle, 80,
			fmt.Sprintf("%.0f at most, %.0f idle; upstream saw %s at once", peak, idle, streams))
	}
	p, err := child.StartSelf(ctx, b.dir, "reference", "-upstream", b.stub.URL)
	if err != nil {
		return err
	}
	defer p.Stop()
	idle, peak, streams, err := b.grow(ctx, p, false)
	if err != nil {
		return err
	}
	b.report.info(fmt.Sprintf("   ReverseProxy, memory of %d streams at once beyond idle, MB", n), "%.0f", peak-idle,
		fmt.Sprintf("%.0f at most, %.0f idle; upstream saw %s at once", peak, idle, streams))
	return nil
}

func (b *bench) grow(ctx context.Context, p *child.Child, retrieval bool) (idle, peak float64, streams string, err error) {
	q := request{"n100", 100, retrieval}
	if _, err := b.run(ctx, job{url: p.URL, request: q, concurrency: 4, streams: 16}); err != nil {
		return 0, 0, "", err
	}
	time.Sleep(500 * time.Millisecond)
	if idle, err = child.ResidentMB(p.Pid()); err != nil {
		return 0, 0, "", err
	}
	if _, err := b.peakStreams(ctx); err != nil {
		return 0, 0, "", err
	}
	done := make(chan error, 1)
	go func() {
		q.model = b.plan.model
		_, err := b.run(ctx, job{url: p.URL, request: q, concurrency: b.plan.concurrent, streams: b.plan.concurrent})
		done <- err
	}()
	for running := true; running; {
		select {
		case err = <-done:
			running = false
		case <-time.After(20 * time.Millisecond):
		}
		now, failed := child.ResidentMB(p.Pid())
		if failed != nil {
			return 0, 0, "", failed
		}
		peak = max(peak, now)
	}
	if err != nil {
		return 0, 0, "", err
	}
	streams, err = b.peakStreams(ctx)
	return idle, peak, streams, err
}

// peakStreams asks the stub how many answers it streamed at once since the
// last time.
func (b *bench) peakStreams(ctx context.Context) (string, error) {
	resp, err := b.post(ctx, strings.TrimSuffix(b.stub.URL, "/v1")+"/peak", nil, "")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	return string(said), err
}
