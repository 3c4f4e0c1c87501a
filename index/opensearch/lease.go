package opensearch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// The scripts change a collection's document in one piece, and do nothing where
// it is not the caller's turn. ctx._now is the server's clock: those of the
// writers are not compared.
const (
	// A run that begins after one that did not publish hides what that one wrote.
	// Numbers begin at the time, so that a collection that is dropped and made
	// again has higher ones: who knew it before is not misled.
	takeScript = `
		def s = ctx._source; long now = ctx._now;
		if (s.lease != null && s.lease.until > now && s.lease.token != params.token && !params.ended.contains(s.lease.token)) {
			ctx.op = 'none';
		} else {
			if (s.hidden == null) { s.hidden = []; }
			if (s.writing != null && s.writing != 0) { s.hidden.add(s.writing); }
			while (s.hidden.size() > params.most) { s.hidden.remove(0); }
			s.name = params.name;
			s.runs = s.runs == null ? (int) ((now - params.epoch) / 1000L) : s.runs + 1;
			s.writing = s.runs;
			s.lease = ['token': params.token, 'holder': params.holder, 'since': now, 'until': now + params.term];
		}`
	renewScript = `
		def s = ctx._source;
		if (s.lease != null && s.lease.token == params.token) { s.lease.until = ctx._now + params.term; } else { ctx.op = 'none'; }`
	releaseScript = `
		def s = ctx._source;
		if (s.lease != null && s.lease.token == params.token) {
			s.lease = null;
			if (params.clean) { s.writing = 0; }
		} else { ctx.op = 'none'; }`
	publishScript = `
		def s = ctx._source; long now = ctx._now;
		if (s.lease == null || s.lease.token != params.token || s.runs != params.run) {
			ctx.op = 'none';
		} else {
			s.putAll(params.next);
			s.run = params.run; s.writing = 0; s.lease = null; s.published = now;
			if (s.mark == null || now - s.mark.at > params.settled) { s.mark = ['run': params.run, 'at': now]; }
		}`
)

const (
	// mostHidden is how many runs that did not publish are remembered; what the
	// ones before wrote is long gone.
	mostHidden = 200
	// epoch is in ms since 1970, so that numbers of runs have 32 bits for long.
	epoch = 1_700_000_000_000
	// settled is how long after a publication nobody asks for what was before:
	// no search takes so long.
	settled = time.Minute
)

// script runs one on a collection's document, and gives what it left.
func (e *Engine) script(ctx context.Context, collection, source string, params object, more string) (state, error) {
	body := object{"scripted_upsert": true, "upsert": object{}, "script": object{"source": source, "params": params}}
	if source != takeScript {
		delete(body, "scripted_upsert")
		delete(body, "upsert")
	}
	var answer struct {
		Get struct {
			Source state `json:"_source"`
		} `json:"get"`
	}
	// Conflicts are with a heartbeat, or with others who want the lease.
	path := e.statePath("_update", collection) + "?_source=true&retry_on_conflict=20&require_alias=false&timeout=30s" + more
	err := e.call(ctx, http.MethodPost, path, body, &answer)
	return answer.Get.Source, err
}

// holding is a lease that a run has, and that is renewed while it goes on.
type holding struct {
	engine     *Engine
	collection string
	token      string

	stop context.CancelFunc
	done sync.WaitGroup
	lost chan struct{} // closed when it is
	err  error         // then why
}

