package minilm

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/ragproxy/ragproxy/internal/simd"
)

// Every task is done once before each returns, by one lane at a time.
func TestCrewDoesEachTaskOnce(t *testing.T) {
	own, other := newLane(simd.Go), newLane(simd.Go)
	c := &crew{lane: own}
	ended := make(chan struct{})
	stop := c.start(other, func() { close(ended) })
	var byHelper atomic.Int64
	for range 2000 {
		done := make([]int, 20)
		c.each(len(done), func(on *lane, task int) {
			done[task]++
			on.scores[0]++ // a race if two share a lane
			if on == other {
				byHelper.Add(1)
			}
		})
		for task, times := range done {
			if times != 1 {
				t.Fatalf("task %d was done %d times, want once", task, times)
			}
		}
	}
	stop()
	<-ended
	if c.steps != nil {
		t.Error("got steps after stop, want none")
	}
	t.Logf("the helper did %d of 40000 tasks", byHelper.Load())
}

func TestQueryGivesTheHelpersSlotBack(t *testing.T) {
	e := newEmbedder(t, Options{Workers: 2})
	for i := range 20 {
		if _, err := e.EmbedQuery(t.Context(), fmt.Sprint("query ", i)); err != nil {
			t.Fatal(err)
		}
	}
	a, b := <-e.queries, <-e.queries // blocks if one was lost
	if a == nil || b == nil || a == b {
		t.Errorf("got slots %p and %p, want two that were used", a, b)
	}
}
