// Package sse reads and writes server-sent events as bytes (WHATWG HTML,
// "Server-sent events"). It never parses what it only passes on: lines come
// and go with their terminators, and comments, ids and unknown fields are
// lines like any other.
package sse

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// Reader cuts a stream into lines of any length. Not safe for concurrent use.
type Reader struct {
	buffers *Buffers
	r       *bufio.Reader
	long    []byte // a line longer than the buffer, gathered
}

// NewReader reads from r through one of the buffers, which may be nil. Close
// gives it back.
func NewReader(r io.Reader, buffers *Buffers) *Reader {
	if buffers == nil {
		buffers = &Buffers{}
	}
	return &Reader{buffers: buffers, r: buffers.reader(r)}
}

// Close gives the buffer back; the reader and its last line are not valid any
// more. It does not close what is read.
func (r *Reader) Close() {
	if r.r != nil {
		r.buffers.putReader(r.r)
		r.r = nil
	}
}

// Next returns the next line with its terminator ("\n" or "\r\n"), or, at the
// end of the stream, what is left without one. It is valid until the next
// call. At the end the error is io.EOF, or whatever cut the stream; a last
// unterminated line comes before it, with a nil error.
func (r *Reader) Next() ([]byte, error) {
	line, err := r.r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return partial(line, err)
	}
	r.long = append(r.long[:0], line...)
	for {
		line, err = r.r.ReadSlice('\n')
		r.long = append(r.long, line...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return partial(r.long, err)
		}
	}
}

// partial holds an error back while there is a line to hand over; the reader
// below repeats it at the next call.
func partial(line []byte, err error) ([]byte, error) {
	if len(line) > 0 {
		return line, nil
	}
	return nil, err
}

// Buffered says whether more bytes are at hand without waiting for the
// network: the moment to flush is when there are none.
func (r *Reader) Buffered() bool { return r.r.Buffered() > 0 }

// Terminated says whether a line ends in a line feed.
func Terminated(line []byte) bool { return len(line) > 0 && line[len(line)-1] == '\n' }

// Data returns the span [from, to) of a data line's payload: behind "data:"
// and one optional space, before the terminator. ok is false for any other
// line.
func Data(line []byte) (from, to int, ok bool) {
	if !bytes.HasPrefix(line, dataPrefix) {
		return 0, 0, false
	}
	from, to = len(dataPrefix), len(line)
	if from < to && line[from] == ' ' {
		from++
	}
	if from < to && line[to-1] == '\n' {
		to--
	}
	if from < to && line[to-1] == '\r' {
		to--
	}
	return from, to, true
}

var dataPrefix = []byte("data:")

// IsDone says whether a data payload is OpenAI's end mark.
func IsDone(payload []byte) bool { return string(bytes.TrimSpace(payload)) == "[DONE]" }

// Blank says whether a line ends an event.
func Blank(line []byte) bool { return string(line) == "\n" || string(line) == "\r\n" }
