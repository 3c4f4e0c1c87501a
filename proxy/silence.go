package proxy

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// silenceTransport ends answers whose upstream has fallen silent: comments keep
// the client's connection, so nobody else would.
type silenceTransport struct {
	*http.Transport
	after time.Duration
}

// RoundTrip implements http.RoundTripper.
func (t silenceTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.Transport.RoundTrip(r)
	if err != nil || resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, err
	}
	b := &silenceBody{ReadCloser: resp.Body, after: t.after}
	b.timer = time.AfterFunc(t.after, b.look)
	resp.Body = b
	return resp, nil
}

// silenceBody closes a body of which nothing came from one look of its timer to
// the next, so after one to two times that long. To set the timer again with
// every read would cost more than the reads that it is there for.
type silenceBody struct {
	io.ReadCloser
	after  time.Duration
	timer  *time.Timer
	reads  atomic.Uint32
	looked uint32 // reads at the last look
	silent atomic.Bool
}

// Read implements io.Reader.
func (b *silenceBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.reads.Add(1)
	if err != nil && b.silent.Load() {
		err = silenceError{b.after}
	}
	return n, err
}

// Close implements io.Closer.
func (b *silenceBody) Close() error {
	b.timer.Stop()
	return b.ReadCloser.Close()
}

func (b *silenceBody) look() {
	if reads := b.reads.Load(); reads != b.looked {
		b.looked = reads
		b.timer.Reset(b.after)
		return
	}
	b.silent.Store(true)
	b.ReadCloser.Close() // the read that waits ends with an error
}

type silenceError struct{ after time.Duration }

func (e silenceError) Error() string { return fmt.Sprintf("nothing came for %s", e.after) }
func (silenceError) Timeout() bool   { return true }
