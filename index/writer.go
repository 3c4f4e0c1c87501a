package index

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"path/filepath"
)

// segWriter appends documents with their chunks and vectors to the files of a
// segment that is not published yet. Memory stays flat.
type segWriter struct {
	dir                            string
	docs, rows                     int
	docOffset, offset              uint64
	texts, idx, vectors, lines, ix *bufFile
}

func newSegWriter(fsys FS, dir string) (*segWriter, error) {
	w := &segWriter{dir: dir}
	for _, d := range []string{vectorDir, keywordDir} {
		if err := fsys.MkdirAll(filepath.Join(dir, d)); err != nil {
			return nil, fmt.Errorf("make segment: %w", err)
		}
	}
	for _, f := range []struct {
		to   **bufFile
		name string
	}{{&w.texts, textsFile}, {&w.idx, indexFile}, {&w.vectors, vectorsFile}, {&w.lines, documentsFile}, {&w.ix, entriesFile}} {
		b, err := createBuf(fsys, filepath.Join(dir, f.name))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("make segment: %w", err), w.close())
		}
		*f.to = b
	}
	return w, nil
}

// add writes one document; vectors[i] belongs to pieces[i].
func (w *segWriter) add(d docRecord, hash key, pieces []Piece, vectors [][]float32) error {
	first := w.rows
	for i, p := range pieces {
		rec := chunkRecord{
			Offset: w.offset, Length: uint32(len(p.Text)), CRC: crc32.Checksum([]byte(p.Text), castagnoli),
			Key: keyOf(d.embedded(p.Text)), Doc: uint32(w.docs), Ordinal: uint32(i), Start: uint32(p.Start), End: uint32(p.End),
		}
		if _, err := w.texts.WriteString(p.Text); err != nil {
			return fmt.Errorf("write chunk: %w", err)
		}
		if _, err := w.idx.Write(rec.append(nil)); err != nil {
			return fmt.Errorf("write chunk: %w", err)
		}
		if _, err := w.vectors.Write(floatBytes(vectors[i])); err != nil {
			return fmt.Errorf("write vector: %w", err)
		}
		w.offset += uint64(len(p.Text))
		w.rows++
	}
	line, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("write document %s: %w", d.ID, err)
	}
	e := docEntry{
		Offset: w.docOffset, Length: uint32(len(line)), CRC: crc32.Checksum(line, castagnoli), First: uint32(first), Count: uint32(len(pieces)),
		ID: keyOf(d.ID), Hash: hash, Src: keyOf(d.Source),
	}
	if _, err := w.lines.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	if _, err := w.ix.Write(e.append(nil)); err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	w.docOffset += uint64(len(line)) + 1
	w.docs++
	return nil
}

// full says whether the segment is large enough: what is built of it at once,
// its legs, is to fit in memory.
func (w *segWriter) full() bool { return w.rows >= fullRows || w.offset >= fullBytes }

const (
	fullRows  = 64 << 10
	fullBytes = 256 << 20
)

func (w *segWriter) close() error {
	return errors.Join(w.texts.close(), w.idx.close(), w.vectors.close(), w.lines.close(), w.ix.close())
}

// normalize scales v to unit length in place; a zero vector stays zero. It
// reports whether v is finite.
func normalize(v []float32) bool {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return false
	}
	if sum == 0 {
		return true
	}
	scale := 1 / math.Sqrt(sum)
	for i := range v {
		v[i] = float32(float64(v[i]) * scale)
	}
	return true
}

// floatBytes gives v as little-endian bytes.
func floatBytes(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}
