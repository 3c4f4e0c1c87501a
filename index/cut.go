package index

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Key is the beginning of a SHA-256.
type Key = [16]byte

// KeyOf is the key of a text.
func KeyOf(text string) Key { return keyOf(text) }

// Cut is a document as every engine stores it.
type Cut struct {
	Hash   Key // of everything that decides what its chunks are
	Chunks []Chunk
	Texts  []string // what each chunk's vector is made of
	// Vectors are the chunks' unit vectors; nil where they are still to be made.
	Vectors [][]float32
}

// HashDocument is the hash of a document that is cut by the named splitter. The
// error is for metadata that cannot be written as JSON.
func HashDocument(splitter string, d Document) (Key, error) { return hashDocument(splitter, d) }

// CutDocument gives a document's chunks.
func CutDocument(s Splitter, d Document) (Cut, error) {
	hash, err := hashDocument(s.Name(), d)
	if err != nil {
		return Cut{}, err
	}
	out, rec := Cut{Hash: hash}, docRecord{ID: d.ID, URL: d.URL, Title: d.Title, Meta: d.Meta, Marks: d.Marks}
	for i, p := range s.Split(d.Text) {
		out.Chunks = append(out.Chunks, rec.cut(i, p))
		out.Texts = append(out.Texts, rec.embedded(p.Text))
	}
	return out, nil
}

// cut is the chunk of a piece.
func (d *docRecord) cut(ordinal int, p Piece) Chunk {
	return Chunk{
		ID: ChunkID(d.ID, ordinal), DocumentID: d.ID, URL: d.URL, Title: d.Title,
		Text: p.Text, Ordinal: ordinal, Start: p.Start, End: p.End, Meta: d.metaAt(p.Start),
	}
}

// EmbeddedText is the text that the vector of a chunk is made of.
func EmbeddedText(c Chunk) string {
	rec := docRecord{ID: c.DocumentID, URL: c.URL, Title: c.Title}
	return rec.embedded(c.Text)
}

// CheckID says what is wrong with a document's id, nil if nothing is.
func CheckID(id string) error {
	if id == "" || !utf8.ValidString(id) {
		return fmt.Errorf("document %q has no id, or one that is not UTF-8", id)
	}
	return nil
}

// UnitVectors makes unit vectors of those that an embedder gave for n texts,
// in place; dims is how many dimensions they must have, 0 for any. A vector of
// zeros stays one.
func UnitVectors(vectors [][]float32, n, dims int) error {
	if len(vectors) != n {
		return fmt.Errorf("the embedder gave %d vectors for %d texts", len(vectors), n)
	}
	for _, v := range vectors {
		if dims == 0 {
			dims = len(v)
		}
		if len(v) != dims || len(v) == 0 {
			return fmt.Errorf("the embedder gave %d dimensions, the collection has %d", len(v), dims)
		}
		if !normalize(v) {
			return errors.New("the embedder gave a vector that is not finite")
		}
	}
	return nil
}

// UnitQuery makes a query's vector a unit vector, in place. It refuses one
// that no search can answer for; of a blank text it may be all zero.
func UnitQuery(v []float32, dims int, text string) error {
	if err := checkQuery(v, dims, text); err != nil {
		return err
	}
	normalize(v)
	return nil
}

// IsZero says that a vector has no direction: nothing is near it.
func IsZero(v []float32) bool {
	for _, x := range v {
		if x != 0 {
			return false
		}
	}
	return true
}
