package lexical

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	bleveindex "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"
	zap "github.com/blevesearch/zapx/v17"

	"github.com/ragproxy/ragproxy/index"
)

// In the folder of the leg: the postings, one zap file (bleve's format of a
// segment) that holds nothing but the field "t" and whose document numbers are
// our rows; and what zap does not keep. An index without documents has only
// the latter.
const (
	postingsFile = "postings.zap"
	statsFile    = "stats.json"
	field        = "t"

	batchSize = 1000 // documents in memory while building
)

// Build indexes title and text of each chunk as one field, in which the title
// counts twice.
func (e *engine) Build(ctx context.Context, chunks iter.Seq[index.Chunk], dir string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("build keyword index: %w", err)
		}
	}()
	w := writer{analyzer: e.analyzer, scratch: filepath.Join(dir, "scratch")}
	if err := os.Mkdir(w.scratch, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(w.scratch)) }()
	for chunk := range chunks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.add(chunk); err != nil {
			return err
		}
	}
	s := stats{Engine: e.Name(), Documents: w.documents, Tokens: w.tokens}
	if err := w.finish(filepath.Join(dir, postingsFile)); err != nil {
		return err
	}
	b, err := s.seal(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, statsFile), b, 0o644)
}

// writer writes segments of batchSize documents into the scratch folder and
// merges them. bleve's own builder gives out document numbers in no order.
type writer struct {
	analyzer  analysis.Analyzer
	scratch   string
	batch     []bleveindex.Document
	paths     []string
	documents int
	tokens    int
}

func (w *writer) add(chunk index.Chunk) error {
	doc, tokens := toDocument("c", chunkText(chunk), w.analyzer) // zap wants an id; we know its number
	w.documents++
	w.tokens += tokens
	if w.batch = append(w.batch, doc); len(w.batch) < batchSize {
		return nil
	}
	return w.flush()
}

// chunkText is what is indexed of a chunk.
func chunkText(c index.Chunk) string {
	if c.Title == "" {
		return c.Text
	}
	return c.Title + "\n" + c.Title + "\n" + c.Text
}

// toDocument makes the leanest document: no term vectors, no stored text, no
// doc values. They would make the index eight times larger.
func toDocument(id, text string, a analysis.Analyzer) (_ bleveindex.Document, tokens int) {
	words := document.NewTextFieldCustom(field, nil, []byte(text), bleveindex.IndexField, a)
	doc := document.NewDocument(id)
	doc.AddField(words)
	doc.AddIDField()
	doc.VisitFields(func(f bleveindex.Field) { f.Analyze() })
	return doc, words.AnalyzedLength()
}

func (w *writer) flush() error {
	made, _, err := (&zap.ZapPlugin{}).New(w.batch)
	if err != nil {
		return err
	}
	defer made.Close()
	w.batch = w.batch[:0]
	path := filepath.Join(w.scratch, strconv.Itoa(len(w.paths)))
	w.paths = append(w.paths, path)
	return made.(segment.UnpersistedSegment).Persist(path)
}

// finish merges the segments into one file; without documents it makes none.
func (w *writer) finish(path string) (err error) {
	if len(w.batch) > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	switch len(w.paths) {
	case 0:
		return nil
	case 1:
		return os.Rename(w.paths[0], path)
	}
	var segments []segment.Segment
	defer func() {
		for _, s := range segments {
			err = errors.Join(err, s.Close())
		}
	}()
	for _, path := range w.paths {
		s, err := (&zap.ZapPlugin{}).Open(path)
		if err != nil {
			return err
		}
		segments = append(segments, s)
	}
	_, _, err = (&zap.ZapPlugin{}).Merge(segments, make([]*roaring.Bitmap, len(segments)), path, nil, nil)
	return err
}
