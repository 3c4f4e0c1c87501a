package vector

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/ragproxy/ragproxy/index"
)

// The file graph.hnsw is coder/hnsw's Export stream, encoding version 1, which
// its Import reads, and then a trailer of ours, which it leaves unread:
//
//	"RPHNSW1\n"  the length of the stream, uint64  CRC-32C of all before, uint32
//
// The stream, where int is a signed varint and all else little-endian:
//
//	1 int, M int, Ml float64, EfSearch int, len int, "cosine", layers int,
//	each layer from the bottom: nodes int,
//	each node by row: row int, dims int, dims*float32, links int, links*(row int)
//
// The format needs the vectors; they are the matrix's, for a second time.
const (
	trailerMagic  = "RPHNSW1\n"
	trailerLength = len(trailerMagic) + 8 + 4
	streamVersion = 1
	distanceName  = "cosine"
)

// encode returns the stream of the graph.
func (g *graph) encode(width int) []byte {
	layers := 0
	if g.entry >= 0 {
		layers = len(g.links[g.entry])
	}
	b := binary.AppendVarint(nil, streamVersion)
	b = binary.AppendVarint(b, graphLinks)
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(1.0/graphLinks))
	b = binary.AppendVarint(b, int64(width))
	b = binary.AppendVarint(b, int64(len(distanceName)))
	b = append(b, distanceName...)
	b = binary.AppendVarint(b, int64(layers))
	for layer := range layers {
		b = g.appendLayer(b, layer)
	}
	return b
}

func (g *graph) appendLayer(b []byte, layer int) []byte {
	nodes := 0
	for _, links := range g.links {
		if len(links) > layer {
			nodes++
		}
	}
	b = binary.AppendVarint(b, int64(nodes))
	for row, links := range g.links {
		if len(links) <= layer {
			continue
		}
		b = binary.AppendVarint(b, int64(row))
		b = binary.AppendVarint(b, int64(g.m.Dims))
		for _, x := range g.m.Row(row) {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
		b = binary.AppendVarint(b, int64(len(links[layer])))
		for _, l := range links[layer] {
			b = binary.AppendVarint(b, int64(l.row))
		}
	}
	return b
}

// seal appends the trailer to a stream.
func seal(stream []byte) []byte {
	n := len(stream)
	b := append(stream, trailerMagic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(n))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// unseal returns the stream if the file is whole.
func unseal(file []byte) ([]byte, error) {
	n := len(file) - trailerLength
	if n < 0 || !bytes.HasPrefix(file[n:], []byte(trailerMagic)) {
		return nil, errors.New("its end is missing: it is cut short or no graph")
	}
	sum := binary.LittleEndian.Uint32(file[len(file)-4:])
	if crc32.Checksum(file[:len(file)-4], crc32.MakeTable(crc32.Castagnoli)) != sum {
		return nil, errors.New("its checksum does not match")
	}
	if binary.LittleEndian.Uint64(file[n+len(trailerMagic):]) != uint64(n) {
		return nil, errors.New("its length does not match")
	}
	return file[:n], nil
}

// stream reads an Export stream to check it; the first error sticks.
type stream struct {
	b   []byte
	err error
}

var errShort = errors.New("it ends too early")

func (s *stream) int(limit int) int {
	v, n := binary.Varint(s.b)
	switch {
	case s.err != nil:
	case n <= 0:
		s.err = errShort
	case v < 0 || v > int64(limit):
		s.err = fmt.Errorf("number %d is out of range 0 to %d", v, limit)
	default:
		s.b = s.b[n:]
		return int(v)
	}
	return 0
}

func (s *stream) bytes(n int) []byte {
	if s.err == nil && n > len(s.b) {
		s.err = errShort
	}
	if s.err != nil {
		return nil
	}
	head := s.b[:n]
	s.b = s.b[n:]
	return head
}

func (s *stream) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

// checkStream makes sure that Import and Search cannot fail or panic on the
// stream, and that it is the graph of these very vectors: members names the
// rows that must be in it.
func checkStream(data []byte, m index.Matrix, members []bool) error {
	s := &stream{b: data}
	if v := s.int(math.MaxInt32); v != streamVersion {
		s.fail("its version is %d, want %d", v, streamVersion)
	}
	s.int(math.MaxInt32) // M
	s.bytes(8)           // Ml
	s.int(math.MaxInt32) // EfSearch
	if name := s.bytes(s.int(len(distanceName))); string(name) != distanceName {
		s.fail("its distance is %q, want %q", name, distanceName)
	}
	layers := s.int(64)
	below := members
	for layer := range layers {
		at := s.layer(m, below)
		if layer == 0 && s.err == nil && !equal(at, members) {
			s.fail("it lacks rows of the matrix")
		}
		below = at
	}
	if layers == 0 && !equal(make([]bool, len(members)), members) {
		s.fail("it is empty")
	}
	if len(s.b) > 0 {
		s.fail("%d bytes are left over", len(s.b))
	}
	return s.err
}

// layer checks one layer and returns its rows, which must be among those of
// the layer below.
func (s *stream) layer(m index.Matrix, below []bool) []bool {
	at, linked := make([]bool, m.Rows()), make([]bool, m.Rows())
	nodes := s.int(m.Rows())
	if nodes == 0 {
		s.fail("a layer is empty")
	}
	for range nodes {
		if s.err != nil {
			return at
		}
		row := s.int(m.Rows() - 1)
		if s.err != nil || at[row] || !below[row] {
			s.fail("row %d does not belong there", row)
			return at
		}
		at[row] = true
		if dims := s.int(m.Dims); dims != m.Dims || !sameVector(s.bytes(4*dims), m.Row(row)) {
			s.fail("row %d has another vector than the matrix: the graph is of another build", row)
		}
		for range s.int(m.Rows()) {
			to := s.int(m.Rows() - 1)
			if s.err != nil {
				return at
			}
			linked[to] = true
		}
	}
	for row := range linked {
		if linked[row] && !at[row] {
			s.fail("a link leads to row %d, which is not in the layer", row)
		}
	}
	return at
}

func sameVector(b []byte, v []float32) bool {
	for i, x := range v {
		if len(b) < 4*(i+1) || binary.LittleEndian.Uint32(b[4*i:]) != math.Float32bits(x) {
			return false
		}
	}
	return true
}

func equal(a, b []bool) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
