package access

import (
	"context"
	"errors"
	"math"
	"time"

	"golang.org/x/time/rate"
)

// Rates bound what one client takes; 0 is no bound.
type Rates struct {
	RPM         int // requests a minute
	TPM         int // tokens a minute
	Concurrency int // requests at a time
}

func (k Key) rates(defaults Rates) Rates {
	r := Rates{k.RPM, k.TPM, k.Concurrency}
	if r.RPM == 0 {
		r.RPM = defaults.RPM
	}
	if r.TPM == 0 {
		r.TPM = defaults.TPM
	}
	if r.Concurrency == 0 {
		r.Concurrency = defaults.Concurrency
	}
	return r
}

// Meter holds one client to its rates; safe for concurrent use. A minute's
// worth can be taken at once and comes back evenly.
type Meter struct {
	rates            Rates
	requests, tokens *rate.Limiter // nil without a bound
	slots            Slots
}

func newMeter(r Rates) *Meter {
	return &Meter{rates: r, requests: perMinute(r.RPM), tokens: perMinute(r.TPM), slots: NewSlots(r.Concurrency)}
}

// NewMeter is a meter for clients without a key; nil if nothing is bounded.
func NewMeter(r Rates) *Meter {
	if r == (Rates{}) {
		return nil
	}
	return newMeter(r)
}

func perMinute(n int) *rate.Limiter {
	if n == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(float64(n)/60), n)
}

// LimitError is a request that goes over a rate.
type LimitError struct {
	What  string // "requests" or "tokens"
	Limit int    // a minute
	// Retry is when it would pass, above 0; 0 if it never will, being larger
	// than a minute's worth.
	Retry time.Duration
}

func (e *LimitError) Error() string { return e.What + " a minute are used up" }

// Request takes one request, or gives a [*LimitError].
func (m *Meter) Request() error {
	if m.requests == nil {
		return nil
	}
	return take(m.requests, "requests", m.rates.RPM, 1)
}

// Tokens takes the n tokens of a request, or gives a [*LimitError].
func (m *Meter) Tokens(n int) error {
	if m.tokens == nil {
		return nil
	}
	return take(m.tokens, "tokens", m.rates.TPM, n)
}

func take(l *rate.Limiter, what string, limit, n int) error {
	now := time.Now()
	switch {
	case l.AllowN(now, n):
		return nil
	case n > limit:
		return &LimitError{What: what, Limit: limit}
	}
	return &LimitError{what, limit, max(time.Millisecond, until(l, now, float64(n)))}
}

// until is how long it takes to have n.
func until(l *rate.Limiter, now time.Time, n float64) time.Duration {
	missing := n - l.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / float64(l.Limit()) * float64(time.Second))
}

// CountsTokens says whether tokens are bounded, and to how many a minute.
func (m *Meter) CountsTokens() (limit int, ok bool) { return m.rates.TPM, m.tokens != nil }

// Charge takes what turned out to be needed beyond what Tokens took: it may
// leave a debt, which the next requests wait for.
func (m *Meter) Charge(n int) {
	if m.tokens == nil {
		return
	}
	now := time.Now()
	for n > 0 { // a limiter takes no more than its burst at a time
		part := min(n, m.rates.TPM)
		m.tokens.ReserveN(now, part)
		n -= part
	}
}

// Standing is what is left of one rate.
type Standing struct {
	What             string // "requests" or "tokens"
	Limit, Remaining int
	Reset            time.Duration // until all of it is back
}

// Standings are those of the bounded rates.
func (m *Meter) Standings() []Standing {
	var out []Standing
	now := time.Now()
	if m.requests != nil {
		out = append(out, standing(m.requests, now, "requests", m.rates.RPM))
	}
	if m.tokens != nil {
		out = append(out, standing(m.tokens, now, "tokens", m.rates.TPM))
	}
	return out
}

func standing(l *rate.Limiter, now time.Time, what string, limit int) Standing {
	return Standing{what, limit, max(0, int(math.Floor(l.TokensAt(now)))), until(l, now, float64(limit))}
}

// Slots are the client's requests at a time.
func (m *Meter) Slots() Slots { return m.slots }

// Slots let so many through at a time, the others in the order in which they
// came; nil lets all through.
type Slots chan struct{}

// NewSlots makes n slots; 0 is no bound.
func NewSlots(n int) Slots {
	if n == 0 {
		return nil
	}
	return make(Slots, n)
}

// ErrBusy says that no slot was free in time.
var ErrBusy = errors.New("too many requests at a time")

// Take waits for a slot, at most for patience; release gives it back. The
// error is ErrBusy or the context's.
func (s Slots) Take(ctx context.Context, patience time.Duration) (release func(), err error) {
	if s == nil {
		return func() {}, nil
	}
	release = func() { <-s }
	select {
	case s <- struct{}{}:
		return release, nil
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case s <- struct{}{}:
		return release, nil
	case <-timer.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
