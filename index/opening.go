package index

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Pauses before what did not open whole is tried again: a disk may have
// hiccupped, or the process had too many files open for a moment.
const (
	firstPause   = 250 * time.Millisecond
	longestPause = 30 * time.Second
)

// opened is what is known of a collection; Index.mu guards it.
type opened struct {
	current pointer   // what was opened last
	s       *snapshot // nil if it could not be
	err     error     // why not
	pause   time.Duration
	again   time.Time // when to try again; zero if it is whole
	opening *opening  // under way; nil if none is
}

// opening is one opening of a collection, which all searches wait for.
type opening struct {
	now  pointer
	done chan struct{}
	// What came of it, once done is closed. Who waited has no reference yet.
	s   *snapshot
	err error
}

// take gives what is known of now, with a reference for the caller; false if it
// must be opened first.
func (o *opened) take(now pointer) (*snapshot, error, bool) {
	fresh := o.current == now && (o.again.IsZero() || time.Now().Before(o.again))
	switch {
	case fresh && o.err != nil:
		return nil, o.err, true
	case fresh && o.s != nil && o.s.acquire():
		return o.s, nil, true
	}
	return nil, nil, false
}

// follow returns what is open if it is what was published last, and opens that
// if not; false if something else was opened meanwhile. A disk that hangs holds
// up nobody beyond ctx.
func (x *Index) follow(ctx context.Context, collection string, home folder, now pointer) (*snapshot, error, bool) {
	x.mu.Lock()
	o := x.open[collection]
	if o == nil {
		o = &opened{}
		x.open[collection] = o
	}
	if s, err, ok := o.take(now); ok {
		x.mu.Unlock()
		return s, err, true
	}
	if o.opening == nil {
		o.opening = &opening{now: now, done: make(chan struct{})}
		old := o.s
		if old != nil && !old.acquire() {
			old = nil
		}
		go x.reopen(collection, home, o, old)
	}
	op := o.opening
	x.mu.Unlock()
	select {
	case <-op.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx), true
	}
	if op.now != now {
		return nil, nil, false
	}
	return op.s, op.err, op.err != nil || op.s.acquire()
}

// reopen opens what o.opening says. It has a reference to old.
func (x *Index) reopen(collection string, home folder, o *opened, old *snapshot) {
	op := o.opening
	op.s, op.err = safely(func() (*snapshot, error) { return x.openWhole(collection, home, op.now, old) })
	if op.s != nil {
		op.s.current, op.s.since = op.now, time.Now()
	}
	x.mu.Lock()
	o.opening = nil
	if x.open[collection] == o {
		o.note(op)
		if o.s != nil {
			_ = o.s.release() // a search on it tells what its files do
		}
		o.s = op.s
	} else if op.s != nil { // closed meanwhile
		_ = op.s.release()
	}
	x.mu.Unlock()
	if old != nil {
		_ = old.release()
	}
	close(op.done)
}

// note says when to look again.
func (o *opened) note(op *opening) {
	if o.current != op.now {
		o.pause = 0
	}
	o.current, o.err, o.again = op.now, op.err, time.Time{}
	if op.err == nil && op.s.vectorErr == nil && op.s.keywordErr == nil {
		o.pause = 0
		return
	}
	o.pause = min(max(2*o.pause, firstPause), longestPause)
	o.again = time.Now().Add(o.pause)
}

// safely makes a panic, which damaged files may cause, an error: beside a search
// nobody else would catch it.
func safely[T any](open func() (T, error)) (opened T, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	return open()
}

var errPanic = errors.New("panic")

func panicked(v any) error { return fmt.Errorf("%w: %v", errPanic, v) }
