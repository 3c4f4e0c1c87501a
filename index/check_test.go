package index

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckedTogether changes what the files of a generation say of each
// other, as no checksum would tell.
func TestCheckedTogether(t *testing.T) {
	chunk := func(row int, change func(*chunkRecord)) func(string, *Segment) {
		return func(gen string, _ *Segment) {
			path := filepath.Join(gen, indexFile)
			b := readFileT(t, path)
			rec := parseChunkRecord(b[row*idxSize:])
			change(&rec)
			copy(b[row*idxSize:], rec.append(nil))
			put(t, path, b)
		}
	}
	entry := func(doc int, change func(*docEntry)) func(string, *Segment) {
		return func(gen string, _ *Segment) {
			path := filepath.Join(gen, entriesFile)
			b := readFileT(t, path)
			e := parseDocEntry(b[doc*docSize:])
			change(&e)
			copy(b[doc*docSize:], e.append(nil))
			put(t, path, b)
		}
	}
	tests := []struct {
		name   string
		change func(gen string, m *Segment)
	}{
		{"chunk of a later document", chunk(0, func(r *chunkRecord) { r.Doc = 1 })},
		{"chunk of no document", chunk(2, func(r *chunkRecord) { r.Doc = 1 << 31 })},
		{"other ordinal", chunk(1, func(r *chunkRecord) { r.Ordinal = 0 })},
		{"gap between texts", chunk(1, func(r *chunkRecord) { r.Offset++ })},
		{"text of 4 GB", chunk(2, func(r *chunkRecord) { r.Length = 1<<32 - 1 })},
		{"document from another row", entry(1, func(e *docEntry) { e.First = 1 })},
		{"count beyond the chunks", entry(0, func(e *docEntry) { e.Count = 1<<32 - 2 })},
		{"document with no chunks at the end", func(gen string, m *Segment) {
			path := filepath.Join(gen, entriesFile)
			put(t, path, append(readFileT(t, path), docEntry{Offset: 1 << 40, First: 3}.append(nil)...))
			m.Documents++
		}},
		{"too many chunks", entry(1, func(e *docEntry) { e.Count = 2000000000 })},
		{"too few chunks", entry(1, func(e *docEntry) { e.Count = 0 })},
		{"record beyond the file", entry(1, func(e *docEntry) { e.Length = 1 << 30 })},
		{"record before the one before", entry(1, func(e *docEntry) { e.Offset = 1 })},
		{"one document more", func(_ string, m *Segment) { m.Documents++ }},
		{"one chunk less", func(_ string, m *Segment) { m.Chunks-- }},
		{"overflow", func(_ string, m *Segment) { m.Chunks = 1 << 62 }},
		{"half a record", func(gen string, _ *Segment) { cut(t, filepath.Join(gen, indexFile)) }},
		{"half an entry", func(gen string, _ *Segment) { cut(t, filepath.Join(gen, entriesFile)) }},
		{"texts that were cut", func(gen string, _ *Segment) { cut(t, filepath.Join(gen, textsFile)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gen, info := smallSegment(t)
			tt.change(gen, &info)
			g, err := openSegment(osFS{}, gen, info, 2)
			if err == nil {
				g.close()
			}
			if !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), gen) {
				t.Errorf("got error %v, want errDamaged with %s", err, gen)
			}
		})
	}
}

func TestVectorsMatchChunks(t *testing.T) {
	for _, dims := range []int{0, 1, 3, 4, -2, 1 << 62} {
		gen, info := smallSegment(t)
		g, err := openSegment(osFS{}, gen, info, dims)
		if err != nil {
			t.Fatal(err)
		}
		err = g.readVectors()
		if !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), filepath.Join(gen, vectorsFile)) {
			t.Errorf("%d dimensions: got error %v, want errDamaged with the file", dims, err)
		}
		if err := g.close(); err != nil {
			t.Error(err)
		}
	}
}

func TestClosedSnapshotIsNotAcquired(t *testing.T) {
	dir, info := smallSegment(t)
	g, err := openSegment(osFS{}, dir, info, 2)
	if err != nil {
		t.Fatal(err)
	}
	s := &snapshot{segs: []*openedSegment{{segment: g}}}
	s.refs.Store(1)
	if !s.acquire() {
		t.Error("got no reference to an open snapshot")
	}
	for range 2 {
		if _, err := g.text(0); err != nil {
			t.Errorf("read while there is a reference: %v", err)
		}
		if err := s.release(); err != nil {
			t.Error(err)
		}
	}
	if s.acquire() {
		t.Error("got a reference to a closed snapshot")
	}
	// Hits found before still read their texts.
	if _, err := g.text(0); err != nil {
		t.Errorf("got error %v after the last reference, want the text of a hit that is held", err)
	}
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, path string) {
	t.Helper()
	b := readFileT(t, path)
	put(t, path, b[:len(b)-1])
}
