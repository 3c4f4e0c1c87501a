package vector

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/internal/simd"
)

var walks = hnswEngine{simd.Best()}

// TestNarrowWalk holds the graph itself to account, where a poor one cannot
// hide: walks that keep few rows, over groups of near copies, which only diverse
// links lead out of.
func TestNarrowWalk(t *testing.T) {
	m, queries := clustered(4000, 32, 100)
	for row := 40; row < m.Rows(); row++ {
		for i, x := range m.Row(row % 40) {
			m.Row(row)[i] = x + 0.1*m.Row(row)[i]
		}
		unit(m.Row(row)...)
	}
	s := open(t, walks, m).(*hnswSearcher)
	var sum float64
	for _, v := range queries {
		q := s.graph.codes.query(v)
		near, _ := s.walk(q, 20, 10, nil)
		sum += recall(s.graph.codes.rank(q, near, 10), oracle(m, v, 10, nil))
	}
	got := sum / float64(len(queries))
	t.Logf("recall@10 = %.4f", got)
	if got < 0.7 {
		t.Errorf("got recall@10 %.4f, want at least 0.70", got)
	}
}

// TestWalk has so many rows that searches do walk, with filters and with more
// equal rows than any walk keeps.
// TestVerify cuts a row off.
func TestVerify(t *testing.T) {
	m, _ := clustered(2000, 16, 1)
	s := open(t, walks, m).(*hnswSearcher)
	if err := s.Verify(t.Context(), 2000); err != nil {
		t.Errorf("got %v for a whole graph", err)
	}
	if err := s.Verify(t.Context(), 1999); err == nil {
		t.Error("got no error for another number of rows")
	}
	bottom := &s.graph.layers[0]
	lost := int32(17)
	if lost == s.graph.entry {
		lost++
	}
	for row := range int32(2000) {
		links := bottom.of(row)
		for i, to := range links {
			if to == lost {
				links[i] = row
			}
		}
	}
	if err := s.Verify(t.Context(), 2000); err == nil || !strings.Contains(err.Error(), "1999 of its 2000 rows") {
		t.Errorf("got %v, want a row that nothing leads to", err)
	}
}

func TestWalk(t *testing.T) {
	m, queries := clustered(12_000, 16, 50)
	for row := 1000; row < 3000; row++ {
		copy(m.Row(row), m.Row(7))
	}
	s := open(t, walks, m).(*hnswSearcher)
	for _, tt := range []struct {
		name  string
		k     int
		allow index.Allow
		want  float64
	}{
		{"1", 1, nil, 0.99},
		{"10", 10, nil, 0.99},
		{"15 of every third", 15, func(row int) bool { return row%3 == 0 }, 0.98},
		{"5 of few", 5, func(row int) bool { return row%100 == 0 }, 0.98},
		{"100", 100, nil, 0.99},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sum float64
			for _, q := range queries {
				got := search(t, s, q, tt.k, tt.allow)
				for _, match := range got {
					if tt.allow != nil && !tt.allow(match.Row) {
						t.Fatalf("row %d is not allowed", match.Row)
					}
				}
				sum += recall(got, oracle(m, q, tt.k, tt.allow))
			}
			if got := sum / float64(len(queries)); got < tt.want {
				t.Errorf("got recall %.4f, want at least %.2f", got, tt.want)
			}
		})
	}
	q := s.graph.codes.query(m.Row(7))
	near, found := s.walk(q, 70, 3, nil)
	if found < 2001 {
		t.Errorf("the walk found %d rows, want all the equal ones", found)
	}
	got := rowsOf(s.graph.codes.rank(q, near, 3))
	if diff := cmp.Diff([]int{7, 1000, 1001}, got); diff != "" {
		t.Errorf("equal rows (-want +got):\n%s", diff)
	}
}

func graphOf(t *testing.T, m index.Matrix) (g *graph, members []bool, twin []int32) {
	t.Helper()
	c := newCodes(m, simd.Best())
	members, twin = c.distinct(c.rowSums())
	g, err := buildGraph(t.Context(), c, members)
	if err != nil {
		t.Fatal(err)
	}
	return g, members, twin
}

