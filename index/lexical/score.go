package lexical

import (
	"fmt"
	"maps"
	"slices"

	"github.com/ragproxy/ragproxy/index"
)

// Scorer scores the chunks of one query as a search of this package does, for
// engines that keep the postings elsewhere. The zero value needs a Reset, which
// also makes it ready for the next query. Not safe for concurrent use.
type Scorer struct {
	formula formula
	scores  scores
	idf     float64 // of the query's words together
}

// Reset begins a query over chunks whose rows are below rows; the postings are
// of so many chunks with so many words.
func (s *Scorer) Reset(rows, chunks int, words int64) {
	s.formula = formula{K1, B, chunks, float64(words) / float64(max(chunks, 1))}
	s.scores.byRow = slices.Grow(s.scores.byRow[:0], rows)[:rows]
	clear(s.scores.byRow)
	s.idf = 0
}

// Add adds what a word of the query is worth to the chunks that have it. They
// must be all of them, in any order, and each once; see [Merge]. The error is of
// a row that is too large.
func (s *Scorer) Add(t QueryTerm, list []Occurrence) error {
	idf := s.formula.idf(min(len(list), s.formula.documents))
	s.idf += float64(t.Count) * idf
	for _, o := range list {
		if uint(o.Row) >= uint(len(s.scores.byRow)) {
			return fmt.Errorf("score chunks: row %d of %d", o.Row, len(s.scores.byRow))
		}
		s.scores.byRow[o.Row] += float32(t.Count) * s.formula.weight(idf, o)
	}
	return nil
}

// Top gives the k best rows, the best first, of equal ones the lower row.
func (s *Scorer) Top(k int) []index.Match { return s.scores.top(k, nil) }

// Ceiling is a score that next to no chunk exceeds for what was added.
func (s *Scorer) Ceiling() float64 { return s.formula.ceiling(s.idf) }

// Merge makes one list of those of words that count as one, such as all that a
// [QueryTerm] with Pairs stands for.
func Merge(list []Occurrence) []Occurrence {
	byRow := make(map[int32]Occurrence, len(list))
	for _, o := range list {
		o.Count += byRow[o.Row].Count
		byRow[o.Row] = o
	}
	merged := make([]Occurrence, 0, len(byRow))
	for _, row := range slices.Sorted(maps.Keys(byRow)) {
		merged = append(merged, byRow[row])
	}
	return merged
}
