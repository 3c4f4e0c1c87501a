// Package lexical is the keyword leg: chunks in an index on disk, scored with
// BM25.
//
//	engine, err := lexical.New(lexical.Options{})
//	err = engine.Build(ctx, chunks, dir)        // an empty folder
//	searcher, err := engine.Open([]string{dir}) // changes no file
//	matches, err := searcher.Search(ctx, "max_context_tokens", 10, nil)
//
// zap, bleve's file format, keeps the postings (build.go, postings.go); the words
// come from bleve's analyzers (analyzer.go, languages.go); the scores are our
// own (bm25.go), as bleve's "bm25" is none: it takes the root of the frequency and
// the idf twice.
package lexical

import (
	"fmt"
	"math"
	"strings"

	"github.com/blevesearch/bleve/v2/analysis"

	"github.com/ragproxy/ragproxy/index"
)

// Options choose the analyzer and the parameters of BM25. The zero value of
// each means its default.
type Options struct {
	Analyzer string  // one of [Analyzers], or "en" for the default
	K1       float64 // saturation of the term frequency, above 0; default 1.2
	B        float64 // weight of the length, above 0 and at most 1; default 0.75
}

// New returns the engine. K1 and B act when searching and may change without
// a new Build; an analyzer opens only what it has built.
func New(o Options) (index.KeywordEngine, error) {
	if o.Analyzer == "" || o.Analyzer == "en" {
		o.Analyzer = defaultName
	}
	if o.K1 == 0 {
		o.K1 = 1.2
	}
	if o.B == 0 {
		o.B = 0.75
	}
	if !(o.K1 > 0) || math.IsInf(o.K1, 0) || !(o.B > 0 && o.B <= 1) {
		return nil, fmt.Errorf("keyword index: k1 is %g and b is %g: write a k1 above 0 and a b above 0, at most 1", o.K1, o.B)
	}
	a, err := newAnalyzer(o.Analyzer)
	if err != nil {
		return nil, fmt.Errorf("keyword index: %w", err)
	}
	return &engine{options: o, analyzer: a}, nil
}

// ByName returns the engine of a name as in a manifest, "bleve-bm25:de". The
// analyzer in the options does not count.
func ByName(name string, o Options) (index.KeywordEngine, error) {
	analyzer, ok := strings.CutPrefix(name, namePrefix)
	if !ok || analyzer == "" {
		return nil, fmt.Errorf("keyword index: no engine %q: write %s and an analyzer", name, namePrefix)
	}
	o.Analyzer = analyzer
	return New(o)
}

const (
	namePrefix  = "bleve-bm25:"
	defaultName = "default"
)

type engine struct {
	options  Options
	analyzer analysis.Analyzer // has no state: safe for concurrent use
}

// Name is "bleve-bm25:default", by the analyzer.
func (e *engine) Name() string { return namePrefix + e.options.Analyzer }
