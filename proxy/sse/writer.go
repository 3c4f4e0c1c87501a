package sse

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// Writer writes a response's event stream. A mutex lets the keep-alive timer
// write beside the relay; all else is one goroutine's.
type Writer struct {
	buffers *Buffers
	to      io.Writer

	mu    sync.Mutex
	buf   *bufio.Writer // nil while nothing waits to be sent: most streams wait for upstream
	flush func() error
	err   error // the first one; the client has gone

	boundary bool // the last thing written ended an event
	last     time.Time
	timer    *time.Timer
	every    time.Duration
	stopped  bool
}

// NewWriter writes to w, whose headers the caller sets. keepAlive is the
// silence after which a comment is written, once [Writer.KeepAlive] is
// called; 0 means never. buffers may be nil. Close must be called.
func NewWriter(w http.ResponseWriter, keepAlive time.Duration, buffers *Buffers) *Writer {
	if buffers == nil {
		buffers = &Buffers{}
	}
	rc := http.NewResponseController(w)
	return &Writer{buffers: buffers, to: w, flush: rc.Flush, boundary: true, every: keepAlive}
}

// Line writes a line as it is. It becomes visible to the client with the next
// Flush at the latest.
func (w *Writer) Line(line []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.write(line)
	w.boundary = Blank(line)
}

// Event writes a data line with an empty line behind it.
func (w *Writer) Event(payload []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.write(dataPrefix)
	w.write([]byte{' '})
	w.write(payload)
	w.write([]byte("\n\n"))
	w.boundary = true
}

func (w *Writer) write(b []byte) {
	if w.err != nil {
		return
	}
	if w.buf == nil {
		w.buf = w.buffers.writer(w.to)
	}
	_, w.err = w.buf.Write(b)
}

// Flush sends what is written, the response's headers included, and returns
// the first error of the stream.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flushLocked()
}

func (w *Writer) flushLocked() error {
	if w.err == nil && w.buf != nil {
		w.err = w.buf.Flush()
	}
	w.release()
	if w.err == nil {
		w.err = w.flush()
	}
	w.last = time.Now()
	return w.err
}

// release gives the buffer back, with what was not sent.
func (w *Writer) release() {
	if w.buf != nil {
		w.buffers.putWriter(w.buf)
		w.buf = nil
	}
}

// Boundary says whether the next event can begin without an empty line first.
func (w *Writer) Boundary() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.boundary
}

// KeepAlive starts the comments that fill silences.
func (w *Writer) KeepAlive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.every <= 0 || w.timer != nil || w.stopped {
		return
	}
	w.last = time.Now()
	w.timer = time.AfterFunc(w.every, w.tick)
}

// tick is the timer's. The timer is not moved with each write (that would
// cost every delta): it looks at how long the silence was and comes back when
// the rest of it is over.
func (w *Writer) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped || w.err != nil {
		return
	}
	silence := time.Since(w.last)
	if silence < w.every {
		w.timer.Reset(w.every - silence)
		return
	}
	if w.boundary { // never inside an event
		w.write([]byte(": keep-alive\n\n"))
		w.flushLocked()
	}
	w.last = time.Now()
	w.timer.Reset(w.every)
}

// errClosed is what writing to a closed Writer gives.
var errClosed = errors.New("the stream is closed")

// Close stops the keep-alive and gives the buffer back; what was not flushed
// is lost, and nothing can be written afterwards.
func (w *Writer) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	w.stopped = true
	w.err = errClosed
	w.release()
	if w.timer != nil {
		w.timer.Stop()
	}
}
