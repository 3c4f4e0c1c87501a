package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// deleted.bin says which documents of each segment, in the manifest's order,
// are deleted: how many, the first one's line in the segment, and the distance
// of each further one to the one before, all as uvarints.

func encodeDeleted(dead [][]uint32) []byte {
	var b []byte
	for _, docs := range dead {
		b = binary.AppendUvarint(b, uint64(len(docs)))
		last := uint32(0)
		for _, d := range docs {
			b = binary.AppendUvarint(b, uint64(d-last))
			last = d
		}
	}
	return b
}

var errDeleted = errors.New("it does not fit the manifest")

func parseDeleted(b []byte, segments []Segment) ([][]uint32, error) {
	next := func() (uint64, error) {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return 0, errDeleted
		}
		b = b[size:]
		return n, nil
	}
	dead := make([][]uint32, len(segments))
	for i, s := range segments {
		n, err := next()
		if err != nil || s.Documents < 0 || s.Deleted < 0 || n != uint64(s.Deleted) || n > uint64(len(b)) {
			return nil, errDeleted
		}
		dead[i] = make([]uint32, n)
		at := uint64(0)
		for k := range dead[i] {
			gap, err := next()
			if err != nil || k > 0 && gap == 0 || gap > uint64(s.Documents) {
				return nil, errDeleted
			}
			if at += gap; at >= uint64(s.Documents) {
				return nil, errDeleted
			}
			dead[i][k] = uint32(at)
		}
	}
	if len(b) != 0 {
		return nil, errDeleted
	}
	return dead, nil
}

// readDeleted reads the deleted documents of a generation, by segment.
func (f folder) readDeleted(m Manifest, name string) ([][]uint32, error) {
	none := !slices.ContainsFunc(m.Segments, func(s Segment) bool { return s.Deleted > 0 })
	if none {
		return make([][]uint32, len(m.Segments)), nil
	}
	b, err := readListed(f.fs, f.path(name), m.Files, deletedFile)
	if err != nil {
		return nil, err
	}
	dead, err := parseDeleted(b, m.Segments)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", f.path(name, deletedFile), err, errDamaged)
	}
	return dead, nil
}

// bits is a set of rows.
type bits []uint64

func newBits(rows int) bits { return make(bits, (rows+63)/64) }

func (b bits) has(row int) bool { return b[row>>6]>>(row&63)&1 != 0 }

// add adds the rows [from, to).
func (b bits) add(from, to int) {
	for ; from < to && from&63 != 0; from++ {
		b[from>>6] |= 1 << (from & 63)
	}
	for ; from+64 <= to; from += 64 {
		b[from>>6] = ^uint64(0)
	}
	for ; from < to; from++ {
		b[from>>6] |= 1 << (from & 63)
	}
}
