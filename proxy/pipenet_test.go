package proxy

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
)

// pipeNet is a network of hosts in memory. Real servers and clients of net/http
// run on it in the fake time of a synctest bubble, where a real network would
// stop the clock. The zero value has no host, which refuses every connection.
type pipeNet struct {
	mu    sync.Mutex
	hosts map[string]*pipeListener
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

func (n *pipeNet) listen(host string) *pipeListener {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts == nil {
		n.hosts = map[string]*pipeListener{}
	}
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	n.hosts[host+":80"] = l
	return l
}

// dial is for http.Transport.
func (n *pipeNet) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.hosts[address]
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "pipe", Addr: pipeAddr{}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	if l == nil {
		return nil, refused
	}
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve has a handler answer for a host until the test ends.
func (n *pipeNet) serve(t testing.TB, host string, h http.Handler) {
	srv := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan struct{})
	l := n.listen(host)
	go func() {
		defer close(ended)
		srv.Serve(l) // ends with Close
	}()
	t.Cleanup(func() {
		srv.Close()
		<-ended
	})
}

// client is a client on the network.
func (n *pipeNet) client(t testing.TB) *http.Client {
	client := NewHTTPClient()
	transport := client.Transport.(*http.Transport)
	transport.Proxy, transport.DialContext = nil, n.dial
	t.Cleanup(transport.CloseIdleConnections)
	return client
}
