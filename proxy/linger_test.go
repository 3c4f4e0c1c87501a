package proxy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		linger(t.Context())
		if got := time.Since(begin); got != lingering {
			t.Errorf("waited %s for a client that reads, want %s", got, lingering)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin = time.Now()
		linger(ctx)
		if got := time.Since(begin); got != 0 {
			t.Errorf("waited %s for a client that went, want not at all", got)
		}
	})
}
