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
	chunk := func(row int, change func(*chunkRecord)) func(string, *Manifest) {
		return func(gen string, _ *Manifest) {
			path := filepath.Join(gen, indexFile)
			b := readFileT(t, path)
			rec := parseChunkRecord(b[row*idxSize:])
			change(&rec)
			copy(b[row*idxSize:], rec.append(nil))
			put(t, path, b)
		}
	}
	docs := func(from, to string) func(string, *Manifest) {
		return func(gen string, _ *Manifest) {
			path := filepath.Join(gen, documentsFile)
			put(t, path, []byte(strings.Replace(string(readFileT(t, path)), from, to, 1)))
		}
	}
	tests := []struct {
		name   string
		change func(gen string, m *Manifest)
	}{
		{"chunk of a later document", chunk(0, func(r *chunkRecord) { r.Doc = 1 })},
		{"chunk of no document", chunk(2, func(r *chunkRecord) { r.Doc = 1 << 31 })},
		{"other ordinal", chunk(1, func(r *chunkRecord) { r.Ordinal = 0 })},
		{"gap between texts", chunk(1, func(r *chunkRecord) { r.Offset++ })},
		{"text of 4 GB", chunk(2, func(r *chunkRecord) { r.Length = 1<<32 - 1 })},
		{"document from another row", docs(`"first":2`, `"first":1`)},
		{"negative count", docs(`"count":2`, `"count":-2`)},
		{"negative count at the end", func(gen string, m *Manifest) {
			path := filepath.Join(gen, documentsFile)
			put(t, path, append(readFileT(t, path), `{"id":"z","first":3,"count":-1}`...))
			m.Documents++
		}},
		{"too many chunks", docs(`"count":1`, `"count":2000000000`)},
		{"too few chunks", docs(`"count":1`, `"count":0`)},
		{"one document more", func(_ string, m *Manifest) { m.Documents++ }},
		{"one chunk less", func(_ string, m *Manifest) { m.Chunks-- }},
		{"overflow", func(_ string, m *Manifest) { m.Chunks = 1 << 62 }},
		{"half a record", func(gen string, _ *Manifest) { cut(t, filepath.Join(gen, indexFile)) }},
		{"texts that were cut", func(gen string, _ *Manifest) { cut(t, filepath.Join(gen, textsFile)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gen, m := smallGeneration(t)
			tt.change(gen, &m)
			r, err := openGenReader(gen, m)
			if err == nil {
				r.close()
			}
			if !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), gen) {
				t.Errorf("got error %v, want errDamaged with %s", err, gen)
			}
		})
	}
}

func TestVectorsMatchChunks(t *testing.T) {
	for _, dims := range []int{0, 1, 3, 4, -2, 1 << 62} {
		gen, m := smallGeneration(t)
		r, err := openGenReader(gen, m)
		if err != nil {
			t.Fatal(err)
		}
		m.Dims = dims
		err = r.readVectors(gen, m)
		if !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), filepath.Join(gen, vectorsFile)) {
			t.Errorf("%d dimensions: got error %v, want errDamaged with the file", dims, err)
		}
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}
}

func TestClosedSnapshotIsNotAcquired(t *testing.T) {
	gen, m := smallGeneration(t)
	r, err := openGenReader(gen, m)
	if err != nil {
		t.Fatal(err)
	}
	s := &snapshot{chunks: r}
	s.refs.Store(1)
	if !s.acquire() {
		t.Error("got no reference to an open snapshot")
	}
	for range 2 {
		if _, err := s.chunks.text(0); err != nil {
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
	if _, err := s.chunks.text(0); err != nil {
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
