package index

import (
	"context"
	"time"
)

// legAnswer is what a leg found, with what the other one needs to know.
type legAnswer struct {
	Leg
	vector []float32 // of the query
	embed  Embed
}

// grace is how long a leg that ends with its context has for its own words.
const grace = 100 * time.Millisecond

// start asks a leg beside the search, with a reference of its own: an engine
// whose disk hangs may go on after the search's end. The result gives the
// answer, or ctx's error a little after its end.
func (s *snapshot) start(ctx context.Context, allow bits, search func(a *legAnswer) ([]Match, error)) func() legAnswer {
	s.acquire() // the caller holds one, so this one is had
	done, begin := make(chan legAnswer, 1), time.Now()
	go func() {
		defer s.release()
		done <- s.ask(allow, search)
	}()
	return func() legAnswer {
		select {
		case a := <-done:
			return a
		case <-ctx.Done():
		}
		select {
		case a := <-done:
			return a
		case <-time.After(grace):
			return legAnswer{Leg: Leg{Err: context.Cause(ctx), Took: time.Since(begin)}}
		}
	}
}

// ask makes an engine's panic its leg's error: nobody else would catch it.
func (s *snapshot) ask(allow bits, search func(a *legAnswer) ([]Match, error)) (a legAnswer) {
	begin := time.Now()
	defer func() {
		if v := recover(); v != nil {
			a = legAnswer{Leg: Leg{Err: panicked(v)}}
		}
		a.Took = time.Since(begin)
	}()
	matches, err := search(&a)
	if err == nil {
		a.Hits, err = s.hits(matches, allow)
	}
	a.Err = err
	return a
}
