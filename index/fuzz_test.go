package index

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// smallGeneration writes two documents with three chunks.
func smallGeneration(tb testing.TB) (gen string, m Manifest) {
	tb.Helper()
	gen = tb.TempDir()
	w, err := newGenWriter(gen)
	if err != nil {
		tb.Fatal(err)
	}
	unit := []float32{1, 0}
	add := func(d docRecord, pieces ...Piece) {
		vectors := make([][]float32, len(pieces))
		for i := range vectors {
			vectors[i] = unit
		}
		if err := w.add(d, pieces, vectors); err != nil {
			tb.Fatal(err)
		}
	}
	add(docRecord{ID: "a", Source: "src", Meta: map[string]any{"n": 1}}, Piece{"a fox", 0, 5}, Piece{"a dog", 6, 11})
	add(docRecord{ID: "b", Source: "src"}, Piece{"ä", 0, 1})
	if err := w.finish(); err != nil {
		tb.Fatal(err)
	}
	return gen, Manifest{Format: Format, Generation: 1, Space: "s@2", Dims: 2, Documents: 2, Chunks: 3}
}

// readAll opens a generation and reads all of it. Whatever its files hold, it
// must not panic, and what opens must be whole.
func readAll(t *testing.T, gen string, m Manifest) {
	r, err := openGenReader(gen, m)
	if err != nil {
		return
	}
	defer r.close()
	s := &snapshot{manifest: m, chunks: r}
	allow, err := s.allow(map[string]any{"document_id": "a", "n": 1})
	if err != nil {
		t.Fatal(err)
	}
	chunks := 0
	for _, d := range r.docs {
		chunks += d.Count
	}
	if chunks != m.Chunks || r.rows() != m.Chunks || len(r.docs) != m.Documents {
		t.Fatalf("opened %d documents with %d chunks in %d rows, the manifest has %d and %d", len(r.docs), chunks, r.rows(), m.Documents, m.Chunks)
	}
	for row := range r.rows() {
		allow(row)
		c, err := r.chunk(row)
		if err != nil {
			continue
		}
		if want := r.docs[r.record(row).Doc].ID; c.DocumentID != want {
			t.Fatalf("chunk %d is of document %q, want %q", row, c.DocumentID, want)
		}
	}
	if err := r.readVectors(gen, m); err == nil && r.vectors.Rows() != r.rows() {
		t.Fatalf("got %d vectors for %d chunks", r.vectors.Rows(), r.rows())
	}
}

func readFileT(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// FuzzFiles puts any bytes into the files that the index itself reads, with a
// manifest that does not give them away by their checksums.
func FuzzFiles(f *testing.F) {
	gen, m := smallGeneration(f)
	docs, idx := readFileT(f, filepath.Join(gen, documentsFile)), readFileT(f, filepath.Join(gen, indexFile))
	texts, vectors := readFileT(f, filepath.Join(gen, textsFile)), readFileT(f, filepath.Join(gen, vectorsFile))
	f.Add(docs, idx, texts, vectors, m.Documents, m.Chunks, m.Dims)
	f.Add([]byte(`{"id":"a","count":-1}`), []byte{}, []byte{}, []byte{}, 1, -1, 0)
	f.Add([]byte(`{"first":0,"count":9223372036854775807}`), idx, texts, vectors, 1, 3, 2)
	f.Add(docs, idx[:47], texts, vectors[:7], 2, 3, 1<<62)
	f.Add([]byte(`{"id":1}`), []byte{}, []byte{}, []byte{}, 0, 1<<62, 4)
	f.Add([]byte{}, []byte{}, []byte{}, []byte{}, 0, 0, -5)
	f.Fuzz(func(t *testing.T, docs, idx, texts, vectors []byte, documents, chunks, dims int) {
		gen := t.TempDir()
		for name, b := range map[string][]byte{documentsFile: docs, indexFile: idx, textsFile: texts, vectorsFile: vectors} {
			if err := os.WriteFile(filepath.Join(gen, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		readAll(t, gen, Manifest{Documents: documents, Chunks: chunks, Dims: dims})
	})
}

// FuzzManifest takes any bytes for a manifest, as they are and with a right
// checksum, over sound files.
func FuzzManifest(f *testing.F) {
	gen, m := smallGeneration(f)
	var err error
	if m.Files, err = sealFiles(gen); err != nil {
		f.Fatal(err)
	}
	if err := writeManifest(gen, m); err != nil {
		f.Fatal(err)
	}
	whole := readFileT(f, filepath.Join(gen, manifestFile))
	if _, err := parseManifest(whole); err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(`{"format":1`))
	f.Add([]byte(`{"format":1,"documents":-1,"chunks":4611686018427387904,"dims":4`))
	f.Add([]byte(`{"format":1,"files":[{"name":"../../x","size":-1}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, sealManifest(b)} {
			m, err := parseManifest(b)
			if err != nil {
				continue
			}
			if m.Format < 1 || m.Format > Format || !json.Valid(b) {
				t.Fatalf("took %q for a manifest", b)
			}
			readAll(t, gen, m)
			for _, f := range m.Files {
				_ = f.verify(gen)
			}
		}
	})
}
