// Command relaybench measures the proxy against the least that a proxy can
// do: a httputil.ReverseProxy that reads the body first.
//
//	go run ./internal/relaybench            about four minutes
//	go run ./internal/relaybench -quick     a smoke run, its figures are rough
//
// It builds and starts ragproxy, the reference and a stub upstream as
// processes of their own on loopback, gives both proxies the same streams in
// turn, and prints ratios within this one run: a busy machine slows both. CPU
// is from /proc/<pid>/stat, memory from /proc/<pid>/status, so it needs Linux.
// A missed target is a figure like any other; the exit code is 1 only if a
// stream was lost, short or altered, or if something did not run.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/ragproxy/ragproxy/internal/child"
)

// limit bounds a run, whatever happens in it.
const limit = 8 * time.Minute

func main() {
	quick := flag.Bool("quick", false, "a smoke run of about 40 s")
	only := flag.String("only", "abcdefg", "`PARTS` to measure, of a to g")
	binary := flag.String("binary", "", "measure this ragproxy `FILE`; empty builds one")
	role := flag.String("role", "", "for this program's own children: stub, collector or reference")
	upstream := flag.String("upstream", "", "for the role reference: base URL to relay to")
	flag.Parse()
	if runtime.GOOS != "linux" {
		fmt.Println("relaybench reads CPU and memory from /proc and measures on Linux only: nothing done")
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := run(ctx, *role, *upstream, *only, plans(*quick, *binary)); err != nil {
		fmt.Fprintln(os.Stderr, "relaybench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, role, upstream, only string, plan plan) error {
	switch role {
	case "stub":
		return child.Serve(&http.Server{Handler: newStub()})
	case "collector":
		return child.Serve(&http.Server{Handler: newCollector()})
	case "reference":
		return serveReference(upstream)
	case "":
		return measure(ctx, only, plan)
	default:
		return fmt.Errorf("unknown role %q", role)
	}
}

// plan is what is measured and how much each part does.
type plan struct {
	binary     string // to measure; "" builds one
	rounds     int    // of each comparison, one run of each proxy in a round
	streams    int    // a round, unpaced
	waves      int    // a round, paced: of streams of 0.5 s, all together
	latencies  int    // requests one by one
	concurrent int    // streams side by side for the memory
	model      string // of those streams: 100 deltas, paced
	cancels    int    // a phase
}

func plans(quick bool, binary string) plan {
	if quick {
		return plan{binary: binary, rounds: 3, streams: 500, waves: 1, latencies: 50, concurrent: 128, model: "n100-10ms", cancels: 5}
	}
	return plan{binary: binary, rounds: 7, streams: 4000, waves: 4, latencies: 300, concurrent: 512, model: "n100-30ms", cancels: 30}
}

func measure(ctx context.Context, only string, plan plan) error {
	machine := readMachine()
	b, err := newBench(ctx, plan)
	if err != nil {
		return err
	}
	defer b.close()
	machine.ragproxy(b.binary)
	machine.print(os.Stdout)
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"a", b.relay}, {"b", b.paced}, {"c", b.throughput}, {"d", b.retrieval}, {"e", b.memory}, {"f", b.cancels}, {"g", b.observed},
	} {
		if err := b.part(ctx, only, part.name, part.run); err != nil {
			return fmt.Errorf("part %s: %w", part.name, err)
		}
	}
	lost := b.lost.count.Load()
	b.report.add("all streams, lost, short or altered", "%.0f", float64(lost), "0", lost == 0, fmt.Sprintf("of %d answers", b.streams.Load()))
	b.report.print(os.Stdout)
	machine.after(os.Stdout)
	if lost > 0 {
		return fmt.Errorf("%d streams lost, short or altered, the first: %w", lost, b.lost.first())
	}
	return nil
}
