package index

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"unsafe"
)

// The files of a generation that the index itself writes:
//
//	documents.jsonl  one docRecord a line
//	chunks.dat       the chunks' texts, one after the other
//	chunks.idx       one chunkRecord of idxSize bytes a chunk, in row order
//	vectors.f32      the chunks' unit vectors, little-endian, in row order
const (
	documentsFile = "documents.jsonl"
	textsFile     = "chunks.dat"
	indexFile     = "chunks.idx"
	vectorsFile   = "vectors.f32"
	vectorDir     = "vector"
	keywordDir    = "keyword"
)

// docRecord is what a generation remembers of a document. Its chunks are the
// rows [First, First+Count).
type docRecord struct {
	ID     string         `json:"id"`
	URL    string         `json:"url,omitempty"`
	Title  string         `json:"title,omitempty"`
	Meta   map[string]any `json:"meta,omitempty"`
	Source string         `json:"source"`
	Hash   string         `json:"hash"` // of everything that was loaded; equal hash, unchanged document
	First  int            `json:"first"`
	Count  int            `json:"count"`
}

// chunkKey identifies what was embedded, so that the same text is never
// embedded twice in one space.
type chunkKey [16]byte

func keyOf(text string) chunkKey {
	sum := sha256.Sum256([]byte(text))
	return chunkKey(sum[:16])
}

// chunkRecord is a row of chunks.idx: fixed size, so that a row is found
// without reading those before it.
type chunkRecord struct {
	Offset     uint64
	Length     uint32
	CRC        uint32 // CRC-32C of the text
	Key        chunkKey
	Doc        uint32 // line in documents.jsonl
	Ordinal    uint32
	Start, End uint32
}

const idxSize = 48

func (r chunkRecord) append(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, r.Offset)
	b = le.AppendUint32(b, r.Length)
	b = le.AppendUint32(b, r.CRC)
	b = append(b, r.Key[:]...)
	b = le.AppendUint32(b, r.Doc)
	b = le.AppendUint32(b, r.Ordinal)
	b = le.AppendUint32(b, r.Start)
	return le.AppendUint32(b, r.End)
}

func parseChunkRecord(b []byte) chunkRecord {
	le := binary.LittleEndian
	return chunkRecord{
		Offset: le.Uint64(b), Length: le.Uint32(b[8:]), CRC: le.Uint32(b[12:]), Key: chunkKey(b[16:32]),
		Doc: le.Uint32(b[32:]), Ordinal: le.Uint32(b[36:]), Start: le.Uint32(b[40:]), End: le.Uint32(b[44:]),
	}
}

// genWriter appends documents with their chunks and vectors to the files of a
// generation that is not published yet. Memory stays flat but for the
// document records.
type genWriter struct {
	dir     string
	docs    []docRecord
	rows    int
	offset  uint64
	texts   *bufFile
	idx     *bufFile
	vectors *bufFile
}

type bufFile struct {
	f *os.File
	*bufio.Writer
}

func createBuf(path string) (*bufFile, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &bufFile{f, bufio.NewWriterSize(f, 1<<18)}, nil
}

func (b *bufFile) close() error {
	if b == nil {
		return nil
	}
	return errors.Join(b.Flush(), b.f.Close())
}

func newGenWriter(dir string) (*genWriter, error) {
	w := &genWriter{dir: dir}
	for _, f := range []struct {
		to   **bufFile
		name string
	}{{&w.texts, textsFile}, {&w.idx, indexFile}, {&w.vectors, vectorsFile}} {
		b, err := createBuf(filepath.Join(dir, f.name))
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
		*f.to = b
	}
	return w, nil
}

