package opensearch

import (
	"math"
	"sync"

	"github.com/ragproxy/ragproxy/index/lexical"
)

// counts remembers how many chunks have a word, of the generations that were
// searched last. The zero value is empty. Safe for concurrent use.
type counts struct {
	mu   sync.Mutex
	list map[generation]map[string]int
}

type generation struct {
	store string
	run   int
}

const (
	mostGenerations = 32
	mostCounts      = 50_000
)

func (c *counts) get(g generation, t lexical.QueryTerm) (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.list[g][field(t)+t.Text]
	return n, ok
}

func (c *counts) put(g generation, t lexical.QueryTerm, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.list) > mostGenerations {
		c.list = nil
	}
	if c.list == nil {
		c.list = map[generation]map[string]int{}
	}
	if own := c.list[g]; own == nil || len(own) > mostCounts {
		c.list[g] = map[string]int{}
	}
	c.list[g][field(t)+t.Text] = n
}

// ceiling is that of package lexical, of words that so many of all chunks have.
// of is how many words the query has, which may be more than were counted.
func ceiling(terms []lexical.QueryTerm, have map[string]int, of int, all float64) float64 {
	idf := func(n float64) float64 { return math.Log(1 + (all-min(n, all)+.5)/(n+.5)) }
	sum := 0.0
	for _, t := range terms {
		sum += float64(t.Count) * idf(float64(have[field(t)+t.Text]))
	}
	if len(terms) > 0 {
		sum *= float64(of) / float64(len(terms))
	}
	return lexical.Fitting*sum + lexical.Doubt*idf(1)
}
