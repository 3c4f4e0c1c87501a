package lexical

import (
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/blevesearch/bleve/v2/analysis"

	"github.com/ragproxy/ragproxy/index"
)

// The parameters of BM25 where nothing else is said, and of the ceiling; for
// engines that score elsewhere (see [Terms]).
const (
	K1      = 1.2
	B       = 0.75
	Fitting = fitting
	Doubt   = doubt
)

// Terms are the words of one of the [Analyzers], for engines that keep postings
// themselves and score them as this package does; safe for concurrent use.
type Terms struct {
	name     string
	analyzer analysis.Analyzer
}

// NewTerms takes the name of an engine as in a manifest, "bleve-bm25:de".
func NewTerms(engine string) (*Terms, error) {
	name, ok := strings.CutPrefix(engine, namePrefix)
	if !ok {
		return nil, fmt.Errorf("keyword index: no engine %q: write %s and an analyzer", engine, namePrefix)
	}
	a, err := newAnalyzer(name)
	if err != nil {
		return nil, fmt.Errorf("keyword index: %w", err)
	}
	return &Terms{name, a}, nil
}

// Engine is the name of the engine with these words.
func (t *Terms) Engine() string { return namePrefix + t.name }

// Words are how often each word of a chunk is there, and how many they are.
type Words struct {
	Counts map[string]int
	Length int
}

// Chunk counts the words of a chunk.
func (t *Terms) Chunk(c index.Chunk) Words {
	w := Words{Counts: map[string]int{}}
	for _, token := range t.analyzer.Analyze([]byte(chunkText(c))) {
		w.Length++
		if len(token.Term) > 0 {
			w.Counts[string(token.Term)]++
		}
	}
	return w
}

// Chunks counts the words of each chunk, on all cores.
func (t *Terms) Chunks(list []index.Chunk) []Words {
	out := make([]Words, len(list))
	workers := min(runtime.GOMAXPROCS(0), len(list))
	var working sync.WaitGroup
	for w := range workers {
		working.Go(func() {
			for i := w; i < len(list); i += workers {
				out[i] = t.Chunk(list[i])
			}
		})
	}
	working.Wait()
	return out
}

// QueryTerm is a word of a query and how often it is there. Where Pairs is
// set it is a single character that stands for all pairs with it, too.
type QueryTerm struct {
	Text  string
	Count int
	Pairs bool
}

// Query gives the words of a query in their order, each once.
func (t *Terms) Query(query string) []QueryTerm {
	s := searcher{analyzer: t.analyzer}
	var out []QueryTerm
	for _, term := range s.terms(query) {
		out = append(out, QueryTerm{string(term.text), int(term.count), term.pairs})
	}
	return out
}

// TermsByName gives the Terms of each keyword engine, made once. The zero value
// is ready. Safe for concurrent use.
type TermsByName struct {
	mu   sync.Mutex
	made map[string]*Terms
}

// Of gives those of the named engine; the error is as of [NewTerms].
func (t *TermsByName) Of(keyword string) (*Terms, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if made := t.made[keyword]; made != nil {
		return made, nil
	}
	made, err := NewTerms(keyword)
	if err != nil {
		return nil, err
	}
	if t.made == nil {
		t.made = map[string]*Terms{}
	}
	t.made[keyword] = made
	return made, nil
}
