package index

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// smallSegment writes two documents with three chunks of two dimensions.
func smallSegment(tb testing.TB) (dir string, info Segment) {
	tb.Helper()
	dir = tb.TempDir()
	w, err := newSegWriter(osFS{}, dir)
	if err != nil {
		tb.Fatal(err)
	}
	unit := []float32{1, 0}
	add := func(d docRecord, pieces ...Piece) {
		vectors := make([][]float32, len(pieces))
		for i := range vectors {
			vectors[i] = unit
		}
		if err := w.add(d, key{1}, pieces, vectors); err != nil {
			tb.Fatal(err)
		}
	}
	add(docRecord{ID: "a", Source: "src", Meta: map[string]any{"n": 1}}, Piece{"a fox", 0, 5}, Piece{"a dog", 6, 11})
	add(docRecord{ID: "b", Source: "src"}, Piece{"ä", 0, 1})
	if err := w.close(); err != nil {
		tb.Fatal(err)
	}
	return dir, Segment{Name: "seg-000001-0", Documents: 2, Chunks: 3, Vector: "exact"}
}

// readAll opens a segment and reads all of it. Whatever its files hold, it
// must not panic, and what opens must be whole.
func readAll(t *testing.T, dir string, info Segment, dims int) {
	g, err := openSegment(osFS{}, dir, info, dims)
	if err != nil {
		return
	}
	defer g.close()
	chunks := 0
	for i := range g.documents() {
		chunks += int(g.entry(i).Count)
		_, _ = g.document(i)
	}
	if chunks != info.Chunks || g.rows() != info.Chunks || g.documents() != info.Documents {
		t.Fatalf("opened %d documents with %d chunks in %d rows, the manifest has %d and %d", g.documents(), chunks, g.rows(), info.Documents, info.Chunks)
	}
	for row := range g.rows() {
		c, err := g.chunk(row)
		if err != nil {
			continue
		}
		if d, err := g.document(int(g.record(row).Doc)); err != nil || c.DocumentID != d.ID {
			t.Fatalf("chunk %d is of document %q, want %v, error %v", row, c.DocumentID, d, err)
		}
	}
	if err := g.readVectors(); err == nil && g.vectors.Rows() != g.rows() {
		t.Fatalf("got %d vectors for %d chunks", g.vectors.Rows(), g.rows())
	}
	_ = g.inspect()
}

func readFileT(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// FuzzFiles puts any bytes into the files that the index itself reads, of
// either format, with a manifest that does not give them away by their
// checksums.
func FuzzFiles(f *testing.F) {
	dir, m := smallSegment(f)
	lines, entries := readFileT(f, filepath.Join(dir, documentsFile)), readFileT(f, filepath.Join(dir, entriesFile))
	idx, texts := readFileT(f, filepath.Join(dir, indexFile)), readFileT(f, filepath.Join(dir, textsFile))
	vectors := readFileT(f, filepath.Join(dir, vectorsFile))
	f.Add(lines, entries, idx, texts, vectors, m.Documents, m.Chunks, 2)
	old := []byte(`{"id":"a","source":"s","hash":"00112233445566778899aabbccddeeff","first":0,"count":2}` + "\n" + `{"id":"b","first":2,"count":1}`)
	f.Add(old, []byte{}, idx, texts, vectors, m.Documents, m.Chunks, 2)
	f.Add([]byte(`{"id":"a","count":-1}`), []byte{}, []byte{}, []byte{}, []byte{}, 1, -1, 0)
	f.Add([]byte(`{"first":0,"count":4294967295}`), entries, idx, texts, vectors, 1, 3, 2)
	f.Add(lines, entries[:71], idx[:47], texts, vectors[:7], 2, 3, 1<<62)
	f.Add([]byte(`{"id":1}`), []byte{}, []byte{}, []byte{}, []byte{}, 0, 1<<62, 4)
	f.Add([]byte{}, []byte{}, []byte{}, []byte{}, []byte{}, 0, 0, -5)
	f.Fuzz(func(t *testing.T, lines, entries, idx, texts, vectors []byte, documents, chunks, dims int) {
		dir := t.TempDir()
		for name, b := range map[string][]byte{documentsFile: lines, entriesFile: entries, indexFile: idx, textsFile: texts, vectorsFile: vectors} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"", "seg-000001-0"} { // format 1 and later
			readAll(t, dir, Segment{Name: name, Documents: documents, Chunks: chunks}, dims)
		}
	})
}

