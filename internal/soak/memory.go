package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/ragproxy/ragproxy/internal/child"
)

// sample is a process at a time.
type sample struct {
	at    time.Duration // since the load began
	rss   float64       // MB
	files int           // descriptors
}

// watcher samples a process.
type watcher struct {
	pid     int
	begin   time.Time
	mu      sync.Mutex
	samples []sample
}

func (w *watcher) loop(ctx context.Context) error {
	for sleep(ctx, 5*time.Second) == nil {
		rss, err := child.ResidentMB(w.pid)
		if err != nil {
			return err
		}
		files, err := child.OpenFiles(w.pid)
		if err != nil {
			return err
		}
		w.mu.Lock()
		w.samples = append(w.samples, sample{time.Since(w.begin), rss, len(files)})
		w.mu.Unlock()
	}
	return nil
}

// growth is how much a line through the samples from a time on rises from its
// first to its last, as a share of their mean. Two samples are the least.
func growth(samples []sample, from time.Duration) (share, mean float64, ok bool) {
	samples = slices.DeleteFunc(slices.Clone(samples), func(s sample) bool { return s.at < from })
	if len(samples) < 2 {
		return 0, 0, false
	}
	n := float64(len(samples))
	var x, y float64
	for _, s := range samples {
		x += s.at.Seconds() / n
		y += s.rss / n
	}
	var xy, xx float64
	for _, s := range samples {
		dx := s.at.Seconds() - x
		xy += dx * (s.rss - y)
		xx += dx * dx
	}
	if xx == 0 || y == 0 {
		return 0, 0, false
	}
	span := samples[len(samples)-1].at - samples[0].at
	return xy / xx * span.Seconds() / y, y, true
}

// The memory of a shorter run says nothing: it is still growing into its load.
const (
	longEnough = 30 * time.Minute
	maxGrowth  = 0.01
)

func warmUp(span time.Duration) time.Duration { return min(span/6, 10*time.Minute) }

// report prints the samples' sum, and is an error if memory grew.
func (w *watcher) report(out io.Writer, span time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.samples) == 0 {
		return nil
	}
	peak, files := 0.0, 0
	for _, s := range w.samples {
		peak, files = max(peak, s.rss), max(files, s.files)
	}
	last := w.samples[len(w.samples)-1]
	fmt.Fprintf(out, "memory      first %.1f MB, last %.1f MB, peak %.1f MB; peak of %d file descriptors\n", w.samples[0].rss, last.rss, peak, files)
	share, mean, ok := growth(w.samples, warmUp(span))
	if !ok {
		return nil
	}
	judged := "the run is too short to judge it"
	if span >= longEnough {
		judged = fmt.Sprintf("allowed %.0f %%", 100*maxGrowth)
	}
	fmt.Fprintf(out, "slope       %+.2f %% of %.1f MB from %s to %s (%s)\n", 100*share, mean, warmUp(span), last.at.Round(time.Second), judged)
	if span >= longEnough && share >= maxGrowth {
		return fmt.Errorf("memory grew by %.2f %% after the warm-up", 100*share)
	}
	return nil
}
