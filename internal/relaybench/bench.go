package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ragproxy/ragproxy/internal/child"
)

// bench holds the processes and what they did. One part runs at a time.
type bench struct {
	plan   plan
	dir    string
	binary string

	stub, reference, ragproxy *child.Child

	client  *http.Client
	answers *stub // for what the answers must be
	jobs    int   // so far, for questions that differ
	streams atomic.Int64
	lost    losses
	report  report
}

// newBench builds ragproxy, starts everything and indexes 60 chunks.
func newBench(ctx context.Context, plan plan) (*bench, error) {
	dir, err := os.MkdirTemp("", "relaybench-")
	if err != nil {
		return nil, err
	}
	b := &bench{
		plan: plan, dir: dir, answers: newStub(),
		client: &http.Client{Transport: &http.Transport{MaxIdleConns: 4096, MaxIdleConnsPerHost: 1024, DisableCompression: true}},
	}
	if err := b.start(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) start(ctx context.Context) (err error) {
	if b.binary, err = filepath.Abs(b.plan.binary); err != nil {
		return err
	}
	if b.plan.binary == "" {
		if b.binary, err = child.Build(ctx, b.dir); err != nil {
			return err
		}
	}
	if b.stub, err = child.StartSelf(ctx, b.dir, "stub"); err != nil {
		return err
	}
	if b.reference, err = child.StartSelf(ctx, b.dir, "reference", "-upstream", b.stub.URL); err != nil {
		return err
	}
	if err := b.index(ctx); err != nil {
		return err
	}
	if b.ragproxy, err = b.serve(ctx, "ragproxy", b.stub.URL); err != nil {
		return err
	}
	return b.warm(ctx, b.ragproxy, b.reference)
}

// serve starts a ragproxy of its own over the index.
func (b *bench) serve(ctx context.Context, name, upstream string) (*child.Child, error) {
	return child.Start(ctx, b.dir, name, ragproxy(ctx, b.binary, b.dir, upstream, "serve"))
}

// chunks in the index.
const chunks = 60

func (b *bench) index(ctx context.Context) error {
	docs := filepath.Join(b.dir, "docs")
	if err := os.Mkdir(docs, 0o700); err != nil {
		return err
	}
	for i := range chunks {
		if err := os.WriteFile(filepath.Join(docs, fmt.Sprintf("note%02d.txt", i)), passage(i), 0o600); err != nil {
			return err
		}
	}
	out, err := ragproxy(ctx, b.binary, b.dir, b.stub.URL, "index", "--json", docs).CombinedOutput()
	if err != nil {
		return fmt.Errorf("index: %w\n%s", err, out)
	}
	if want := fmt.Sprintf(`"chunks":%d,`, chunks); !strings.Contains(strings.ReplaceAll(string(out), " ", ""), want) {
		return fmt.Errorf("index: got %s, want %s", out, want)
	}
	return nil
}

// passage is a document of one chunk.
func passage(i int) []byte {
	var p bytes.Buffer
	fmt.Fprintf(&p, "Note %d on the %s.", i, vocabulary(i))
	for k := 0; p.Len() < 800; k++ {
		fmt.Fprintf(&p, " The %s keeps the %s of the %s.", vocabulary(i*5+k), vocabulary(i*3+k*7), vocabulary(i+k*k))
	}
	p.WriteByte('\n')
	return p.Bytes()
}

func vocabulary(i int) string {
	words := strings.Fields(`harbour lantern orchard granite meadow compass archive bridge cellar drizzle ember feather glacier hollow island juniper
		kettle ladder marble needle oyster pebble quarry ribbon saddle timber umbrella valley willow yarrow anchor basket candle desert engine fountain`)
	return words[i%len(words)]
}

// warm opens connections and grows heaps and pools.
func (b *bench) warm(ctx context.Context, proxies ...*child.Child) error {
	for _, p := range proxies {
		for _, q := range []request{{"n100", 100, p != b.reference}, {"n100", 100, false}} {
			if _, err := b.run(ctx, job{url: p.URL, request: q, concurrency: 128, streams: 512}); err != nil {
				return err
			}
		}
	}
	return nil
}

// expected is upstream's whole answer.
func (b *bench) expected(deltas int) []byte { return b.answers.whole(deltas) }

func (b *bench) part(ctx context.Context, only, name string, run func(context.Context) error) error {
	if !strings.Contains(only, name) {
		return nil
	}
	fmt.Fprintf(os.Stderr, "part %s ...", name)
	begin := time.Now()
	err := run(ctx)
	fmt.Fprintf(os.Stderr, " %.0f s\n", time.Since(begin).Seconds())
	return err
}

func (b *bench) close() {
	for _, c := range []*child.Child{b.ragproxy, b.reference, b.stub} {
		if c != nil {
			c.Stop()
		}
	}
	os.RemoveAll(b.dir)
}
