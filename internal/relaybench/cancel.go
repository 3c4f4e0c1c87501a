package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"time"
)

// patience is how long an upstream call may outlive its client before the try
// counts as never cancelled.
const patience = 5 * time.Second

// phase is a point of a request at which the client goes.
type phase struct{ name, hang, body string }

func phases() []phase {
	const end = `]}`
	const start = `{"model":"n100","stream":true,"messages":[`
	const asks = `{"role":"user","content":"What does the harbour say?"}`
	return []phase{
		{"in the rewrite", "rewrite", start + asks + `,{"role":"assistant","content":"Nothing."},{"role":"user","content":"And the lantern?"}` + end},
		{"in the embedding", "embedding", start + `{"role":"user","content":"` + hangText + `"}` + end},
		{"before the first token", "first", start + asks + end},
		{"mid-stream", "middle", start + asks + end},
	}
}

// cancels is part f. The upstream of this part is in this process, like the
// client, so that one clock times both ends.
func (b *bench) cancels(ctx context.Context) error {
	stub := newStub()
	srv := httptest.NewServer(stub)
	defer srv.Close()
	p, err := b.serve(ctx, "cancels", srv.URL+"/v1")
	if err != nil {
		return err
	}
	defer p.Stop() // first, so that no call is left to wait for
	for _, ph := range phases() {
		var took []time.Duration
		for range b.plan.cancels {
			d, err := b.leave(ctx, stub, p.URL, ph)
			if err != nil {
				return fmt.Errorf("%s: %w", ph.name, err)
			}
			took = append(took, d)
			if d >= patience {
				break
			}
		}
		b.report.most("f. client gone to upstream cancelled, "+ph.name+", most, ms", "%.1f", millis(slices.Max(took)), 100,
			fmt.Sprintf("median %.2f of %d tries", millis(medianOf(took)), len(took)))
	}
	return nil
}

// leave makes a request, leaves it where the upstream hangs, and returns how
// long the upstream did not know.
func (b *bench) leave(ctx context.Context, s *stub, url string, ph phase) (time.Duration, error) {
	theirs, leave := context.WithCancel(ctx)
	defer leave()
	ended := make(chan error, 1)
	go func() {
		resp, err := b.post(theirs, url+"/chat/completions", []byte(ph.body), ph.hang)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		ended <- err
	}()
	select {
	case <-s.reached:
	case err := <-ended:
		return 0, fmt.Errorf("the answer ended before its upstream call hung: %w", cmp.Or(err, io.EOF))
	case <-time.After(patience):
		return 0, fmt.Errorf("the upstream call was not made")
	}
	time.Sleep(5 * time.Millisecond) // what was flushed arrives
	gone := time.Now()
	leave()
	select {
	case at := <-s.gone:
		<-ended
		return at.Sub(gone), nil
	case <-time.After(patience):
		return patience, nil
	}
}
