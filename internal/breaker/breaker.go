// Package breaker stops asking an upstream that has failed several times in a
// row, so that a dead one costs no request its deadline (circuit breaker: M.
// Nygard, Release It!). After a while one request tries again.
package breaker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"
)

// ErrOpen says that the upstream was not asked.
var ErrOpen = errors.New("circuit open")

// Options configure a [Breaker].
type Options struct {
	Name     string        // of the upstream, in the log and in errors
	Failures int           // in a row, that open it; below 1 it never opens
	OpenFor  time.Duration // until one request tries again; above 0
	Logger   *slog.Logger  // is told when it opens and closes; nil is none
}

// Breaker counts the failures of one upstream; safe for concurrent use. A nil
// one lets everything through.
type Breaker struct {
	circuit *gobreaker.CircuitBreaker[struct{}]
	opts    Options
}

// New makes a breaker that is closed, nil where the options say that it never
// opens.
func New(opts Options) *Breaker {
	if opts.Failures < 1 {
		return nil
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Breaker{opts: opts}
	b.circuit = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:          opts.Name,
		Timeout:       opts.OpenFor,
		ReadyToTrip:   func(c gobreaker.Counts) bool { return int64(c.ConsecutiveFailures) >= int64(opts.Failures) },
		IsExcluded:    func(err error) bool { return errors.As(err, new(*uncounted)) },
		OnStateChange: b.tell,
	})
	return b
}

// Do calls work, or returns [ErrOpen] without calling it. Of work's errors those
// count that are neither [Uncounted] nor from a caller who went away: ctx is
// then cancelled; one past its deadline counts.
func (b *Breaker) Do(ctx context.Context, work func() error) error {
	if b == nil {
		return work()
	}
	_, err := b.circuit.Execute(func() (struct{}, error) {
		err := work()
		if err != nil && errors.Is(ctx.Err(), context.Canceled) {
			err = Uncounted(err)
		}
		return struct{}{}, err
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return fmt.Errorf("%w: %s failed %d times in a row and is not asked for %s", ErrOpen, b.opts.Name, b.opts.Failures, b.opts.OpenFor)
	}
	return err
}

type uncounted struct{ error }

func (e *uncounted) Unwrap() error { return e.error }

// Uncounted marks an error that says nothing about the upstream's health: it is
// about this request or this client. nil stays nil.
func Uncounted(err error) error {
	if err == nil {
		return nil
	}
	return &uncounted{err}
}

func (b *Breaker) tell(name string, _, to gobreaker.State) {
	switch to {
	case gobreaker.StateOpen:
		b.opts.Logger.Warn("circuit opened", "upstream", name, "open_for", b.opts.OpenFor)
	case gobreaker.StateClosed:
		b.opts.Logger.Info("circuit closed", "upstream", name)
	}
}
