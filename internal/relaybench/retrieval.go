package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// retrieval is part d: CPU with everything on, and what it adds to the first
// delta at c=1.
func (b *bench) retrieval(ctx context.Context) error {
	ours := job{request: request{"n100", 100, true}, concurrency: 32, streams: b.plan.streams / 2}
	theirs := ours
	theirs.request.retrieval = false
	rag, ref, err := b.duel(ctx, ours, theirs)
	if err != nil {
		return err
	}
	r, spread := ratio(rag, ref, cpuOf)
	b.report.most("d. full retrieval, CPU a request / ReverseProxy, c=32", "%.2f", r, 4, b.cpuNote(rag, ref, spread, ours.streams, "request"))
	return b.firstDelta(ctx)
}

// firstDelta compares a client of ragproxy with one that makes ragproxy's two
// upstream calls itself, one after the other, in turn.
func (b *bench) firstDelta(ctx context.Context) error {
	const warm = 10
	q := request{"n3-1ms", 3, true}
	var direct, through []time.Duration
	for i := range warm + b.plan.latencies {
		n := 90_000_000 + i // questions that no other job asks
		begin := time.Now()
		if err := b.embedDirectly(ctx, n); err != nil {
			return err
		}
		if err := b.awaitDelta(ctx, b.stub.URL, q.body(n)); err != nil {
			return err
		}
		middle := time.Now()
		if err := b.awaitDelta(ctx, b.ragproxy.URL, q.body(n)); err != nil {
			return err
		}
		if i >= warm {
			direct, through = append(direct, middle.Sub(begin)), append(through, time.Since(middle))
		}
	}
	d, t := medianOf(direct), medianOf(through)
	b.report.most("d. full retrieval, first delta beyond its upstream calls, c=1, ms", "%.2f", millis(t-d), 2,
		fmt.Sprintf("medians of %d: %.2f through, %.2f for the two calls made directly", b.plan.latencies, millis(t), millis(d)))
	return nil
}

func (b *bench) embedDirectly(ctx context.Context, n int) error {
	resp, err := b.post(ctx, b.stub.URL+"/embeddings", []byte(`{"model":"stub","input":["`+question(n)+`"]}`), "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Data []struct {
			Embedding []float32 `json:"embedding"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if len(answer.Data) != 1 || len(answer.Data[0].Embedding) != dimensions {
		return errors.New("the stub's embedding is not one vector")
	}
	return nil
}

// awaitDelta returns with the first delta. The rest of the stream is read
// behind the caller's back, so that the connection can be used again.
func (b *bench) awaitDelta(ctx context.Context, url string, body []byte) error {
	resp, err := b.post(ctx, url+"/chat/completions", body, "")
	if err != nil {
		return err
	}
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			resp.Body.Close()
			return fmt.Errorf("no delta: %w", err)
		}
		if bytes.Contains(line, []byte(`{"content":"delta0 `)) {
			break
		}
	}
	go func() {
		io.Copy(io.Discard, lines)
		resp.Body.Close()
	}()
	return nil
}
