package minilm

import (
	"runtime"
	"sync/atomic"
)

// crew is who works at a forward pass: one lane, and perhaps a helper. A step
// of the pass takes some 30 µs, too little for a goroutine to sleep and wake, so
// the helper spins between steps. A step waits for the helper only while that is
// at a task, never for it to come.
type crew struct {
	lane *lane
	// steps is where the helper finds the next step; nil without a helper.
	steps *atomic.Pointer[step]
}

// step is a number of tasks that anyone may do in any order.
type step struct {
	do             func(on *lane, task int)
	tasks          int64
	next, finished atomic.Int64
}

// each calls do for the tasks 0 to n-1 and returns when all are done.
func (c *crew) each(n int, do func(on *lane, task int)) {
	if c.steps == nil {
		for task := range n {
			do(c.lane, task)
		}
		return
	}
	s := &step{do: do, tasks: int64(n)}
	c.steps.Store(s)
	s.work(c.lane)
	for spins := 1; s.finished.Load() < s.tasks; spins++ {
		pause(spins)
	}
}

func (s *step) work(on *lane) {
	for task := s.next.Add(1) - 1; task < s.tasks; task = s.next.Add(1) - 1 {
		s.do(on, int(task))
		s.finished.Add(1)
	}
}

// start starts a helper; it calls ended, maybe later, once stop was called.
func (c *crew) start(on *lane, ended func()) (stop func()) {
	steps, noMore := new(atomic.Pointer[step]), new(step)
	go func() {
		defer ended()
		var last *step
		for spins := 1; last != noMore; spins++ {
			s := steps.Load()
			if s == last {
				pause(spins)
				continue
			}
			s.work(on)
			last, spins = s, 0
		}
	}()
	c.steps = steps
	return func() {
		c.steps = nil
		steps.Store(noMore)
	}
}

// pause gives way to other goroutines now and then.
func pause(spins int) {
	if spins%128 == 0 {
		runtime.Gosched()
	}
}
