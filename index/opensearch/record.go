package opensearch

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/remote"
)

// record is a document or a chunk as it is written. Its second half is not in
// _source (see storeBody).
type record struct {
	Kind    string `json:"kind"` // isDocument or isChunk
	ID      string `json:"id"`   // the document's
	URL     string `json:"url"`
	Title   string `json:"title"`
	Meta    string `json:"meta,omitempty"`   // JSON, as numbers would lose digits; a chunk's is its own
	Marks   string `json:"marks,omitempty"`  // JSON
	Source  string `json:"source,omitempty"` // of a document
	Chunks  int    `json:"chunks"`           // of a document
	Text    string `json:"text,omitempty"`   // of a chunk
	Ordinal int    `json:"ordinal"`          // of a chunk
	From    int    `json:"from,omitempty"`   // of a chunk
	To      int    `json:"to,omitempty"`     // of a chunk

	Doc     string          `json:"doc"`
	Key     string          `json:"key,omitempty"`
	Hash    string          `json:"hash,omitempty"`
	Src     string          `json:"src,omitempty"`
	Facts   []string        `json:"facts"`
	Born    int             `json:"born"`
	Died    int             `json:"died,omitempty"`
	Words   string          `json:"words,omitempty"`
	Singles string          `json:"singles,omitempty"`
	Vector  json.RawMessage `json:"vector,omitempty"`
	Raw     []byte          `json:"raw,omitempty"`
}

const (
	isDocument = "d"
	isChunk    = "c"
)

func hexKey(k index.Key) string { return hex.EncodeToString(k[:]) }

// nameKey is the key of a document's id, or of a source.
func nameKey(name string) string { return hexKey(index.KeyOf(name)) }

func parseKey(text string) (k index.Key, err error) {
	if n, err := hex.Decode(k[:], []byte(text[:min(len(text), 2*len(k))])); err != nil || n != len(k) {
		return k, fmt.Errorf("key %q: not %d bytes in hexadecimal", text, len(k))
	}
	return k, nil
}

// recordID is what a document's record has for an _id, by the key of its own id:
// one that is written again is not there twice.
func recordID(born int, doc string) string { return strconv.Itoa(born) + "-" + doc }

// chunkID is that of a chunk's record.
func chunkID(born int, doc string, ordinal int) string {
	return recordID(born, doc) + "-" + strconv.Itoa(ordinal)
}

// documentRecord is a document without its text.
func documentRecord(p index.Stored, born int) (record, error) {
	d := p.Document
	meta, err := jsonText(d.Meta)
	if err != nil {
		return record{}, err
	}
	marks, err := jsonText(d.Marks)
	if err != nil {
		return record{}, err
	}
	own, err := facts(d)
	return record{
		Kind: isDocument, ID: d.ID, URL: d.URL, Title: d.Title, Meta: meta, Marks: marks, Source: p.Source, Chunks: len(p.Cut.Chunks),
		Doc: nameKey(d.ID), Hash: hexKey(p.Cut.Hash), Src: nameKey(p.Source), Facts: own, Born: born,
	}, err
}

// chunkRecord is a chunk of that document, without its words and vector.
func chunkRecord(document record, c index.Chunk, key index.Key) (record, error) {
	meta, err := jsonText(c.Meta)
	return record{
		Kind: isChunk, ID: document.ID, URL: document.URL, Title: document.Title, Meta: meta,
		Text: c.Text, Ordinal: c.Ordinal, From: c.Start, To: c.End,
		Doc: document.Doc, Key: hexKey(key), Facts: document.Facts, Born: document.Born,
	}, err
}

// chunk is the chunk of a record.
func (r *record) chunk() (c index.Chunk, err error) {
	c = chunkOf(r.ID, r.Ordinal)
	c.URL, c.Title, c.Text, c.Start, c.End = r.URL, r.Title, r.Text, r.From, r.To
	c.Meta, err = remote.ReadMeta(r.Meta)
	return c, err
}

// chunkOf is a chunk that nothing else is known of.
func chunkOf(document string, ordinal int) index.Chunk {
	return index.Chunk{ID: index.ChunkID(document, ordinal), DocumentID: document, Ordinal: ordinal}
}

func (r *record) info() (index.DocumentInfo, error) {
	meta, err := remote.ReadMeta(r.Meta)
	return index.DocumentInfo{ID: r.ID, URL: r.URL, Title: r.Title, Meta: meta, Chunks: r.Chunks}, err
}

// jsonText gives "" where there is nothing.
func jsonText[T map[string]any | []index.Mark](v T) (string, error) {
	if len(v) == 0 {
		return "", nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}

// setVector writes the vector twice: for the graph, and as it was given.
func (r *record) setVector(v []float32) {
	text := make([]byte, 0, 12*len(v))
	text = append(text, '[')
	for i, x := range v {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendFloat(text, float64(x), 'g', -1, 32)
	}
	r.Vector, r.Raw = append(text, ']'), floatBytes(v)
}

func floatBytes(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func bytesFloats(b []byte) []float32 {
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

// filler stands for a word that counts for a chunk's length only. It is in no
// query: the analyzers make words of letters and digits.
const filler = "\uE000"

// setWords writes the chunk's words, each as often as it is there, and the
// characters of its pairs.
func (r *record) setWords(w lexical.Words) {
	var words, singles strings.Builder
	others := w.Length // that the analyzer has cut and made nothing of
	for word, n := range w.Counts {
		others -= n
		for range n {
			words.WriteString(word)
			words.WriteByte(' ')
		}
		for _, single := range pairOf(word) {
			for range n {
				singles.WriteRune(single)
				singles.WriteByte(' ')
			}
		}
	}
	for range others {
		words.WriteString(filler + " ")
	}
	r.Words, r.Singles = words.String(), singles.String()
}

// pairOf gives the characters of a word that is one, or a pair, of a script that
// is written without spaces, each once; none of all other words.
func pairOf(word string) []rune {
	runes := []rune(word)
	if len(runes) > 2 || len(runes) == 0 || runes[0] < firstPaired || runes[len(runes)-1] < firstPaired {
		return nil
	}
	if len(runes) == 2 && runes[0] == runes[1] {
		return runes[:1]
	}
	return runes
}

const firstPaired = 0x0E00 // the first of them is Thai

// pending is the document of a record, without chunks.
func (r *record) pending(hash string) (p index.Stored, err error) {
	p = index.Stored{Source: r.Source, Document: index.Document{ID: r.ID, URL: r.URL, Title: r.Title}}
	if p.Document.Meta, err = remote.ReadMeta(r.Meta); err != nil {
		return p, err
	}
	if r.Marks != "" {
		if err := json.Unmarshal([]byte(r.Marks), &p.Document.Marks); err != nil {
			return p, fmt.Errorf("read marks: %w", err)
		}
	}
	p.Cut.Hash, err = parseKey(hash)
	return p, err
}