// TestGraph checks what a search relies on.
func TestGraph(t *testing.T) {
	m, _ := clustered(2000, 8, 0)
	clear(m.Row(5))
	copy(m.Row(9), m.Row(8))
	g, members, twin := graphOf(t, m)
	if members[5] || members[9] || twin[8] != 9 {
		t.Fatalf("zero row in: %v, equal row in: %v, twin of row 8: %d, want false, false, 9", members[5], members[9], twin[8])
	}
	reached := make([]bool, m.Rows())
	g.reach(g.entry, reached)
	if diff := cmp.Diff(members, reached); diff != "" {
		t.Errorf("rows that are reached (-want +got):\n%s", diff)
	}
	if len(g.layers) < 3 || g.layers[len(g.layers)-1].places[g.entry] < 0 {
		t.Errorf("got %d layers, the entry's place on top %v, want 3 or more and a place", len(g.layers), g.entry)
	}
}

func TestReachAll(t *testing.T) {
	m, _ := clustered(100, 8, 0)
	c := newCodes(m, simd.Best())
	members, _ := c.distinct(c.rowSums())
	b := newBuilder(c, members)
	var rows []int32
	for row := range int32(100) {
		rows = append(rows, row)
		b.round(rows[row:])
	}
	for row := range rows { // cut row 42 off
		links := b.get(0, int32(row), nil)
		b.set(0, int32(row), slices.DeleteFunc(links, func(n neighbour) bool { return n.row == 42 }))
	}
	b.reachAll(rows)
	reached := make([]bool, m.Rows())
	b.g.reach(b.g.entry, reached)
	if !reached[42] {
		t.Error("row 42 is still cut off")
	}
}

func TestOtherMatrix(t *testing.T) {
	m, _ := clustered(100, 4, 0)
	dir, e := t.TempDir(), walks
	if err := e.Build(t.Context(), m, dir); err != nil {
		t.Fatal(err)
	}
	changed := index.Matrix{Dims: 4, Data: slices.Clone(m.Data)}
	copy(changed.Row(50), []float32{1, 0, 0, 0})
	for name, other := range map[string]index.Matrix{
		"more rows":        {Dims: 4, Data: append(slices.Clone(m.Data), 0, 1, 0, 0)},
		"fewer rows":       {Dims: 4, Data: m.Data[:4*99]},
		"other dimensions": {Dims: 2, Data: m.Data},
		"one row changed":  changed,
		"empty":            {},
	} {
		if _, err := e.Open(other, dir); err == nil || !strings.Contains(err.Error(), graphFile) {
			t.Errorf("%s: got error %v, want one that names %s", name, err, graphFile)
		}
	}
}

// FuzzLoad gives load any bytes, and the same as a stream under a trailer that
// is right, so that what is behind the checksum is tried too: an error, or a
// searcher that works.
func FuzzLoad(f *testing.F) {
	m, queries := clustered(40, 4, 1)
	c := newCodes(m, simd.Best())
	sums := c.rowSums()
	members, _ := c.distinct(sums)
	g, err := buildGraph(context.Background(), c, members)
	if err != nil {
		f.Fatal(err)
	}
	whole := g.encode(members)
	f.Add(seal(bytes.Clone(whole), sumOf(sums)))
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(trailerMagic))
	f.Add(binary.AppendVarint(nil, 1<<62))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, file := range [][]byte{b, seal(bytes.Clone(b), sumOf(sums))} {
			s, err := walks.load(m, file)
			if err != nil {
				continue
			}
			q := c.query(queries[0])
			if near, _ := s.walk(q, 10, 3, nil); len(near) == 0 {
				t.Error("the walk found nothing")
			}
		}
	})
}

func TestMissingFolder(t *testing.T) {
	err := walks.Build(t.Context(), index.Matrix{}, filepath.Join(t.TempDir(), "none"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v, want os.ErrNotExist", err)
	}
}
