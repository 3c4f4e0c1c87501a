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

// Open opens the folders without changing a byte of them; any number of
// processes may have them open. It reads every file once, to check it.
func (e *engine) Open(dirs []string) (_ index.KeywordSearcher, err error) {
	s := &searcher{options: e.options, analyzer: e.analyzer}
	tokens := 0
	for _, dir := range dirs {
		stats, err := readStats(dir, e.Name())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open keyword index: %w", err), s.Close())
		}
		if stats.Documents == 0 {
			continue
		}
		p, err := openPart(filepath.Join(dir, postingsFolder), stats, s.documents)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open keyword index %s: %w", dir, err), s.Close())
		}
		s.parts = append(s.parts, p)
		s.documents += stats.Documents
		tokens += stats.Tokens
	}
	s.averageLength = float64(tokens) / float64(max(s.documents, 1))
	return s, nil
}

// part is what was built into one folder.
type part struct {
	bleve  bleveindex.Index
	reader bleveindex.IndexReader
	rows   []int32 // by bleve's document number
}

// openPart opens the postings of a folder whose rows begin at first.
func openPart(path string, want stats, first int) (*part, error) {
	b, err := scorch.NewScorch(scorch.Name, map[string]any{"path": path, "read_only": true}, nil)
	if err != nil {
		return nil, err
	}
	if err := b.Open(); err != nil {
		return nil, err
	}
	p := &part{bleve: b}
	if err := p.read(want, first); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// read learns which row each of bleve's document numbers is: the builder gives
// them out in no order.
func (p *part) read(want stats, first int) error {
	var err error
	if p.reader, err = p.bleve.Reader(); err != nil {
		return err
	}
	if n, err := p.reader.DocCount(); err != nil || n != uint64(want.Documents) {
		return errors.Join(err, fmt.Errorf("it has %d documents, want %d: build the index again", n, want.Documents))
	}
	p.rows, err = readRows(p.reader, want.Documents, first)
	return err
}

func (p *part) close() error {
	var err error
	if p.reader != nil {
		err = p.reader.Close()
	}
	return errors.Join(err, p.bleve.Close())
}

// readRows returns the row of each document number.
func readRows(reader bleveindex.IndexReader, documents, first int) (_ []int32, err error) {
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
		rows[id.Value()] = int32(first + row)
	}
}
