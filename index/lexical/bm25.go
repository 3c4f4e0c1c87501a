package lexical

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/blevesearch/bleve/v2/analysis"
	bleveindex "github.com/blevesearch/bleve_index_api"

	"github.com/ragproxy/ragproxy/index"
)

const (
	// maxQuery and maxQueryTerms bound the work for a query: what lies beyond
	// that many bytes, or different words, is not searched for.
	maxQuery      = 64 << 10
	maxQueryTerms = 1024

	ctxEvery = 4096 // postings between two looks at the context
)

var errClosed = errors.New("search keywords: the index is closed")

type searcher struct {
	options  Options
	analyzer analysis.Analyzer

	parts         []*part // those with documents
	documents     int     // of all parts
	averageLength float64 // tokens of a document

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
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.documents == 0 || k < 1 {
		return nil, nil
	}
	terms := s.terms(query)
	if len(terms) == 0 {
		return nil, nil
	}
	scores := make([]float64, s.documents)
	for _, t := range terms {
		if err := s.score(ctx, t, scores); err != nil {
			return nil, fmt.Errorf("search keywords: %w", err)
		}
	}
	return top(scores, k, allow), nil
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
		err = errors.Join(err, p.close())
	}
	if err != nil {
		return fmt.Errorf("close keyword index: %w", err)
	}
	return nil
}

// term is a word of the query and how often it is there.
type term struct {
	text  []byte
	count float64
}

// terms returns the query's words in their order, each once.
func (s *searcher) terms(query string) []term {
	var terms []term
	known := map[string]int{}
	for _, token := range s.analyzer.Analyze(cut([]byte(query), maxQuery)) {
		if len(token.Term) == 0 {
			continue
		}
		if at, ok := known[string(token.Term)]; ok {
			terms[at].count++
		} else if len(terms) < maxQueryTerms {
			known[string(token.Term)] = len(terms)
			terms = append(terms, term{token.Term, 1})
		}
	}
	return terms
}

// score adds what one word gives to each document that has it.
func (s *searcher) score(ctx context.Context, t term, scores []float64) (err error) {
	postings := make([]bleveindex.TermFieldReader, len(s.parts))
	defer func() {
		for _, p := range postings {
			if p != nil {
				err = errors.Join(err, p.Close())
			}
		}
	}()
	have, all := 0.0, float64(s.documents)
	for i, p := range s.parts {
		if postings[i], err = p.reader.TermFieldReader(ctx, t.text, field, true, true, false); err != nil {
			return err
		}
		have += float64(postings[i].Count())
	}
	idf := t.count * math.Log(1+(all-have+0.5)/(have+0.5))
	for i, p := range s.parts {
		if err := s.scorePart(ctx, p.rows, postings[i], idf, scores); err != nil {
			return err
		}
	}
	return nil
}

func (s *searcher) scorePart(ctx context.Context, rows []int32, postings bleveindex.TermFieldReader, idf float64, scores []float64) error {
	k1, b := s.options.K1, s.options.B
	var posting bleveindex.TermFieldDoc
	for i := 0; ; i++ {
		if i%ctxEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		p, err := postings.Next(posting.Reset())
		if err != nil || p == nil {
			return err
		}
		number := p.ID.Value()
		if number >= uint64(len(rows)) {
			return fmt.Errorf("document %d of %d: the index is damaged, build it again", number, len(rows))
		}
		// bleve gives the length as 1/sqrt(length), in float32: exact when
		// rounded, up to millions of tokens.
		length := math.Round(1 / (p.Norm * p.Norm))
		f := float64(p.Freq)
		scores[rows[number]] += idf * f / (f + k1*(1-b+b*length/s.averageLength))
	}
}

// top picks the k rows with the best scores above zero, ties by row. It
// gathers up to 2k, then sorts and cuts. There is at least one score.
func top(scores []float64, k int, allow index.Allow) []index.Match {
	var found []index.Match
	k = min(k, len(scores))
	floor := 0.0
	sortAndCut := func() {
		slices.SortFunc(found, func(a, b index.Match) int {
			return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Row, b.Row))
		})
		if len(found) >= k {
			found = found[:k]
			floor = found[k-1].Score
		}
	}
	for row, score := range scores {
		// Rows ascend, so one that equals the floor loses the tie.
		if score <= floor || allow != nil && !allow(row) {
			continue
		}
		if found = append(found, index.Match{Row: row, Score: score}); len(found) >= 2*k {
			sortAndCut()
		}
	}
	sortAndCut()
	return found
}
