package sse

import (
	"bufio"
	"io"
	"sync"
)

// The sizes let a burst of a hundred deltas, about 20 KB, go out in one write,
// and keep hundreds of streams side by side small.
const (
	readSize  = 16 << 10
	writeSize = 32 << 10
)

// Buffers are the read and write buffers of streams, used again when a stream
// is over: allocated anew for each they are two thirds of all that a relay
// allocates. The zero value is ready; safe for concurrent use.
type Buffers struct {
	readers, writers sync.Pool
}

func (b *Buffers) reader(r io.Reader) *bufio.Reader {
	if br, ok := b.readers.Get().(*bufio.Reader); ok {
		br.Reset(r)
		return br
	}
	return bufio.NewReaderSize(r, readSize)
}

func (b *Buffers) putReader(br *bufio.Reader) {
	br.Reset(nil)
	b.readers.Put(br)
}

func (b *Buffers) writer(w io.Writer) *bufio.Writer {
	if bw, ok := b.writers.Get().(*bufio.Writer); ok {
		bw.Reset(w)
		return bw
	}
	return bufio.NewWriterSize(w, writeSize)
}

func (b *Buffers) putWriter(bw *bufio.Writer) {
	bw.Reset(nil)
	b.writers.Put(bw)
}
