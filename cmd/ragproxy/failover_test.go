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

	"github.com/ragproxy/ragproxy/internal/pgtest"
)

// failoverBatch is how many documents a request writes.
const failoverBatch = 20

// TestPostgresFailover writes documents through the API, and asks for those that
// were acknowledged, while the primary is killed and a standby promoted; the
// server is not restarted. RAGPROXY_FAILOVER_DOCUMENTS says how many (400).
func TestPostgresFailover(t *testing.T) {
	total := 400
	if n, err := strconv.Atoi(os.Getenv("RAGPROXY_FAILOVER_DOCUMENTS")); err == nil {
		total = n
	}
	primary := pgtest.Start(t)
	url := primary.Database(t)
	standby := primary.Standby(t)
	cfg := testConfig(t, map[string]string{"engine.kind": "postgres", "engine.url": pgtest.Hosts(url, standby)})
	splitter, err := defaultSplitter()
	if err != nil {
		t.Fatal(err)
	}
	engine, err := openEngineWith(cfg, &lengths{}, splitter)
	if err != nil {
		t.Fatal(err)
	}
	a := startAPIOn(t, cfg, engine, nil)
	f := &failover{api: a}
	f.write(t.Context(), failoverBatch) // a collection to begin with
	ctx, stop := context.WithCancel(t.Context())
	var askers sync.WaitGroup
	for n := range 4 {
		askers.Go(func() { f.ask(ctx, n) })
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		f.write(ctx, total)
	}()
	for f.acknowledged.Load() < int64(total)/2 {
		time.Sleep(time.Millisecond)
	}
	primary.Kill(t)
	killed := time.Now()
	time.Sleep(300 * time.Millisecond) // until somebody has seen it
	standby.Promote(t)
	promoted := time.Since(killed)
	<-written
	time.Sleep(200 * time.Millisecond) // more questions of the new primary
	stop()
	askers.Wait()

	degraded := time.Duration(0)
	if !f.firstDegraded.IsZero() {
		degraded = f.lastDegraded.Sub(f.firstDegraded)
	}
	t.Logf("%d documents acknowledged, %d requests refused; promoted after %s, written again after %s; %d searches, of them %d degraded within %s",
		f.acknowledged.Load(), f.refused, promoted.Round(time.Millisecond), f.resumed.Sub(killed).Round(time.Millisecond), f.asked, f.degraded, degraded.Round(time.Millisecond))
	if degraded > 2*time.Second {
		t.Errorf("searches were degraded for %s, want 2s at most", degraded)
	}
	for _, wrong := range f.wrong {
		t.Error(wrong)
	}
	if f.refused == 0 || f.asked < 50 {
		t.Errorf("got %d requests refused and %d searches: the failover was not seen", f.refused, f.asked)
	}
	for n := range total {
		if status, answer := a.search(t.Context(), n); status != http.StatusOK || !holds(answer, n) || gjson.Get(answer, "degraded.#").Int() != 0 {
			t.Fatalf("document %d was acknowledged and is not found: %d %s", n, status, answer)
		}
	}
	report, err := engine.Inspect(t.Context(), defaultCollection)
	if err != nil || len(report.Problems) > 0 || report.Manifest.Documents != total {
		t.Errorf("got %d documents, %v, %v, want %d and no problem", report.Manifest.Documents, report.Problems, err, total)
	}
}

// failover is what goes on meanwhile.
type failover struct {
	*api
	acknowledged atomic.Int64 // documents, from the first on

	refused int // requests that wrote
	resumed time.Time

	mu                          sync.Mutex
	asked, degraded             int
	firstDegraded, lastDegraded time.Time
	wrong                       []string
}

// write writes documents up to a number, each request until it is acknowledged.
func (f *failover) write(ctx context.Context, up int) {
	failing := false
	for n := int(f.acknowledged.Load()); n < up && ctx.Err() == nil; {
		var lines strings.Builder
		for i := range failoverBatch {
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
		n += failoverBatch
		f.acknowledged.Store(int64(n))
	}
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