// take takes the lease of a collection, or says who has it.
func (e *Engine) take(ctx context.Context, collection string) (*holding, state, error) {
	host, _ := os.Hostname() // only words for a message
	token := rand.Text()
	e.mu.Lock()
	ended := []string{}
	for t := range e.ended {
		ended = append(ended, t)
	}
	e.mu.Unlock()
	now, err := e.script(ctx, collection, takeScript, object{
		"token": token, "name": collection, "holder": fmt.Sprintf("process %d of %s", os.Getpid(), host),
		"term": e.opts.LeaseFor.Milliseconds(), "most": mostHidden, "ended": ended, "epoch": epoch,
	}, "")
	if err != nil {
		return nil, state{}, fmt.Errorf("lock collection %q: %w", collection, unreachable(err))
	}
	if now.Lease == nil || now.Lease.Token != token {
		holder := "another process"
		if l := now.Lease; l != nil {
			holder = fmt.Sprintf("%s, since %s; it is given up at %s unless that one is heard of", l.Holder, atMillis(l.Since), atMillis(l.Until))
		}
		return nil, state{}, fmt.Errorf("lock collection %q: %w (%s): wait for it to end", collection, index.ErrBusy, holder)
	}
	e.mu.Lock()
	for _, t := range ended { // they hold nothing any more
		delete(e.ended, t)
	}
	e.mu.Unlock()
	h := &holding{engine: e, collection: collection, token: token, lost: make(chan struct{})}
	var beat context.Context
	beat, h.stop = context.WithCancel(context.Background())
	h.done.Go(func() { h.renew(beat) })
	return h, now, nil
}

// renew keeps the lease until ctx ends, or it is lost: another one has it, or
// nobody has answered for its whole term.
func (h *holding) renew(ctx context.Context) {
	term := h.engine.opts.LeaseFor
	every := time.NewTicker(term / 5)
	defer every.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		begin := time.Now()
		// A try has all the time that is left: a server that is busy with what the
		// run writes answers in its turn, and a further try would wait behind it.
		try, cancel := context.WithDeadline(ctx, last.Add(term))
		now, err := h.engine.script(try, h.collection, renewScript, object{"token": h.token, "term": term.Milliseconds()}, "")
		cancel()
		switch {
		case err == nil && (now.Lease == nil || now.Lease.Token != h.token):
			h.lose(fmt.Errorf("collection %q: this run was not heard of for %v, and another one may write now: index again", h.collection, term))
			return
		case err == nil:
			last = begin
		case time.Since(last) >= term && ctx.Err() == nil:
			h.lose(fmt.Errorf("collection %q: this run could not renew its lease for %v: %w", h.collection, term, unreachable(err)))
			return
		}
	}
}

func (h *holding) lose(err error) {
	h.err = err
	close(h.lost)
}

// check is nil as long as the lease is held, as far as is known here. What
// counts is what the server knows when the run publishes.
func (h *holding) check() error {
	select {
	case <-h.lost:
		return h.err
	default:
		return nil
	}
}

// end stops renewing.
func (h *holding) end() {
	h.stop()
	h.done.Wait()
}

// release gives the lease back; clean says that the run has written nothing. A
// lease that cannot be given back is one that this process may take again.
func (h *holding) release(ctx context.Context, clean bool) {
	h.end()
	_, err := h.engine.script(ctx, h.collection, releaseScript, object{"token": h.token, "clean": clean}, "")
	if err != nil && !isServers(err) {
		h.engine.mu.Lock()
		defer h.engine.mu.Unlock()
		h.engine.ended[h.token] = true
	}
}

var errFenced = errors.New("another run has taken over: index again")

// publish makes next what the collection is, if the lease is still held. It is
// over with it.
func (h *holding) publish(ctx context.Context, run int, next state) (state, error) {
	now, err := h.engine.script(ctx, h.collection, publishScript, object{
		"token": h.token, "run": run, "settled": settled.Milliseconds(), "next": object{
			"generation": next.Generation, "store": next.Store, "space": next.Space, "dims": next.Dims, "splitter": next.Splitter,
			"keyword": next.Keyword, "documents": next.Documents, "chunks": next.Chunks, "dead": next.Dead, "mean": next.Mean, "hidden": next.Hidden,
		},
	}, "&refresh=true")
	if err != nil {
		return state{}, unreachable(err)
	}
	if now.Run != run { // also true of a try whose answer was lost
		return state{}, errFenced
	}
	return now, nil
}
