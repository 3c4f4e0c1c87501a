package proxy

import (
	"context"
	"time"
)

// lingering is how long what was sent may travel before the connection is
// cut.
const lingering = 150 * time.Millisecond

// linger waits before a connection is cut, unless the client has gone.
// Browsers throw away what a page has not read yet when the connection breaks:
// the last words of an answer, and the error event that says why.
func linger(ctx context.Context) {
	t := time.NewTimer(lingering)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
