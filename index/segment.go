package index

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"math"
	"path/filepath"
	"slices"
	"sync/atomic"
	"unsafe"
)

// segment reads the files that segWriter wrote. What is large stays on disk,
// but for the vectors where a search needs them.
type segment struct {
	fs      FS
	dir     string
	info    Segment
	dims    int
	entries []byte // documents.idx
	idx     []byte // chunks.idx
	lines   FSFile // documents.jsonl
	texts   FSFile
	floats  FSFile                    // vectors.f32; nil until it is checked or read
	vectors Matrix                    // empty until readVectors
	mean    atomic.Pointer[[]float32] // of vectors, once it was asked for

	known []atomic.Pointer[docRecord] // the documents that were read
}

// openSegment reads what the documents and chunks are and holds it against
// each other. Of the other files it wants the right sizes only.
func openSegment(fsys FS, dir string, info Segment, dims int) (*segment, error) {
	g := &segment{fs: fsys, dir: dir, info: info, dims: dims, known: make([]atomic.Pointer[docRecord], 0)}
	err := g.open()
	if err == nil {
		err = g.check()
	}
	if err != nil {
		return nil, errors.Join(err, g.close())
	}
	g.known = make([]atomic.Pointer[docRecord], len(g.entries)/docSize)
	return g, nil
}

func (g *segment) open() (err error) {
	if g.idx, err = readListed(g.fs, g.dir, g.info.Files, indexFile); err != nil {
		return err
	}
	if g.info.Name != "" {
		g.entries, err = readListed(g.fs, g.dir, g.info.Files, entriesFile)
	} else {
		var b []byte
		if b, err = readListed(g.fs, g.dir, g.info.Files, documentsFile); err != nil {
			return err
		}
		if g.entries, err = entriesOfFormat1(b); err != nil {
			err = fmt.Errorf("read %s: %w", g.path(documentsFile), err)
		}
	}
	if err != nil {
		return err
	}
	if g.lines, err = g.fs.Open(g.path(documentsFile)); err != nil {
		return fmt.Errorf("read documents: %w", damage(err))
	}
	if g.texts, err = g.fs.Open(g.path(textsFile)); err != nil {
		return fmt.Errorf("read chunks: %w", damage(err))
	}
	return nil
}

func (g *segment) path(name string) string { return filepath.Join(g.dir, name) }

