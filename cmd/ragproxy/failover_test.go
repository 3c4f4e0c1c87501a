package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/internal/ostest"
	"github.com/ragproxy/ragproxy/internal/pgtest"
)

// TestPostgresFailover writes documents through the API, and asks for those that
// were acknowledged, while the primary is killed and a standby promoted; the
// server is not restarted. RAGPROXY_FAILOVER_DOCUMENTS says how many (400).
func TestPostgresFailover(t *testing.T) {
	primary := pgtest.Start(t)
	url := primary.Database(t)
	standby := primary.Standby(t)
	f := newFailover(t, 20, map[string]string{"engine.kind": "postgres", "engine.url": pgtest.Hosts(url, standby)})
	f.begin(4)
	<-f.halfway
	primary.Kill(t)
	killed := time.Now()
	time.Sleep(300 * time.Millisecond) // until somebody has seen it
	standby.Promote(t)
	promoted := time.Since(killed)
	<-f.written
	time.Sleep(200 * time.Millisecond) // more questions of the new primary
	f.stop()
	t.Logf("%d documents acknowledged, %d requests refused; promoted after %s, written again after %s; %d searches, of them %d degraded within %s",
		f.acknowledged.Load(), f.refused, promoted.Round(time.Millisecond), f.resumed.Sub(killed).Round(time.Millisecond), f.asked, f.degraded, f.degradedFor().Round(time.Millisecond))
	if f.refused == 0 || f.asked < 50 {
		t.Errorf("got %d requests refused and %d searches: the failover was not seen", f.refused, f.asked)
	}
	f.check()
}

// TestOpenSearchNodeKilled is the same with three nodes and two copies of each
// shard: the node that manages the cluster is killed, and comes back. What a
// node that goes refuses is tried again by the run, so that no request need be
// refused. RAGPROXY_FAILOVER_DOCUMENTS says how many documents (400).
func TestOpenSearchNodeKilled(t *testing.T) {
	cluster := ostest.Start(t, ostest.Options{Nodes: 3})
	f := newFailover(t, max(20, failoverDocuments()/50), map[string]string{
		"engine.kind": "opensearch", "engine.url": cluster.URL(), "engine.shards": "3", "engine.replicas": "1",
	})
	cluster.Green(t)
	f.begin(2)
	<-f.halfway
	manager := cluster.Manager(t)
	cluster.Kill(t, manager)
	atKill := f.acknowledged.Load()
	<-f.written
	without := f.acknowledged.Load() - atKill
	cluster.Restart(t, manager)
	begin := time.Now()
	cluster.Green(t)
	f.stop()
	t.Logf("%d documents acknowledged, %d of them while the node was away, %d requests refused; green %s after it was back; %d searches, of them %d degraded within %s",
		f.acknowledged.Load(), without, f.refused, time.Since(begin).Round(time.Millisecond), f.asked, f.degraded, f.degradedFor().Round(time.Millisecond))
	if without == 0 || f.asked < 50 {
		t.Errorf("got %d documents written without the node and %d searches: it was not missed", without, f.asked)
	}
	f.check()
}

// failover is what goes on meanwhile.
type failover struct {
	*api
	engine       index.Engine
	total        int          // documents
	batch        int          // documents of a request
	acknowledged atomic.Int64 // documents, from the first on

	halfway, written chan struct{}
	stop             func() // ends the searches

	refused int // requests that wrote
	resumed time.Time

	mu                          sync.Mutex
	asked, degraded             int
	firstDegraded, lastDegraded time.Time
	wrong                       []string
}

func failoverDocuments() int {
	if n, err := strconv.Atoi(os.Getenv("RAGPROXY_FAILOVER_DOCUMENTS")); err == nil {
		return n
	}
	return 400
}

// newFailover serves an engine that has a collection to begin with.
func newFailover(t *testing.T, batch int, settings map[string]string) *failover {
	t.Helper()
	cfg := testConfig(t, settings)
	splitter, err := defaultSplitter()
	if err != nil {
		t.Fatal(err)
	}
	engine, err := openEngineWith(cfg, &lengths{}, splitter)
	if err != nil {
		t.Fatal(err)
	}
	f := &failover{
		api: startAPIOn(t, cfg, engine, nil), engine: engine, total: failoverDocuments(), batch: batch,
		halfway: make(chan struct{}), written: make(chan struct{}),
	}
	f.write(t.Context(), batch)
	return f
}

