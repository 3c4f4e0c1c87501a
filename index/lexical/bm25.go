package lexical

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/blevesearch/bleve/v2/analysis"

	"github.com/ragproxy/ragproxy/index"
)

const (
	// maxQuery and maxQueryTerms bound the work for a query: what lies beyond
	// that many bytes, or different words, is not searched for.
	maxQuery      = 64 << 10
	maxQueryTerms = 1024

	// A query of at most maxSingle characters, each alone, is taken for at most
	// maxPairs pairs a character and folder.
	maxSingle = 8
	maxPairs  = 4096

	ctxEvery = 4096 // postings between two looks at the context
)

var errClosed = errors.New("search keywords: the index is closed")

type searcher struct {
	options  Options
	analyzer analysis.Analyzer

	parts         []*part // those with documents
	documents     int     // of all parts
	averageLength float64 // tokens of a document
	cache         cache
	scratch       sync.Pool // of *scores

	// Searches read memory that Close unmaps, so it waits for them.
	mu     sync.RWMutex
	closed bool
}

// Search scores every document that has a word of the query with BM25 as in
// Lucene 8 and later (Robertson et al. 1994, without the constant factor k1+1):
//
//	sum over the words of ln(1 + (N-n+.5)/(n+.5)) * f / (f + k1*(1-b + b*len/avg))
//
// n of N documents have the word, this one f times; len and avg count tokens.
// A word that is twice in the query counts twice.
func (s *searcher) Search(ctx context.Context, query string, k int, allow index.Allow) ([]index.Match, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed
	}
	if s.documents == 0 || k < 1 {
		return nil, nil
	}
	terms := s.terms(query)
	if len(terms) == 0 {
		return nil, ctx.Err()
	}
	scratch := s.scratch.Get().(*scores)
	defer s.scratch.Put(scratch)
	clear(scratch.byRow)
	for _, t := range terms {
		list, err := s.postings(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("search keywords: %w", err)
		}
		for _, p := range list {
			scratch.byRow[p.row] += t.count * p.weight
		}
	}
	return scratch.top(k, allow), nil
}

// Close waits for running searches; later ones get an error.
func (s *searcher) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var err error
	for _, p := range s.parts {
		err = errors.Join(err, p.segment.Close())
	}
	if err != nil {
		return fmt.Errorf("close keyword index: %w", err)
	}
	return nil
}

// term is a word of the query and how often it is there. Where it is a single
// character of a script that is indexed in pairs, it may stand for all pairs
// with it.
type term struct {
	text  []byte
	count float32
	pairs bool
}

// terms returns the query's words in their order, each once. Single characters
// stand for their pairs only in a query that has nothing else: elsewhere they
// are particles.
func (s *searcher) terms(query string) []term {
	var terms []term
	pairs := true
	known := map[string]int{}
	for _, token := range s.analyzer.Analyze(cut([]byte(query), maxQuery)) {
		if len(token.Term) == 0 {
			continue
		}
		pairs = pairs && token.Type == analysis.Single
		if at, ok := known[string(token.Term)]; ok {
			terms[at].count++
		} else if len(terms) < maxQueryTerms {
			known[string(token.Term)] = len(terms)
			terms = append(terms, term{text: token.Term, count: 1})
		}
	}
	if pairs && len(terms) <= maxSingle {
		for i := range terms {
			terms[i].pairs = true
		}
	}
	return terms
}

// posting is what a word adds to the score of a row.
type posting struct {
	row    int32
	weight float32
}

// postings returns a word's postings, from the cache if they are there.
func (s *searcher) postings(ctx context.Context, t term) ([]posting, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key := t.text
	if t.pairs {
		key = append([]byte{0xff}, t.text...) // in no word, as it is not UTF-8
	}
	if list, ok := s.cache.get(key); ok {
		return list, nil
	}
	var found []Occurrence
	for _, p := range s.parts {
		var err error
		if t.pairs {
			found, err = p.pairPostings(ctx, t.text, found)
		} else {
			found, err = p.postings(ctx, t.text, found)
		}
		if err != nil {
			return nil, err
		}
	}
	list := s.weigh(found)
	s.cache.put(key, list)
	return list, nil
}

// weigh returns what each occurrence of a word adds, if these are all.
func (s *searcher) weigh(found []Occurrence) []posting {
	formula := s.formula()
	idf := formula.idf(len(found))
	list := make([]posting, len(found))
	for i, o := range found {
		list[i] = posting{o.Row, formula.weight(idf, o)}
	}
	return list
}

func (s *searcher) formula() formula {
	return formula{s.options.K1, s.options.B, s.documents, s.averageLength}
}

// formula is BM25 for so many documents of that length on the average.
type formula struct {
	k1, b         float64
	documents     int
	averageLength float64
}

// idf is that of a word which so many documents have.
func (f formula) idf(documents int) float64 {
	n, all := float64(documents), float64(f.documents)
	return math.Log(1 + (all-n+0.5)/(n+0.5))
}

// weight is what a word of that idf adds to a document's score.
func (f formula) weight(idf float64, o Occurrence) float32 {
	count := float64(o.Count)
	return float32(idf * count / (count + f.k1*(1-f.b+f.b*float64(o.Length)/f.averageLength)))
}

// Verify holds the number of documents with postings against the rows.
func (s *searcher) Verify(ctx context.Context, rows int) error {
	if s.documents != rows {
		return fmt.Errorf("the keyword index is of %d chunks, want %d", s.documents, rows)
	}
	return ctx.Err()
}