// FuzzManifest takes any bytes for a manifest, as they are and with a right
// checksum, over sound files.
func FuzzManifest(f *testing.F) {
	dir, info := smallSegment(f)
	home := folder{osFS{}, f.TempDir()}
	var err error
	if info.Files, err = sealFiles(osFS{}, dir, ""); err != nil {
		f.Fatal(err)
	}
	m := Manifest{Format: Format, Generation: 1, Space: "s@2", Dims: 2, Documents: 2, Chunks: 3, Segments: []Segment{info}}
	whole, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	if _, err := parseManifest(whole); err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(`{"format":1`))
	f.Add([]byte(`{"format":1,"documents":-1,"chunks":4611686018427387904,"dims":4`))
	f.Add([]byte(`{"format":1,"files":[{"name":"../../x","size":-1}]`))
	f.Add([]byte(`{"format":2,"segments":[{"name":"../../x","files":[{"name":"../../x"}]}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, sealManifest(b)} {
			m, err := parseManifest(b)
			if err != nil {
				continue
			}
			if m.Format < 1 || m.Format > Format || !json.Valid(b) {
				t.Fatalf("took %q for a manifest", b)
			}
			for _, s := range m.Segments {
				readAll(t, dir, s, m.Dims)
				for _, f := range s.Files {
					if path := filepath.Join(dir, filepath.FromSlash(f.Name)); !strings.HasPrefix(path, dir+string(filepath.Separator)) {
						t.Fatalf("took a manifest with the file %q", f.Name)
					}
				}
			}
			_, _ = home.readDeleted(m, "gen-000001")
		}
	})
}

// FuzzDeleted takes any bytes for deleted.bin: what is taken is the documents
// in order, and is written as it was read.
func FuzzDeleted(f *testing.F) {
	f.Add(encodeDeleted([][]uint32{{0, 2, 9}, nil, {3}}), 10, 3, 0, 1)
	f.Add([]byte{3, 0, 0}, 10, 2, 5, 0)
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, 1<<31, 1, 0, 0)
	f.Fuzz(func(t *testing.T, b []byte, documents, first, second, third int) {
		segments := []Segment{{Documents: documents, Deleted: first}, {Documents: documents, Deleted: second}, {Documents: documents, Deleted: third}}
		dead, err := parseDeleted(b, segments)
		if err != nil {
			return
		}
		for i, docs := range dead {
			if len(docs) != segments[i].Deleted || !slices.IsSorted(docs) || len(slices.Compact(slices.Clone(docs))) != len(docs) {
				t.Fatalf("segment %d: got %v, want %d documents in order", i, docs, segments[i].Deleted)
			}
			if len(docs) > 0 && int(docs[len(docs)-1]) >= documents {
				t.Fatalf("segment %d: got %v of %d documents", i, docs, documents)
			}
		}
		again, err := parseDeleted(encodeDeleted(dead), segments)
		if err != nil || !slices.EqualFunc(dead, again, slices.Equal) {
			t.Fatalf("got %v, error %v after writing %v", again, err, dead)
		}
	})
}

// FuzzCache takes any bytes for an embedding cache: it gives back only what
// was written whole, and can be gone on with.
func FuzzCache(f *testing.F) {
	home := folder{osFS{}, f.TempDir()}
	c, err := openCache(home, "s@2")
	if err != nil {
		f.Fatal(err)
	}
	if err := c.append([]key{{1}, {2}}, [][]float32{{1, 0}, {0, 1}}); err != nil {
		f.Fatal(err)
	}
	if err := c.close(); err != nil {
		f.Fatal(err)
	}
	whole := readFileT(f, home.path(c.name))
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(append(slices.Clone(whole), whole[:30]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		home := folder{osFS{}, t.TempDir()}
		if err := os.WriteFile(home.path(c.name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := openCache(home, "s@2")
		if err != nil {
			t.Fatal(err)
		}
		dims := 0
		for k := range c.known {
			if v, err := c.vector(k, &dims); err != nil || len(v) != c.dims {
				t.Fatalf("got %v, error %v for a vector that it has", v, err)
			}
		}
		if err := c.append([]key{{9}}, [][]float32{{3, 4}}); err != nil {
			t.Fatal(err)
		}
		had := len(c.known)
		if err := c.close(); err != nil {
			t.Fatal(err)
		}
		if c, err = openCache(home, "s@2"); err != nil {
			t.Fatal(err)
		}
		defer c.close()
		dims = 0
		if v, err := c.vector(key{9}, &dims); err != nil || !slices.Equal(v, []float32{3, 4}) || len(c.known) != had {
			t.Fatalf("got %v, error %v and %d vectors after one was added, want %d", v, err, len(c.known), had)
		}
	})
}

// FuzzFilters takes any JSON object for filters and any for metadata: a filter
// that is taken gives the same answer twice, and its opposite the other one.
func FuzzFilters(f *testing.F) {
	f.Add(`{"a":[1,"x",null]}`, `{"a":1.0}`)
	f.Add(`{"type":"gte","key":"a","value":1e400}`, `{"a":1e-400}`)
	f.Add(`{"type":"eq","key":"a","value":{"b":[1]}}`, `{"a":{"b":[1]}}`)
	f.Add(`{"type":"or","filters":[{"type":"nin","key":"a","value":["x"]},{"type":"lt","key":"title","value":"m"}]}`, `{"a":"x"}`)
	f.Add(`{"type":"eq","key":"a","value":1e999999999}`, `{"a":1e999999999}`)
	f.Fuzz(func(t *testing.T, filters, meta string) {
		decode := func(s string) (m map[string]any) {
			dec := json.NewDecoder(strings.NewReader(s))
			dec.UseNumber()
			if dec.Decode(&m) != nil {
				return nil
			}
			return m
		}
		parsed, err := parseFilters(decode(filters))
		if err != nil || parsed == nil {
			return
		}
		d := &docRecord{ID: "a", Title: "t", Meta: decode(meta)}
		got := parsed.matches(d)
		if parsed.matches(d) != got {
			t.Fatalf("%s gives two answers for %s", filters, meta)
		}
		if one, ok := parsed.(oneOf); ok {
			one.not = !one.not
			if one.matches(d) == got {
				t.Fatalf("%s and its opposite give the same answer for %s", filters, meta)
			}
		}
	})
}