// begin begins to write all documents, and with so many searches one after the
// other.
func (f *failover) begin(askers int) {
	ctx, cancel := context.WithCancel(f.api.t.Context())
	var asking sync.WaitGroup
	for n := range askers {
		asking.Go(func() { f.ask(ctx, n) })
	}
	go func() {
		defer close(f.written)
		f.write(ctx, f.total/2)
		close(f.halfway)
		f.write(ctx, f.total)
	}()
	f.stop = func() {
		cancel()
		asking.Wait()
	}
}

// check wants no search to have been wrong or degraded for long, every document
// to be found, and the collection to be whole.
func (f *failover) check() {
	t := f.api.t
	t.Helper()
	if d := f.degradedFor(); d > 2*time.Second {
		t.Errorf("searches were degraded for %s, want 2s at most", d)
	}
	for _, wrong := range f.wrong {
		t.Error(wrong)
	}
	for n := range f.total {
		if status, answer := f.api.search(t.Context(), n); status != http.StatusOK || !holds(answer, n) || gjson.Get(answer, "degraded.#").Int() != 0 {
			t.Fatalf("document %d was acknowledged and is not found: %d %s", n, status, answer)
		}
	}
	report, err := f.engine.Inspect(t.Context(), defaultCollection)
	if err != nil || len(report.Problems) > 0 || report.Manifest.Documents != f.total {
		t.Errorf("got %d documents, %v, %v, want %d and no problem", report.Manifest.Documents, report.Problems, err, f.total)
	}
}

// write writes documents up to a number, each request until it is acknowledged.
func (f *failover) write(ctx context.Context, up int) {
	failing := false
	for n := int(f.acknowledged.Load()); n < up && ctx.Err() == nil; {
		var lines strings.Builder
		for i := range f.batch {
			fmt.Fprintf(&lines, "{\"id\":\"d%d\",\"text\":\"the word%d of document %[1]d\"}\n", n+i, n+i)
		}
		kind, body := multipartOf("d.jsonl", lines.String())
		status, answer, err := f.api.ask(ctx, http.MethodPost, "documents", kind, body)
		if err != nil || status != http.StatusOK || gjson.Get(answer, "failed.#").Int() > 0 {
			f.refused++
			failing = true
			time.Sleep(20 * time.Millisecond)
			continue
		}
		if failing {
			f.resumed, failing = time.Now(), false
		}
		n += f.batch
		f.acknowledged.Store(int64(n))
	}
}

// degradedFor is from the first search that was degraded to the end of the last.
func (f *failover) degradedFor() time.Duration {
	if f.firstDegraded.IsZero() {
		return 0
	}
	return f.lastDegraded.Sub(f.firstDegraded)
}

// ask searches for acknowledged documents, one after the other.
func (f *failover) ask(ctx context.Context, from int) {
	for n := from; ctx.Err() == nil; n += 7 {
		wanted := n % int(f.acknowledged.Load())
		begin := time.Now()
		status, answer := f.api.search(ctx, wanted)
		end := time.Now()
		if ctx.Err() != nil {
			return
		}
		f.mu.Lock()
		f.asked++
		switch {
		case status != http.StatusOK:
			f.wrong = append(f.wrong, fmt.Sprintf("search for document %d: got %d %s", wanted, status, answer))
		case gjson.Get(answer, "degraded.#").Int() > 0:
			if f.degraded++; f.firstDegraded.IsZero() {
				f.firstDegraded = begin
			}
			f.lastDegraded = end
		case !holds(answer, wanted):
			f.wrong = append(f.wrong, fmt.Sprintf("search for document %d, which was acknowledged: got %s and nothing degraded", wanted, answer))
		}
		f.mu.Unlock()
	}
}

func (a *api) search(ctx context.Context, n int) (int, string) {
	status, answer, err := a.ask(ctx, http.MethodPost, "search", "application/json", fmt.Appendf(nil, `{"query":"word%d","top_k":3}`, n))
	if err != nil {
		return 0, err.Error()
	}
	return status, answer
}

func holds(answer string, n int) bool {
	return gjson.Get(answer, fmt.Sprintf(`data.#(document_id=="d%d").rank`, n)).Exists()
}
