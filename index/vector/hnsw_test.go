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

	"github.com/coder/hnsw"

	"github.com/ragproxy/ragproxy/index"
)

// TestNarrowWalk holds the graph itself to account, where a poor one cannot
// hide: at a tenth of the width in use, over groups of near copies, which only
// diverse links lead out of (with the nearest as links the recall is 0.57).
func TestNarrowWalk(t *testing.T) {
	m, queries := clustered(4000, 32, 100)
	for row := 40; row < m.Rows(); row++ {
		for i, x := range m.Row(row % 40) {
			m.Row(row)[i] = x + 0.1*m.Row(row)[i]
		}
		unit(m.Row(row)...)
	}
	s := open(t, hnswEngine{width: graphWidth / 10}, m)
	var sum float64
	for _, q := range queries {
		sum += recall(search(t, s, q, 10, nil), oracle(m, q, 10, nil))
	}
	got := sum / float64(len(queries))
	t.Logf("recall@10 = %.4f", got)
	if got < 0.8 {
		t.Errorf("got recall@10 %.4f, want at least 0.80", got)
	}
}

// TestGraph checks what a search relies on.
func TestGraph(t *testing.T) {
	m, _ := clustered(2000, 8, 0)
	clear(m.Row(5))
	copy(m.Row(9), m.Row(8))
	members, twin := distinct(m)
	if members[5] || members[9] || twin[8] != 9 {
		t.Fatalf("zero row in: %v, equal row in: %v, twin of row 8: %d, want false, false, 9", members[5], members[9], twin[8])
	}
	g, err := buildGraph(context.Background(), m, members)
	if err != nil {
		t.Fatal(err)
	}
	reached := make([]bool, m.Rows())
	g.reach(g.entry, reached)
	top, onTop := len(g.links[g.entry]), 0
	for row, layers := range g.links {
		if (layers != nil) != members[row] || reached[row] != members[row] {
			t.Errorf("row %d: in the graph %v, reached %v, want %v", row, layers != nil, reached[row], members[row])
		}
		if len(layers) == top {
			onTop++
		}
	}
	if top < 3 || onTop != 1 {
		t.Errorf("got %d layers with %d rows on top, want 3 or more with 1", top, onTop)
	}
}

func TestReachAll(t *testing.T) {
	m, _ := clustered(100, 8, 0)
	members, _ := distinct(m)
	g, err := buildGraph(context.Background(), m, members)
	if err != nil {
		t.Fatal(err)
	}
	for row := range g.links { // cut row 42 off
		kept := g.links[row][0][:0]
		for _, l := range g.links[row][0] {
			if l.row != 42 {
				kept = append(kept, l)
			}
		}
		g.links[row][0] = kept
	}
	g.reachAll()
	reached := make([]bool, m.Rows())
	g.reach(g.entry, reached)
	if !reached[42] {
		t.Error("row 42 is still cut off")
	}
}

// TestFileIsAnExportStream reads the file as the library reads its own.
func TestFileIsAnExportStream(t *testing.T) {
	m, _ := clustered(100, 4, 0)
	dir := t.TempDir()
	if err := (hnswEngine{width: graphWidth}).Build(t.Context(), m, dir); err != nil {
		t.Fatal(err)
	}
	saved, err := hnsw.LoadSavedGraph[int](filepath.Join(dir, graphFile))
	if err != nil {
		t.Fatal(err)
	}
	if saved.Len() != 100 || saved.Dims() != 4 || saved.M != graphLinks {
		t.Errorf("got %d nodes, %d dimensions, M %d, want 100, 4, %d", saved.Len(), saved.Dims(), saved.M, graphLinks)
	}
}

func TestOtherMatrix(t *testing.T) {
	m, _ := clustered(100, 4, 0)
	dir, e := t.TempDir(), hnswEngine{width: graphWidth}
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
	e := hnswEngine{width: 5}
	members, _ := distinct(m)
	g, err := buildGraph(context.Background(), m, members)
	if err != nil {
		f.Fatal(err)
	}
	whole := g.encode(e.width)
	f.Add(seal(bytes.Clone(whole)))
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(trailerMagic))
	f.Add(binary.AppendVarint(nil, 1<<62))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, file := range [][]byte{b, seal(bytes.Clone(b))} {
			s, err := e.load(m, file)
			if err != nil {
				continue
			}
			if got, err := s.Search(context.Background(), queries[0], 3, nil); err != nil || len(got) != 3 {
				t.Errorf("got %v, %v, want 3 matches", got, err)
			}
		}
	})
}

func TestMissingFolder(t *testing.T) {
	err := (hnswEngine{width: graphWidth}).Build(t.Context(), index.Matrix{}, filepath.Join(t.TempDir(), "none"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v, want os.ErrNotExist", err)
	}
}