// add writes one document; vectors[i] belongs to pieces[i].
func (w *genWriter) add(d docRecord, pieces []Piece, vectors [][]float32) error {
	d.First, d.Count = w.rows, len(pieces)
	for i, p := range pieces {
		rec := chunkRecord{
			Offset: w.offset, Length: uint32(len(p.Text)), CRC: crc32.Checksum([]byte(p.Text), castagnoli),
			Key: keyOf(p.Text), Doc: uint32(len(w.docs)), Ordinal: uint32(i), Start: uint32(p.Start), End: uint32(p.End),
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
	w.docs = append(w.docs, d)
	return nil
}

// finish writes the document records and closes the files.
func (w *genWriter) finish() error {
	b, err := createBuf(filepath.Join(w.dir, documentsFile))
	if err != nil {
		return errors.Join(err, w.close())
	}
	enc := json.NewEncoder(b)
	for _, d := range w.docs {
		if err := enc.Encode(d); err != nil {
			return errors.Join(fmt.Errorf("write document %s: %w", d.ID, err), b.close(), w.close())
		}
	}
	return errors.Join(b.close(), w.close())
}

func (w *genWriter) close() error {
	return errors.Join(w.texts.close(), w.idx.close(), w.vectors.close())
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

// genReader reads the files that genWriter wrote.
type genReader struct {
	docs    []docRecord
	idx     []byte
	vectors Matrix
	texts   *os.File
}

// openGenReader opens all but the vectors.
func openGenReader(gen string, m Manifest) (*genReader, error) {
	b, err := m.readFile(gen, documentsFile)
	if err != nil {
		return nil, err
	}
	r := &genReader{}
	if r.docs, err = parseDocuments(b); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(gen, documentsFile), err)
	}
	if r.idx, err = m.readFile(gen, indexFile); err != nil {
		return nil, err
	}
	if r.texts, err = os.Open(filepath.Join(gen, textsFile)); err != nil {
		return nil, fmt.Errorf("read chunks: %w: %w", err, errDamaged)
	}
	if err := r.check(m); err != nil {
		return nil, errors.Join(fmt.Errorf("open generation %s: %w", gen, err), r.close())
	}
	return r, nil
}

// readVectors reads the matrix, a row for each chunk.
func (r *genReader) readVectors(gen string, m Manifest) error {
	b, err := m.readFile(gen, vectorsFile)
	if err != nil {
		return err
	}
	v := Matrix{Dims: m.Dims, Data: parseFloats(b)}
	if m.Dims < 0 || v.Rows() != r.rows() || len(b) != 4*v.Rows()*v.Dims {
		return fmt.Errorf("read %s: its %d bytes are not %d rows of %d dimensions: %w", filepath.Join(gen, vectorsFile), len(b), r.rows(), m.Dims, errDamaged)
	}
	r.vectors = v
	return nil
}

func (r *genReader) close() error { return r.texts.Close() }

func (r *genReader) rows() int { return len(r.idx) / idxSize }

func (r *genReader) record(row int) chunkRecord { return parseChunkRecord(r.idx[row*idxSize:]) }

func (r *genReader) text(row int) (string, error) {
	rec := r.record(row)
	b := make([]byte, rec.Length)
	if _, err := r.texts.ReadAt(b, int64(rec.Offset)); err != nil {
		return "", fmt.Errorf("read chunk %d of %s: %w: %w", row, r.texts.Name(), err, errDamaged)
	}
	if crc32.Checksum(b, castagnoli) != rec.CRC {
		return "", fmt.Errorf("read chunk %d of %s: its checksum differs: %w", row, r.texts.Name(), errDamaged)
	}
	return unsafe.String(unsafe.SliceData(b), len(b)), nil
}

func (r *genReader) chunk(row int) (Chunk, error) {
	c := r.place(row)
	var err error
	c.Text, err = r.text(row)
	return c, err
}

// place is a chunk without its text, which alone has to be read.
func (r *genReader) place(row int) Chunk {
	rec := r.record(row)
	d := &r.docs[rec.Doc]
	return Chunk{
		ID: d.ID + "#chunk-" + strconv.Itoa(int(rec.Ordinal)), DocumentID: d.ID, URL: d.URL, Title: d.Title,
		Ordinal: int(rec.Ordinal), Start: int(rec.Start), End: int(rec.End), Meta: d.Meta,
	}
}

func parseDocuments(b []byte) ([]docRecord, error) {
	var docs []docRecord
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber() // metadata keeps its big integers
	for {
		var d docRecord
		err := dec.Decode(&d)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w: %w", len(docs)+1, err, errDamaged)
		}
		docs = append(docs, d)
	}
}

// floatBytes gives v as little-endian bytes.
func floatBytes(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func parseFloats(b []byte) []float32 {
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}
