package vector

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
)

// The file graph.hnsw is coder/hnsw's Export stream, encoding version 1, which
// its Import reads, and then a trailer of ours, which it leaves unread:
//
//	"RPHNSW2\n"  the CRC-32C of the codes, uint32  the length of the stream,
//	uint64  CRC-32C of all before, uint32
//
// The stream, where int is a signed varint and all else little-endian:
//
//	1 int, M int, Ml float64, EfSearch int, len int, "cosine", layers int,
//	each layer from the bottom: nodes int,
//	each node by row: row int, dims int, dims*float32, links int, links*(row int)
//
// dims is 0: the index has the vectors, and a second copy of them would be nine
// tenths of the file. The top layer holds the entry alone.
const (
	trailerMagic  = "RPHNSW2\n"
	trailerLength = len(trailerMagic) + 4 + 8 + 4
	streamVersion = 1
	distanceName  = "cosine"
	mostLayers    = 64
	mostLinks     = 100 // twice as many fit in the 256 that a walker has room for
)

// encode returns the stream of the graph of the rows that members names.
func (g *graph) encode(members []bool) []byte {
	b := binary.AppendVarint(nil, streamVersion)
	b = binary.AppendVarint(b, graphLinks)
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(1.0/graphLinks))
	b = binary.AppendVarint(b, graphBuild)
	b = binary.AppendVarint(b, int64(len(distanceName)))
	b = append(b, distanceName...)
	if g.entry < 0 {
		return binary.AppendVarint(b, 0)
	}
	b = binary.AppendVarint(b, int64(len(g.layers)+1))
	for l := range g.layers {
		var rows []int32
		for row, member := range members {
			if member && (l == 0 || layerOf(int32(row)) >= l) {
				rows = append(rows, int32(row))
			}
		}
		b = binary.AppendVarint(b, int64(len(rows)))
		for _, row := range rows {
			b = appendNode(b, row, g.layers[l].of(row))
		}
	}
	b = binary.AppendVarint(b, 1)
	return appendNode(b, g.entry, nil)
}

func appendNode(b []byte, row int32, links []int32) []byte {
	b = binary.AppendVarint(b, int64(row))
	b = binary.AppendVarint(b, 0)
	b = binary.AppendVarint(b, int64(len(links)))
	for _, to := range links {
		b = binary.AppendVarint(b, int64(to))
	}
	return b
}

// seal appends the trailer to a stream.
func seal(stream []byte, codes uint32) []byte {
	n := len(stream)
	b := append(stream, trailerMagic...)
	b = binary.LittleEndian.AppendUint32(b, codes)
	b = binary.LittleEndian.AppendUint64(b, uint64(n))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// unseal returns the stream if the file is whole and of these codes.
func unseal(file []byte, codes uint32) ([]byte, error) {
	n := len(file) - trailerLength
	if n < 0 || !bytes.HasPrefix(file[n:], []byte(trailerMagic)) {
		return nil, errors.New("its end is missing: it is cut short, of another version or no graph")
	}
	sum := binary.LittleEndian.Uint32(file[len(file)-4:])
	if crc32.Checksum(file[:len(file)-4], crc32.MakeTable(crc32.Castagnoli)) != sum {
		return nil, errors.New("its checksum does not match")
	}
	end := file[n+len(trailerMagic):]
	if binary.LittleEndian.Uint64(end[4:]) != uint64(n) {
		return nil, errors.New("its length does not match")
	}
	if binary.LittleEndian.Uint32(end) != codes {
		return nil, errors.New("it is the graph of other vectors")
	}
	return file[:n], nil
}

// stream reads an Export stream; the first error sticks.
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

// decode reads the graph of the rows that members names. What it returns leads
// no walk astray: every link goes to a row of the same layer, every row of a
// layer is on those below, the lowest layer has all members, the top layer one.
func decode(data []byte, c *codes, members []bool) (*graph, error) {
	s := &stream{b: data}
	if v := s.int(math.MaxInt32); v != streamVersion {
		s.fail("its version is %d, want %d", v, streamVersion)
	}
	size := s.int(mostLinks)
	s.bytes(8)           // Ml
	s.int(math.MaxInt32) // EfSearch
	if name := s.bytes(s.int(len(distanceName))); string(name) != distanceName {
		s.fail("its distance is %q, want %q", name, distanceName)
	}
	g := &graph{codes: c, entry: -1}
	below, rows := members, 0
	for i := range s.int(mostLayers) {
		var l layer
		if i == 0 {
			l = newLayer(len(members), 2*size)
		} else {
			l = layer{size: size, places: make([]int32, len(members))}
		}
		below, rows = s.layer(&l, below)
		if i == 0 && rows != count(members) {
			s.fail("it lacks rows of the matrix")
		}
		if s.err != nil {
			return nil, s.err
		}
		g.layers = append(g.layers, l)
	}
	switch {
	case s.err != nil:
	case len(s.b) > 0:
		s.fail("%d bytes are left over", len(s.b))
	case len(g.layers) == 0 && count(members) > 0:
		s.fail("it is empty")
	case len(g.layers) == 1 || len(g.layers) > 1 && rows != 1:
		s.fail("its top layer has %d rows, want 1 on a layer of its own", rows)
	case len(g.layers) > 1:
		g.entry = int32(slices.Index(below, true))
		g.layers = g.layers[:len(g.layers)-1]
	}
	return g, s.err
}

// layer reads a layer and returns which rows it has, which must be among those
// of the layer below, and how many.
func (s *stream) layer(l *layer, below []bool) (at []bool, rows int) {
	at = make([]bool, len(below))
	rows = s.int(len(below))
	if rows == 0 {
		s.fail("a layer is empty")
	}
	for range rows {
		row := s.int(len(below) - 1)
		if s.err == nil && (at[row] || !below[row]) {
			s.fail("row %d does not belong there", row)
		}
		if dims := s.int(math.MaxInt32); dims != 0 {
			s.fail("row %d has a vector of %d dimensions", row, dims)
		}
		links := s.int(l.size)
		if s.err != nil {
			return at, rows
		}
		at[row] = true
		place := row
		if l.places != nil {
			place = len(l.counts)
			l.places[row] = int32(place)
			l.counts = append(l.counts, 0)
			l.links = append(l.links, make([]int32, l.size)...)
		}
		l.counts[place] = uint8(links)
		for i := range links {
			l.links[place*l.size+i] = int32(s.int(len(below) - 1))
		}
	}
	for row := range at {
		if !at[row] {
			continue
		}
		for _, to := range l.of(int32(row)) {
			if !at[to] {
				s.fail("a link leads to row %d, which is not in the layer", to)
			}
		}
	}
	return at, rows
}

func count(rows []bool) int {
	n := 0
	for _, in := range rows {
		if in {
			n++
		}
	}
	return n
}
