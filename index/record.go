package index

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// The files of a segment that the index itself writes:
//
//	documents.jsonl  one docRecord a line
//	documents.idx    one docEntry of docSize bytes a document
//	chunks.dat       the chunks' texts, one after the other
//	chunks.idx       one chunkRecord of idxSize bytes a chunk, in row order
//	vectors.f32      the chunks' unit vectors, little-endian, in row order
//
// Format 1 had no documents.idx, but more in documents.jsonl.
const (
	documentsFile = "documents.jsonl"
	entriesFile   = "documents.idx"
	textsFile     = "chunks.dat"
	indexFile     = "chunks.idx"
	vectorsFile   = "vectors.f32"
	vectorDir     = "vector"
	keywordDir    = "keyword"
)

// docRecord is what a segment remembers of a document beside its docEntry.
type docRecord struct {
	ID     string         `json:"id"`
	URL    string         `json:"url,omitempty"`
	Title  string         `json:"title,omitempty"`
	Meta   map[string]any `json:"meta,omitempty"`
	Marks  []Mark         `json:"marks,omitempty"`
	Source string         `json:"source"`
}

// metaAt is the metadata of a chunk that starts there.
func (d *docRecord) metaAt(start int) map[string]any {
	after := sort.Search(len(d.Marks), func(i int) bool { return d.Marks[i].Start > start })
	if after == 0 || len(d.Marks[after-1].Meta) == 0 {
		return d.Meta
	}
	meta := make(map[string]any, len(d.Meta)+len(d.Marks[after-1].Meta))
	maps.Copy(meta, d.Meta)
	maps.Copy(meta, d.Marks[after-1].Meta)
	return meta
}

// longestTitle is how many bytes of a title are embedded: titles come from
// outside, and models read so many tokens only.
const longestTitle = 256

// embedded is the text that a chunk's vector is made of. A passage from the
// middle of a page does not say what the page is about, its title does; but
// that a file is named otherwise does not make its chunks new.
func (d *docRecord) embedded(text string) string {
	title := strings.ToValidUTF8(d.Title[:min(len(d.Title), longestTitle)], "")
	if title == "" || title == path.Base(d.ID) || title == path.Base(filepath.ToSlash(d.URL)) || strings.HasPrefix(text, title) {
		return text
	}
	return title + "\n" + text
}

// key is the beginning of a SHA-256: of a document's id, of everything that
// was loaded, of a chunk's text.
type key = Key

func keyOf(text string) key {
	sum := sha256.Sum256([]byte(text))
	return key(sum[:16])
}

// docEntry is a row of documents.idx: all that a run needs to know of a
// document that did not change. Its chunks are the rows [First, First+Count).
type docEntry struct {
	Offset        uint64 // in documents.jsonl
	Length, CRC   uint32 // CRC-32C of the record
	First, Count  uint32
	ID, Hash, Src key // Hash is of everything that was loaded; equal hash, unchanged document
}

const docSize = 72

func (e docEntry) append(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, e.Offset)
	b = le.AppendUint32(b, e.Length)
	b = le.AppendUint32(b, e.CRC)
	b = le.AppendUint32(b, e.First)
	b = le.AppendUint32(b, e.Count)
	b = append(b, e.ID[:]...)
	b = append(b, e.Hash[:]...)
	return append(b, e.Src[:]...)
}

func parseDocEntry(b []byte) docEntry {
	le := binary.LittleEndian
	return docEntry{
		Offset: le.Uint64(b), Length: le.Uint32(b[8:]), CRC: le.Uint32(b[12:]), First: le.Uint32(b[16:]), Count: le.Uint32(b[20:]),
		ID: key(b[24:40]), Hash: key(b[40:56]), Src: key(b[56:72]),
	}
}

// chunkRecord is a row of chunks.idx: fixed size, so that a row is found
// without reading those before it.
type chunkRecord struct {
	Offset     uint64
	Length     uint32
	CRC        uint32 // CRC-32C of the text
	Key        key    // of the text: the same text is never embedded twice in one space
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
		Offset: le.Uint64(b), Length: le.Uint32(b[8:]), CRC: le.Uint32(b[12:]), Key: key(b[16:32]),
		Doc: le.Uint32(b[32:]), Ordinal: le.Uint32(b[36:]), Start: le.Uint32(b[40:]), End: le.Uint32(b[44:]),
	}
}

func parseDocument(b []byte) (*docRecord, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber() // metadata keeps its big integers
	var d docRecord
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("%w: %w", err, errDamaged)
	}
	return &d, nil
}

// entriesOfFormat1 makes the documents.idx that format 1 did not have.
func entriesOfFormat1(b []byte) ([]byte, error) {
	var out []byte
	dec := json.NewDecoder(bytes.NewReader(b))
	for n := 1; ; n++ {
		var d struct {
			docRecord
			Hash  string `json:"hash"`
			First uint32 `json:"first"`
			Count uint32 `json:"count"`
		}
		from := dec.InputOffset()
		err := dec.Decode(&d)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w: %w", n, err, errDamaged)
		}
		e := docEntry{Offset: uint64(from), First: d.First, Count: d.Count, ID: keyOf(d.ID), Src: keyOf(d.Source)}
		record := b[from:dec.InputOffset()]
		e.Length, e.CRC = uint32(len(record)), crc32.Checksum(record, castagnoli)
		if hash, err := hex.DecodeString(d.Hash); err == nil && len(hash) == len(e.Hash) {
			e.Hash = key(hash)
		}
		out = e.append(out)
	}
}
