package proxy

import (
	"net"
	"sync/atomic"
	"time"
)

// timedListener bounds how long a client may take nothing of what is written
// to it, for all answers alike. http.Server's WriteTimeout would bound the
// whole answer, and streams are long.
type timedListener struct {
	net.Listener
	timeout time.Duration
}

func (l timedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &timedConn{Conn: conn, timeout: l.timeout}, nil
}

// timedConn does not embed a *net.TCPConn: its ReadFrom would pass Write by.
type timedConn struct {
	net.Conn
	timeout time.Duration
	set     atomic.Int64 // when the deadline was set, Unix nanoseconds; 0: it is not
}

// writeAtOnce is what must be taken within the timeout.
const writeAtOnce = 64 << 10

// Write moves the deadline only where half of it is over: moving it costs more
// than looking at the clock.
func (c *timedConn) Write(p []byte) (n int, err error) {
	for {
		if now := time.Now(); now.UnixNano()-c.set.Load() > int64(c.timeout/2) {
			if err := c.Conn.SetWriteDeadline(now.Add(c.timeout)); err != nil {
				return n, err
			}
			c.set.Store(now.UnixNano())
		}
		k, err := c.Conn.Write(p[:min(len(p), writeAtOnce)])
		n += k
		if p = p[k:]; err != nil || len(p) == 0 {
			return n, err
		}
	}
}

// SetWriteDeadline is for net/http, which resets deadlines between requests.
func (c *timedConn) SetWriteDeadline(t time.Time) error {
	c.set.Store(0)
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline sets both.
func (c *timedConn) SetDeadline(t time.Time) error {
	c.set.Store(0)
	return c.Conn.SetDeadline(t)
}

// CloseWrite lets net/http end an answer before a request that is not read to
// its end, without a reset that could overtake the answer.
func (c *timedConn) CloseWrite() error {
	if conn, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return conn.CloseWrite()
	}
	return nil
}
