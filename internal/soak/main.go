// Command soak lets ragproxy run under load while everything that may change
// in a running server changes, and looks for what only time shows.
//
//	go run ./internal/soak -for 1h
//
// It builds and starts ragproxy and an upstream as processes of their own on
// loopback. 200 clients stream numbered tokens without end. Meanwhile the
// collection that they ask is rewritten, pruned, deleted from, compacted and
// verified by `ragproxy`, keys are added and revoked, and SIGHUP brings limits
// that differ and configurations that are broken.
//
// Each token must come once, in its order; each answer must be whole, and its
// sources from one generation of the collection, published before or while it
// was asked. In the end goroutines (counted in the stacks that SIGQUIT prints)
// and file descriptors are what they were after a first wave of streams, and
// over a run of half an hour or more the resident memory after the warm-up,
// as a line through its samples, grows less than 1 %. It reads /proc, hence
// Linux only. The exit code is 1 if anything was not so.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/ragproxy/ragproxy/internal/child"
)

// plan is how hard and how long.
type plan struct {
	span    time.Duration
	streams int           // side by side
	tokens  int           // of an answer
	pace    time.Duration // between two tokens
	binary  string        // to test; "" builds one
}

func main() {
	var p plan
	flag.DurationVar(&p.span, "for", time.Hour, "how long the load lasts")
	flag.IntVar(&p.streams, "streams", 200, "streams side by side")
	flag.IntVar(&p.tokens, "tokens", 40, "tokens of an answer")
	flag.DurationVar(&p.pace, "pace", 100*time.Millisecond, "time between two tokens")
	flag.StringVar(&p.binary, "binary", "", "test this ragproxy `FILE`; empty builds one")
	role := flag.String("role", "", "for this program's own child: upstream")
	flag.Parse()
	if runtime.GOOS != "linux" {
		fmt.Println("soak reads /proc and runs on Linux only: nothing done")
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *role, p); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, role string, p plan) error {
	switch role {
	case "upstream":
		return child.Serve(newUpstream())
	case "":
		return soak(ctx, p)
	default:
		return fmt.Errorf("unknown role %q", role)
	}
}
