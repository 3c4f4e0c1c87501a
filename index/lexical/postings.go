package lexical

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	segment "github.com/blevesearch/scorch_segment_api/v2"
	vellumregexp "github.com/blevesearch/vellum/regexp"
	zap "github.com/blevesearch/zapx/v17"

	"github.com/ragproxy/ragproxy/index"
)

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
		p, err := openPart(dir, stats, s.documents)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open keyword index: %w", err), s.Close())
		}
		s.parts = append(s.parts, p)
		s.documents += stats.Documents
		tokens += stats.Tokens
	}
	s.averageLength = float64(tokens) / float64(max(s.documents, 1))
	s.scratch.New = func() any { return &scores{make([]float32, s.documents), nil} }
	return s, nil
}

// part is what was built into one folder; its rows begin at first.
type part struct {
	segment   segment.Segment
	first     int
	documents int
	rows      []int32 // by document number, in the old layout only
}

// The old layout is that of bleve's own builder: a folder with this file, in
// which the rows are the documents' ids, and one more that is not needed.
const (
	oldFolder = "postings"
	oldFile   = "000000000002.zap"
)

func openPart(dir string, want stats, first int) (*part, error) {
	name := postingsFile
	if _, isNew := want.Files[name]; !isNew {
		name = oldFile
	}
	path := want.path(dir, name)
	if _, isSummed := want.Files[name]; !isSummed {
		return nil, fmt.Errorf("%s has no checksum: build the index again", path)
	}
	s, err := (&zap.ZapPlugin{}).Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	p := &part{segment: s, first: first, documents: want.Documents}
	if n := s.Count(); n != uint64(want.Documents) {
		err = fmt.Errorf("it has %d documents, want %d: build the index again", n, want.Documents)
	} else if name == oldFile {
		err = p.readRows()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), s.Close())
	}
	return p, nil
}

func (p *part) readRows() error {
	p.rows = make([]int32, p.documents)
	for number := range p.rows {
		id, err := p.segment.DocID(uint64(number))
		if err != nil {
			return err
		}
		row, err := strconv.Atoi(string(id))
		if err != nil || row < 0 || row >= p.documents {
			return fmt.Errorf("document %d has the id %q: build the index again", number, id)
		}
		p.rows[number] = int32(row)
	}
	return nil
}

// Occurrence is a chunk that has a word: its row, how often it has the word,
// and its length in words.
type Occurrence struct {
	Row           int32
	Count, Length uint32
}

// postings appends to found the documents that have a word.
func (p *part) postings(ctx context.Context, word []byte, found []Occurrence) ([]Occurrence, error) {
	words, err := p.segment.Dictionary(field)
	if err != nil {
		return nil, err
	}
	list, err := words.PostingsList(word, nil, nil)
	if err != nil {
		return nil, err
	}
	found = slices.Grow(found, int(list.Count()))
	all := list.Iterator(true, true, false, nil)
	for i := 0; ; i++ {
		if i%ctxEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		next, err := all.Next()
		if err != nil || next == nil {
			return found, err
		}
		posting, ok := next.(*zap.Posting)
		if !ok || posting.Number() >= uint64(p.documents) {
			return nil, fmt.Errorf("document %d of %d: the index is damaged, build it again", next.Number(), p.documents)
		}
		row := int32(posting.Number())
		if p.rows != nil {
			row = p.rows[row]
		}
		found = append(found, Occurrence{int32(p.first) + row, uint32(posting.Frequency()), uint32(posting.NormUint64())})
	}
}

// pairPostings is postings for any of the pairs with a character.
func (p *part) pairPostings(ctx context.Context, character []byte, found []Occurrence) ([]Occurrence, error) {
	words, err := p.pairs(character)
	if err != nil {
		return nil, err
	}
	var of []Occurrence
	for _, word := range words {
		if of, err = p.postings(ctx, word, of); err != nil {
			return nil, err
		}
	}
	return append(found, Merge(of)...), nil
}

// pairs returns the words of one or two characters that have this one, at most
// maxPairs of them.
func (p *part) pairs(character []byte) ([][]byte, error) {
	words, err := p.segment.Dictionary(field)
	if err != nil {
		return nil, err
	}
	c := regexp.QuoteMeta(string(character))
	pattern, err := vellumregexp.New(c + ".?|." + c)
	if err != nil {
		return nil, err
	}
	var found [][]byte
	for all := words.AutomatonIterator(pattern, nil, nil); len(found) < maxPairs; {
		entry, err := all.Next()
		if err != nil {
			return nil, err
		}
		if entry == nil {
			break
		}
		found = append(found, []byte(entry.Term))
	}
	return found, nil
}
