package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ragproxy/ragproxy/internal/child"
)

// soak is the whole run, and prints what it found.
func soak(ctx context.Context, p plan) error {
	r, err := newRig(ctx, p)
	if r != nil {
		defer r.close()
	}
	if err != nil {
		return err
	}
	fmt.Printf("soak        %d streams of %d tokens, one each %s, for %s\n", p.streams, p.tokens, p.pace, p.span)
	baseline, err := r.baseline(ctx)
	if err != nil {
		return err
	}
	o, err := r.serve(ctx, "soak")
	if err != nil {
		return err
	}
	files, err := o.settle(ctx, still)
	if err != nil {
		o.server.Stop()
		return err
	}
	w := &watcher{pid: o.server.Pid(), begin: time.Now()}
	r.load(ctx, o, w)
	if err := ctx.Err(); err != nil {
		o.server.Stop()
		return err
	}
	if err := r.leaks(ctx, o, baseline, files); err != nil {
		o.server.Stop()
		return err
	}
	return r.report(o, w)
}

// baseline is the goroutines of a server that had a wave of streams and is at
// rest.
func (r *rig) baseline(ctx context.Context) (map[string]int, error) {
	o, err := r.serve(ctx, "baseline")
	if err != nil {
		return nil, err
	}
	if _, err := o.settle(ctx, still); err != nil {
		o.server.Stop()
		return nil, err
	}
	return quit(o.server)
}

// load runs everything at once until the plan's time is over. Streams that run
// then are read to their end.
func (r *rig) load(endless context.Context, o *operator, w *watcher) {
	ctx, cancel := context.WithTimeout(endless, r.plan.span)
	defer cancel()
	var wg sync.WaitGroup
	for i := range r.plan.streams {
		wg.Go(func() {
			// Their tokens come spread, not all at the same moment.
			if sleep(ctx, r.plan.pace*time.Duration(i)/time.Duration(r.plan.streams)) == nil {
				o.clients.loop(ctx, endless)
			}
		})
	}
	for _, deed := range []struct {
		kind  string
		pause time.Duration
		do    func(context.Context) error
	}{
		{"collection", time.Second, o.rewrite}, {"key", 3 * time.Second, o.key}, {"reload", 2 * time.Second, o.reload},
	} {
		wg.Go(func() {
			for sleep(ctx, deed.pause) == nil {
				r.found.add(deed.kind, deed.do(endless))
			}
		})
	}
	wg.Go(func() { r.found.add("watch", w.loop(ctx)) })
	wg.Go(func() { progress(ctx, o) })
	wg.Wait()
}

func progress(ctx context.Context, o *operator) {
	for begin := time.Now(); sleep(ctx, time.Minute) == nil; {
		fmt.Fprintf(os.Stderr, "%4.0f min  %d streams whole, %d revisions\n", time.Since(begin).Minutes(), o.clients.whole.Load(), o.deeds.revisions.Load())
	}
}

// leaks ends the server and compares what it holds with what it held.
func (r *rig) leaks(ctx context.Context, o *operator, baseline map[string]int, files []string) error {
	before := kinds(files)
	after, err := o.settle(ctx, func(now, _ map[string]int) bool { return more(before, now) == "" })
	if err != nil {
		return err
	}
	mapped, err := child.MappedFiles(o.server.Pid())
	if err != nil {
		return err
	}
	if grown := more(before, kinds(after)); grown != "" {
		r.found.add("file descriptors", fmt.Errorf("%s", grown))
	}
	if n := kinds(mapped)[removedFile]; n > 0 {
		r.found.add("file descriptors", fmt.Errorf("%d files that were removed are still mapped", n))
	}
	stacks, err := quit(o.server)
	if err != nil {
		return err
	}
	if grown := more(baseline, stacks); grown != "" {
		r.found.add("goroutines", fmt.Errorf("%s", grown))
	}
	log, err := os.ReadFile(o.server.Log)
	if err != nil {
		return err
	}
	if lines := unexpected(string(log)); len(lines) > 0 {
		r.found.add("log", fmt.Errorf("%d lines without a reason, the first: %s", len(lines), lines[0]))
	}
	fmt.Printf("at rest     %d file descriptors before, %d after; %d goroutines before, %d after\n", len(files), len(after), total(baseline), total(stacks))
	return nil
}

func (r *rig) report(o *operator, w *watcher) error {
	c := o.clients
	fmt.Printf("streams     %d whole, %d left by their client; %d tokens, %d lost\n", c.whole.Load(), c.left.Load(), c.tokens.Load(), c.lost.Load())
	o.deeds.print(os.Stdout)
	r.found.add("memory", w.report(os.Stdout, r.plan.span))
	if n := r.found.print(os.Stdout); n > 0 {
		return fmt.Errorf("%d findings", n)
	}
	fmt.Println("nothing found")
	return nil
}
