// Package lexical is the keyword leg: chunks in a bleve index on disk, scored
// with BM25.
//
//	engine, err := lexical.New(lexical.Options{})
//	err = engine.Build(ctx, chunks, dir)        // an empty folder
//	searcher, err := engine.Open([]string{dir}) // changes no file
//	matches, err := searcher.Search(ctx, "max_context_tokens", 10, nil)
//
// bleve keeps the postings (bleve.go); the words come from the analyzer in
// analyzer.go; the scores are our own (bm25.go), as bleve's "bm25" is none: it
// takes the root of the frequency and the idf twice.
package lexical

import (
	"fmt"
	"math"

	"github.com/blevesearch/bleve/v2/analysis"

	"github.com/ragproxy/ragproxy/index"
)

// Options choose the analyzer and the parameters of BM25. The zero value of
// each means its default.
type Options struct {
	Analyzer string  // "default", the only one
	K1       float64 // saturation of the term frequency, above 0; default 1.2
	B        float64 // weight of the length, above 0 and at most 1; default 0.75
}

// New returns the engine. K1 and B act when searching and may change without
// a new Build.
func New(o Options) (index.KeywordEngine, error) {
	if o.Analyzer == "" {
		o.Analyzer = "default"
	}
	if o.K1 == 0 {
		o.K1 = 1.2
	}
	if o.B == 0 {
		o.B = 0.75
	}
	if o.Analyzer != "default" {
		return nil, fmt.Errorf("keyword index: no analyzer %q: write default", o.Analyzer)
	}
	if !(o.K1 > 0) || math.IsInf(o.K1, 0) || !(o.B > 0 && o.B <= 1) {
		return nil, fmt.Errorf("keyword index: k1 is %g and b is %g: write a k1 above 0 and a b above 0, at most 1", o.K1, o.B)
	}
	a, err := defaultAnalyzer()
	if err != nil {
		return nil, fmt.Errorf("make analyzer: %w", err)
	}
	return &engine{options: o, analyzer: a}, nil
}

type engine struct {
	options  Options
	analyzer analysis.Analyzer // has no state: safe for concurrent use
}

// Name is "bleve-bm25:default", by the analyzer.
func (e *engine) Name() string { return "bleve-bm25:" + e.options.Analyzer }
