package breaker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var errDead = errors.New("connection refused")

// breakerTest has a breaker of three failures and a minute, and counts what
// gets through.
type breakerTest struct {
	*Breaker
	calls int
	log   bytes.Buffer
}

func newTest() *breakerTest {
	b := &breakerTest{}
	b.Breaker = New(Options{Name: "embedder", Failures: 3, OpenFor: time.Minute, Logger: slog.New(slog.NewTextHandler(&b.log, nil))})
	return b
}

func (b *breakerTest) do(ctx context.Context, err error) error {
	return b.Do(ctx, func() error { b.calls++; return err })
}

// want asks with a work that succeeds.
func (b *breakerTest) want(t *testing.T, open bool) {
	t.Helper()
	before := b.calls
	err := b.do(t.Context(), nil)
	if errors.Is(err, ErrOpen) != open || (b.calls == before) != open {
		t.Errorf("got %v and %d calls, want open %t", err, b.calls-before, open)
	}
}

func TestOpensAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTest()
		for range 3 {
			if err := b.do(t.Context(), errDead); !errors.Is(err, errDead) {
				t.Errorf("got %v, want the work's own error", err)
			}
		}
		b.want(t, true)
		time.Sleep(59 * time.Second)
		b.want(t, true)
		time.Sleep(2 * time.Second)
		if err := b.do(t.Context(), errDead); !errors.Is(err, errDead) { // the one that tries
			t.Errorf("got %v, want the work's own error", err)
		}
		b.want(t, true)
		time.Sleep(61 * time.Second)
		b.want(t, false)
		b.want(t, false)
		if got := strings.Count(b.log.String(), "circuit opened"); got != 2 || strings.Count(b.log.String(), "circuit closed") != 1 {
			t.Errorf("got the log\n%s\nwant it opened twice and closed once", b.log.String())
		}
	})
}

// TestOneRequestTries: the others are told at once.
func TestOneRequestTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTest()
		for range 3 {
			b.do(t.Context(), errDead)
		}
		time.Sleep(61 * time.Second)
		hold, ended := make(chan struct{}), make(chan error)
		go func() { ended <- b.Do(t.Context(), func() error { <-hold; return nil }) }()
		synctest.Wait()
		b.want(t, true)
		close(hold)
		if err := <-ended; err != nil {
			t.Errorf("the one that tries: %v", err)
		}
		b.want(t, false)
	})
}

func TestWhatCounts(t *testing.T) {
	late := func(ctx context.Context) context.Context {
		ctx, cancel := context.WithTimeoutCause(ctx, 0, errors.New("late"))
		cancel()
		return ctx
	}
	gone := func(ctx context.Context) context.Context {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return ctx
	}
	same := func(ctx context.Context) context.Context { return ctx }
	for _, tt := range []struct {
		name  string
		ctx   func(context.Context) context.Context
		err   error
		opens bool
	}{
		{"failure", same, errDead, true},
		{"deadline", late, context.DeadlineExceeded, true},
		{"client went", gone, context.Canceled, false},
		{"client went, in other words", gone, errDead, false},
		{"about the client", same, fmt.Errorf("ask: %w", Uncounted(errDead)), false},
		{"success", same, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newTest()
			for range 9 {
				if err := b.do(tt.ctx(t.Context()), tt.err); !errors.Is(err, ErrOpen) && !errors.Is(err, tt.err) {
					t.Errorf("got %v, want %v", err, tt.err)
				}
			}
			b.want(t, tt.opens)
		})
	}
}

func TestSuccessBetweenFailures(t *testing.T) {
	b := newTest()
	for range 9 {
		b.do(t.Context(), errDead)
		b.do(t.Context(), errDead)
		b.do(t.Context(), nil)
	}
	b.want(t, false)
}

// TestUncountedLeavesTheCount: neither a failure nor the success that would
// forgive the others.
func TestUncountedLeavesTheCount(t *testing.T) {
	b := newTest()
	for range 3 {
		b.do(t.Context(), errDead)
		b.do(t.Context(), Uncounted(errDead))
	}
	b.want(t, true)
}

func TestOff(t *testing.T) {
	b := &breakerTest{Breaker: New(Options{})}
	for range 99 {
		b.do(t.Context(), errDead)
	}
	b.want(t, false)
	if Uncounted(nil) != nil {
		t.Error("nil became an error")
	}
}
