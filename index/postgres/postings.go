package postgres

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/ragproxy/ragproxy/index/lexical"
)

// mostList is how many bytes a row of postings has, about: it stays below what
// PostgreSQL moves out of the row.
const mostList = 1800

// postingList is what a row of postings holds: chunks that have a word, in
// their order. Each is three uvarints: how far it is from the one before, how
// often it has the word, and its length in words.
type postingList struct {
	bytes []byte
	count int
	last  int32
}

// add takes a row behind all that were added before.
func (l *postingList) add(o lexical.Occurrence) {
	l.bytes = binary.AppendUvarint(l.bytes, uint64(o.Row-l.last))
	l.bytes = binary.AppendUvarint(l.bytes, uint64(o.Count))
	l.bytes = binary.AppendUvarint(l.bytes, uint64(o.Length))
	l.last = o.Row
	l.count++
}

func postingColumns() []string { return []string{"term", "born", "chunks", "list"} }

// listRows are the rows of a word's list, in the order of its chunks; keep nil
// keeps all.
func listRows(term string, born int, list []lexical.Occurrence, keep func(row int32) bool) (rows [][]any) {
	slices.SortFunc(list, func(a, b lexical.Occurrence) int { return cmp.Compare(a.Row, b.Row) })
	var l postingList
	end := func() {
		if l.count > 0 {
			rows = append(rows, []any{term, born, l.count, l.bytes})
			l = postingList{}
		}
	}
	for _, o := range list {
		if keep != nil && !keep(o.Row) {
			continue
		}
		if l.add(o); len(l.bytes) >= mostList {
			end()
		}
	}
	end()
	return rows
}

var errPostings = errors.New("a list of postings is damaged: index --reembed makes the collection anew")

// readPostings appends what a row of postings holds.
func readPostings(list []byte, to []lexical.Occurrence) ([]lexical.Occurrence, error) {
	row := uint64(0)
	for len(list) > 0 {
		var of [3]uint64
		for i := range of {
			v, n := binary.Uvarint(list)
			if n <= 0 || v > 1<<31-1 {
				return nil, errPostings
			}
			of[i], list = v, list[n:]
		}
		if row += of[0]; row > 1<<31-1 || of[0] == 0 || of[1] == 0 {
			return nil, errPostings
		}
		to = append(to, lexical.Occurrence{Row: int32(row), Count: uint32(of[1]), Length: uint32(of[2])})
	}
	return to, nil
}