func (g *segment) close() error {
	var err error
	for _, f := range []FSFile{g.lines, g.texts, g.floats} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

func (g *segment) documents() int { return len(g.entries) / docSize }

func (g *segment) entry(doc int) docEntry { return parseDocEntry(g.entries[doc*docSize:]) }

func (g *segment) rows() int { return len(g.idx) / idxSize }

func (g *segment) record(row int) chunkRecord { return parseChunkRecord(g.idx[row*idxSize:]) }

// document reads a document's record, once.
func (g *segment) document(doc int) (*docRecord, error) {
	if d := g.known[doc].Load(); d != nil {
		return d, nil
	}
	d, err := g.uncached(doc)
	if err == nil {
		g.known[doc].Store(d)
	}
	return d, err
}

// uncached reads a document's record for one use, so that a look at all of
// them leaves nothing in memory.
func (g *segment) uncached(doc int) (*docRecord, error) {
	if d := g.known[doc].Load(); d != nil {
		return d, nil
	}
	e := g.entry(doc)
	b := make([]byte, e.Length)
	if _, err := g.lines.ReadAt(b, int64(e.Offset)); err != nil {
		return nil, fmt.Errorf("read document %d of %s: %w", doc, g.path(documentsFile), damage(err))
	}
	if crc32.Checksum(b, castagnoli) != e.CRC {
		return nil, fmt.Errorf("read document %d of %s: its checksum differs: %w", doc, g.path(documentsFile), errDamaged)
	}
	d, err := parseDocument(b)
	if err != nil {
		return nil, fmt.Errorf("read document %d of %s: %w", doc, g.path(documentsFile), err)
	}
	return d, nil
}

func (g *segment) text(row int) (string, error) {
	rec := g.record(row)
	b := make([]byte, rec.Length)
	if _, err := g.texts.ReadAt(b, int64(rec.Offset)); err != nil {
		return "", fmt.Errorf("read chunk %d of %s: %w", row, g.path(textsFile), damage(err))
	}
	if crc32.Checksum(b, castagnoli) != rec.CRC {
		return "", fmt.Errorf("read chunk %d of %s: its checksum differs: %w", row, g.path(textsFile), errDamaged)
	}
	return unsafe.String(unsafe.SliceData(b), len(b)), nil
}

// Load implements [Rest]: only texts are left out.
func (g *segment) Load(_ context.Context, hits []*Hit) []error {
	errs := make([]error, len(hits))
	for i, h := range hits {
		h.Chunk.Text, errs[i] = g.text(h.at)
	}
	return errs
}

func (g *segment) chunk(row int) (Chunk, error) {
	c, err := g.place(row)
	if err == nil {
		c.Text, err = g.text(row)
	}
	return c, err
}

// place is a chunk without its text, which alone has to be read every time.
func (g *segment) place(row int) (Chunk, error) {
	rec := g.record(row)
	d, err := g.document(int(rec.Doc))
	if err != nil {
		return Chunk{}, err
	}
	return Chunk{
		ID: ChunkID(d.ID, int(rec.Ordinal)), DocumentID: d.ID, URL: d.URL, Title: d.Title,
		Ordinal: int(rec.Ordinal), Start: int(rec.Start), End: int(rec.End), Meta: d.metaAt(int(rec.Start)),
	}, nil
}

// all gives the chunks in row order and stops at the first error.
func (g *segment) all(failed *error) iter.Seq[Chunk] {
	return func(yield func(Chunk) bool) {
		for row := range g.rows() {
			c, err := g.chunk(row)
			if err != nil {
				*failed = err
				return
			}
			if !yield(c) {
				return
			}
		}
	}
}

// readVectors reads the matrix, a row for each chunk.
func (g *segment) readVectors() error {
	path := g.path(vectorsFile)
	f, err := g.fs.Open(path)
	if err != nil {
		return fmt.Errorf("read vectors: %w", damage(err))
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read vectors: %w", err)
	}
	rows, dims := int64(g.rows()), int64(g.dims)
	if dims < 0 || dims > 1<<20 || st.Size() != 4*rows*dims || rows > 0 && dims == 0 {
		return fmt.Errorf("read %s: its %d bytes are not %d rows of %d dimensions: %w", path, st.Size(), rows, dims, errDamaged)
	}
	data := make([]float32, rows*dims)
	raw := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), 4*len(data))
	if _, err := io.ReadFull(f, raw); err != nil {
		return fmt.Errorf("read %s: %w", path, damage(err))
	}
	if err := listed(g.info.Files, File{vectorsFile, st.Size(), crc32.Checksum(raw, castagnoli)}, path); err != nil {
		return err
	}
	for i := range data { // as they are, where the machine is little-endian
		data[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	g.vectors = Matrix{Dims: g.dims, Data: data}
	return nil
}

func (g *segment) openFloats() error {
	if g.floats != nil {
		return nil
	}
	path := g.path(vectorsFile)
	f, err := g.fs.Open(path)
	if err != nil {
		return fmt.Errorf("read vectors: %w", damage(err))
	}
	read, err := checksum(f)
	read.Name = vectorsFile
	if err == nil {
		err = listed(g.info.Files, read, path)
	}
	if err == nil && read.Size != 4*int64(g.dims)*int64(g.rows()) {
		err = fmt.Errorf("read %s: its %d bytes are not %d rows of %d dimensions: %w", path, read.Size, g.rows(), g.dims, errDamaged)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	g.floats = f
	return nil
}

// vector reads one row where the matrix is not in memory. The file's checksum
// is looked at first, once: what is damaged must not go on under a new one.
func (g *segment) vector(row int) ([]float32, error) {
	if err := g.openFloats(); err != nil {
		return nil, err
	}
	b := make([]byte, 4*g.dims)
	if _, err := g.floats.ReadAt(b, int64(len(b))*int64(row)); err != nil {
		return nil, fmt.Errorf("read %s: %w", g.path(vectorsFile), damage(err))
	}
	v := make([]float32, g.dims)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v, nil
}

// readListed reads a file and compares it with the list, which has none while
// the segment is being built.
func readListed(fsys FS, dir string, files []File, name string) ([]byte, error) {
	path := filepath.Join(dir, name)
	b, err := readFile(fsys, path)
	if err != nil {
		return nil, fmt.Errorf("read generation: %w", damage(err))
	}
	return b, listed(files, File{Name: name, Size: int64(len(b)), CRC: crc32.Checksum(b, castagnoli)}, path)
}

func listed(files []File, read File, path string) error {
	if len(files) > 0 && !slices.Contains(files, read) {
		return fmt.Errorf("read %s: its %d bytes are not those of the manifest: %w", path, read.Size, errDamaged)
	}
	return nil
}
