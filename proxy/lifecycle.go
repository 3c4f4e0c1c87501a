package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Timeouts bound connections and the server's end; 0 is the default that is
// named. They hold in [Server.Serve].
type Timeouts struct {
	Header time.Duration // a request's header must be there; 10 s
	Idle   time.Duration // a connection without a request is closed; 2 min
	Write  time.Duration // each 64 KiB of an answer must be taken; 0 is no bound
	// ShutdownDelay is how long requests are served on while /readyz says that
	// the end is near, Drain how long running ones may take afterwards; 0 s, 30 s.
	ShutdownDelay, Drain time.Duration
}

// Serve answers on l until ctx is done. Then /readyz says so on a listener
// that is still open, new requests are refused after the shutdown delay, and
// the running ones may finish until the drain's end.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	t := s.opts.Timeouts
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: cmp.Or(t.Header, 10*time.Second),
		IdleTimeout:       cmp.Or(t.Idle, 2*time.Minute),
		MaxHeaderBytes:    s.opts.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelDebug),
	}
	if t.Write > 0 {
		l = timedListener{l, t.Write}
	}
	if s.opts.TLS != nil { // outermost: net/http looks for it there
		l = tls.NewListener(l, s.opts.TLS)
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.drain(t)
	err := s.shutdown(srv)
	<-failed
	s.client.CloseIdleConnections()
	return err
}

// drain waits for the running requests.
func (s *Server) drain(t Timeouts) {
	s.stopping.Store(true)
	if t.ShutdownDelay > 0 {
		<-time.After(t.ShutdownDelay)
	}
	select {
	case <-s.running.close():
	case <-time.After(cmp.Or(t.Drain, 30*time.Second)):
		s.opts.Logger.Warn("running requests cut off", "drain_timeout", t.Drain)
	}
}

// shutdown closes the listener and what is left. The last answers are still
// being written.
func (s *Server) shutdown(srv *http.Server) error {
	late, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := srv.Shutdown(late)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	return err
}

// running counts the requests that a shutdown waits for.
type running struct {
	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // made by close
}

// begin says whether one more may begin; then end must be called.
func (r *running) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.n++
	return true
}

func (r *running) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n--; r.n == 0 && r.closed {
		close(r.idle)
	}
}

// close lets no more begin; the channel is closed when all have ended.
func (r *running) close() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.idle = true, make(chan struct{})
	if r.n == 0 {
		close(r.idle)
	}
	return r.idle
}
