package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ragproxy/ragproxy/internal/child"
)

// sample is one run of one proxy.
type sample struct {
	outcome
	cpu time.Duration
}

// settle is how long a proxy gets for what comes after the last byte: its log
// line, its connections.
const settle = 30 * time.Millisecond

func (b *bench) sample(ctx context.Context, p *child.Child, j job) (sample, error) {
	before, err := cpuTime(p.Pid())
	if err != nil {
		return sample{}, err
	}
	j.url = p.URL
	out, err := b.run(ctx, j)
	if err != nil {
		return sample{}, err
	}
	time.Sleep(settle)
	after, err := cpuTime(p.Pid())
	return sample{out, after - before}, err
}

// duel is duelOf ragproxy and the reference.
func (b *bench) duel(ctx context.Context, ours, theirs job) (rag, ref []sample, err error) {
	return b.duelOf(ctx, b.ragproxy, b.reference, ours, theirs)
}

// duelOf gives two proxies a job in turn, the other one first in each second
// round, after a short warm-up at the same concurrency.
func (b *bench) duelOf(ctx context.Context, one, other *child.Child, ours, theirs job) (rag, ref []sample, err error) {
	for round := -1; round < b.plan.rounds; round++ {
		a, r := ours, theirs
		if round < 0 {
			a.streams, r.streams = a.concurrency, r.concurrency
		}
		turns := []func() error{
			func() error { s, err := b.sample(ctx, one, a); rag = append(rag, s); return err },
			func() error { s, err := b.sample(ctx, other, r); ref = append(ref, s); return err },
		}
		if round%2 != 0 {
			slices.Reverse(turns)
		}
		for _, turn := range turns {
			if err := turn(); err != nil {
				return nil, nil, err
			}
		}
	}
	return rag[1:], ref[1:], nil
}

// ratio is the median over the rounds of ours/theirs, with the range.
func ratio(rag, ref []sample, of func(sample) float64) (median float64, spread string) {
	var all []float64
	for i := range rag {
		all = append(all, of(rag[i])/of(ref[i]))
	}
	return medianOf(all), fmt.Sprintf("rounds %.2f-%.2f", slices.Min(all), slices.Max(all))
}

func cpuOf(s sample) float64        { return s.cpu.Seconds() }
func inverse(s sample) float64      { return 1 / s.took.Seconds() }
func medianStream(s sample) float64 { return float64(s.median) }

func median(s []sample, of func(sample) float64) float64 {
	var all []float64
	for _, x := range s {
		all = append(all, of(x))
	}
	return medianOf(all)
}

// relay is part a: CPU a stream with retrieval off.
func (b *bench) relay(ctx context.Context) error {
	j := job{request: request{"n100", 100, false}, concurrency: 32, streams: b.plan.streams}
	rag, ref, err := b.duel(ctx, j, j)
	if err != nil {
		return err
	}
	r, spread := ratio(rag, ref, cpuOf)
	b.report.most("a. retrieval off, CPU a stream of 100 deltas / ReverseProxy, c=32", "%.2f", r, 1.15, b.cpuNote(rag, ref, spread, j.streams, "stream"))
	j.request.model = "n100-whole"
	if rag, ref, err = b.duel(ctx, j, j); err != nil {
		return err
	}
	r, spread = ratio(rag, ref, cpuOf)
	b.report.info("   the same, upstream writing each answer at once", "%.2f", r, b.cpuNote(rag, ref, spread, j.streams, "stream"))
	return nil
}

func (b *bench) cpuNote(rag, ref []sample, spread string, n int, unit string) string {
	per := func(s []sample) float64 { return median(s, cpuOf) * 1e6 / float64(n) }
	return fmt.Sprintf("%.1f / %.1f us a %s, %s", per(rag), per(ref), unit, spread)
}

// paced is part b: CPU a delta where deltas come one by one.
func (b *bench) paced(ctx context.Context) error {
	const deltas, pace = 100, 5 * time.Millisecond
	for _, c := range []int{16, 64, 128} {
		j := job{request: request{"n100-5ms", deltas, false}, concurrency: c, streams: c * b.plan.waves}
		rag, ref, err := b.duel(ctx, j, j)
		if err != nil {
			return err
		}
		r, spread := ratio(rag, ref, cpuOf)
		ideal := float64((deltas - 1) * pace)
		note := fmt.Sprintf("%s; streams took %.2f / %.2f of the pace", b.cpuNote(rag, ref, spread, j.streams*deltas, "delta"),
			median(rag, medianStream)/ideal, median(ref, medianStream)/ideal)
		b.report.most(fmt.Sprintf("b. retrieval off, CPU a delta paced 5 ms / ReverseProxy, c=%d", c), "%.2f", r, 1.2, note)
	}
	return nil
}

// throughput is part c. The stub and the clients take their share of the
// cores, the same for both.
func (b *bench) throughput(ctx context.Context) error {
	j := job{request: request{"n100", 100, false}, concurrency: 128, streams: b.plan.streams}
	rag, ref, err := b.duel(ctx, j, j)
	if err != nil {
		return err
	}
	r, spread := ratio(rag, ref, inverse)
	n := float64(j.streams)
	b.report.least("c. retrieval off, streams a second / ReverseProxy, c=128", "%.2f", r, 0.85,
		fmt.Sprintf("%.0f / %.0f a second, %s", n*median(rag, inverse), n*median(ref, inverse), spread))
	return nil
}
