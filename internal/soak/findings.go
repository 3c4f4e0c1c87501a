package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// findings are what must not be.
type findings struct {
	mu    sync.Mutex
	count map[string]int
	first []error
}

// add keeps a finding of a kind; an interrupted run is none.
func (f *findings) add(kind string, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == nil {
		f.count = map[string]int{}
	}
	f.count[kind]++
	if f.count[kind] <= 5 {
		f.first = append(f.first, fmt.Errorf("%s: %w", kind, err))
	}
}

func (f *findings) print(w io.Writer) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, err := range f.first {
		fmt.Fprintln(w, "  FOUND", err)
	}
	for _, c := range f.count {
		n += c
	}
	return n
}

// deeds counts what was done to the running server, and the longest wait for
// one kind of it.
type deeds struct {
	revisions, deletes, compactions, verifications atomic.Int64
	keys, reloads, broken                          atomic.Int64

	mu      sync.Mutex
	longest map[string]time.Duration
}

func (d *deeds) took(what string, t time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.longest == nil {
		d.longest = map[string]time.Duration{}
	}
	d.longest[what] = max(d.longest[what], t)
}

func (d *deeds) print(w io.Writer) {
	fmt.Fprintf(w, "collection  %d revisions, %d deletes, %d compactions, %d verifications\n",
		d.revisions.Load(), d.deletes.Load(), d.compactions.Load(), d.verifications.Load())
	fmt.Fprintf(w, "server      %d keys added and revoked, %d reloads, %d of broken configurations\n", d.keys.Load(), d.reloads.Load(), d.broken.Load())
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for name := range d.longest {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(w, "longest     %s: %.1f s\n", name, d.longest[name].Seconds())
	}
}
