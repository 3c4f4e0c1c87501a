package lexical

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/index/scorch"
	bleveindex "github.com/blevesearch/bleve_index_api"

	"github.com/ragproxy/ragproxy/index"
)

// In the folder of the leg: the postings, a scorch index of one segment that
// holds nothing but the field "t" and the ids (rows in decimal), and what
// scorch does not keep. An index without documents has only the latter.
const (
	postingsFolder = "postings"
	statsFile      = "stats.json"
	field          = "t"
)

// counter counts the tokens that pass through an analyzer. One goroutine only.
type counter struct {
	analysis.Analyzer
	tokens int
}

func (c *counter) Analyze(text []byte) analysis.TokenStream {
	tokens := c.Analyzer.Analyze(text)
	c.tokens += len(tokens)
	return tokens
}

// Build indexes title and text of each chunk as one field: better than two
// fields, or a title that counts more. It uses scorch's offline builder, which
// starts no goroutines and leaves one merged segment.
func (e *engine) Build(ctx context.Context, chunks iter.Seq[index.Chunk], dir string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("build keyword index: %w", err)
		}
	}()
	scratch := filepath.Join(dir, "scratch") // in dir, as the builder moves its result by rename
	if err := os.Mkdir(scratch, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	builder, err := scorch.NewBuilder(map[string]any{
		"path":            filepath.Join(dir, postingsFolder),
		"buildPathPrefix": scratch,
	})
	if err != nil {
		return err
	}
	counted := &counter{Analyzer: e.analyzer}
	s := stats{Engine: e.Name()}
	for chunk := range chunks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := builder.Index(toDocument(s.Documents, chunk, counted)); err != nil {
			return err
		}
		s.Documents++
	}
	if s.Documents > 0 { // the builder panics when it closes without a document
		if err := builder.Close(); err != nil {
			return err
		}
	}
	s.Tokens = counted.tokens
	b, err := s.seal(filepath.Join(dir, postingsFolder))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, statsFile), b, 0o644)
}

// toDocument makes the leanest document: no term vectors, no stored text, no
// doc values. They would make the index eight times larger.
func toDocument(row int, chunk index.Chunk, a analysis.Analyzer) *document.Document {
	text := chunk.Text
	if chunk.Title != "" {
		text = chunk.Title + "\n" + chunk.Text
	}
	doc := document.NewDocument(strconv.Itoa(row))
	doc.AddField(document.NewTextFieldCustom(field, nil, []byte(text), bleveindex.IndexField, a))
	return doc
}

// Open opens the index without changing a byte of it; any number of processes
// may have it open. It reads every file once, to check it.
func (e *engine) Open(dir string) (index.KeywordSearcher, error) {
	s, err := readStats(dir, e.Name())
	if err != nil {
		return nil, fmt.Errorf("open keyword index: %w", err)
	}
	found := &searcher{options: e.options, analyzer: e.analyzer}
	if s.Documents == 0 {
		return found, nil
	}
	path := filepath.Join(dir, postingsFolder)
	if err := found.open(path, s); err != nil {
		return nil, fmt.Errorf("open keyword index %s: %w", path, err)
	}
	return found, nil
}

// open opens the postings and learns which row each of bleve's document
// numbers is: the builder gives them out in no order.
func (s *searcher) open(path string, want stats) (err error) {
	s.bleve, err = scorch.NewScorch(scorch.Name, map[string]any{"path": path, "read_only": true}, nil)
	if err != nil {
		return err
	}
	if err := s.bleve.Open(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.reader, err = s.bleve.Reader(); err != nil {
		return err
	}
	if n, err := s.reader.DocCount(); err != nil || n != uint64(want.Documents) {
		return errors.Join(err, fmt.Errorf("it has %d documents, want %d: build the index again", n, want.Documents))
	}
	s.averageLength = float64(want.Tokens) / float64(want.Documents)
	s.rows, err = readRows(s.reader, want.Documents)
	return err
}

// readRows returns the row of each document number.
func readRows(reader bleveindex.IndexReader, documents int) (_ []int32, err error) {
	ids, err := reader.DocIDReaderAll()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ids.Close()) }()
	rows := make([]int32, documents)
	for {
		id, err := ids.Next()
		if id == nil || err != nil {
			return rows, err
		}
		name, err := reader.ExternalID(id)
		if err != nil {
			return nil, err
		}
		row, err := strconv.Atoi(name)
		if err != nil || row < 0 || row >= documents || id.Value() >= uint64(documents) {
			return nil, fmt.Errorf("document %d has the id %q: build the index again", id.Value(), name)
		}
		rows[id.Value()] = int32(row)
	}
}
