package lexical

import (
	"context"
	"fmt"
)

// A chunk that has every word of the query without end would score the sum of
// the words' idf; what fits well reaches about fitting of that. A query of few
// or common words says little about what it wants, however well they are met:
// doubt, in words that a single chunk has, keeps it from looking sure. Both are
// measured (ADR 6).
const (
	fitting = .45
	doubt   = 1.1
)

// Ceiling is a score that next to no chunk exceeds for this query.
func (s *searcher) Ceiling(ctx context.Context, query string) (float64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return 0, errClosed
	}
	formula, sum := s.formula(), 0.0
	for _, t := range s.terms(query) {
		list, err := s.postings(ctx, t)
		if err != nil {
			return 0, fmt.Errorf("search keywords: %w", err)
		}
		sum += float64(t.count) * formula.idf(len(list))
	}
	return formula.ceiling(sum), nil
}

// ceiling is of a query whose words' idf, each as often as the word is there,
// are that much together.
func (f formula) ceiling(idf float64) float64 { return fitting*idf + doubt*f.idf(1) }
