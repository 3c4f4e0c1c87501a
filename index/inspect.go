package index

import (
	"context"
	"fmt"
	"math"
	"strings"
)

// inspect reads every document, chunk and vector and compares them with what
// the indexes say of them.
func (g *generation) inspect(ctx context.Context) error {
	ids := map[key]bool{}
	for i, s := range g.segs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.inspect(); err != nil {
			return err
		}
		if s.info.Deleted != len(g.dead[i]) {
			return fmt.Errorf("%s: %d documents are deleted, the manifest has %d: %w", s.dir, len(g.dead[i]), s.info.Deleted, errDamaged)
		}
	}
	return g.live(func(at docPlace, e docEntry) error {
		if ids[e.ID] {
			return fmt.Errorf("%s: document %d is there twice: %w", g.segs[at.seg].dir, at.doc, errDamaged)
		}
		ids[e.ID] = true
		return nil
	})
}

func (g *segment) inspect() error {
	for i := range g.documents() {
		d, err := g.document(i)
		if err != nil {
			return err
		}
		e := g.entry(i)
		if keyOf(d.ID) != e.ID || keyOf(d.Source) != e.Src {
			return fmt.Errorf("%s: document %d is not %q of %q: %w", g.path(entriesFile), i, d.ID, d.Source, errDamaged)
		}
		for row := int(e.First); row < int(e.First+e.Count); row++ {
			text, err := g.text(row)
			if err != nil {
				return err
			}
			// The vectors of format 1 are of the text alone.
			if k := g.record(row).Key; k != keyOf(d.embedded(text)) && k != keyOf(text) {
				return fmt.Errorf("%s: chunk %d has another text: %w", g.path(indexFile), row, errDamaged)
			}
		}
		g.known[i].Store(nil) // memory stays flat
	}
	if err := g.readVectors(); err != nil {
		return err
	}
	for row := range g.vectors.Rows() {
		var sum float64
		for _, x := range g.vectors.Row(row) {
			sum += float64(x) * float64(x)
		}
		if sum != 0 && !(math.Abs(sum-1) < 1e-3) { // so written, NaN fails
			return fmt.Errorf("%s: row %d has the length %g, want 1: %w", g.path(vectorsFile), row, math.Sqrt(sum), errDamaged)
		}
	}
	return nil
}

// inspected is how many chunks are searched for, evenly spread, in each leg.
const inspected = 1000

// inspect asks both legs for chunks that must be found, by their own vectors
// and words, and for ones that must not.
func (s *snapshot) inspect(ctx context.Context) []error {
	var problems []error
	if s.vectorErr != nil {
		problems = append(problems, s.vectorErr)
	}
	if s.keywordErr != nil {
		problems = append(problems, s.keywordErr)
	}
	if len(problems) > 0 {
		return problems
	}
	for i, o := range s.segs {
		if v, ok := o.searcher.(LegVerifier); ok {
			if err := v.Verify(ctx, o.rows()); err != nil {
				problems = append(problems, fmt.Errorf("vector leg %s: %w: %s", s.segs[i].path(vectorDir), err, mendLeg))
			}
		}
	}
	if v, ok := s.keyword.(LegVerifier); ok {
		if err := v.Verify(ctx, s.rows); err != nil {
			problems = append(problems, fmt.Errorf("keyword leg: %w: %s", err, mendLeg))
		}
	}
	for row := 0; row < s.rows && ctx.Err() == nil; row += max(1, s.rows/inspected) {
		if err := s.find(ctx, row); err != nil {
			return append(problems, err) // the first one: there may be thousands
		}
	}
	return problems
}

// find searches for one row, and nothing else, in both legs.
func (s *snapshot) find(ctx context.Context, row int) error {
	i, local := s.locate(row)
	o := s.segs[i]
	if s.live != nil && !s.live.has(row) {
		return nil
	}
	c, err := o.chunk(local)
	if err != nil {
		return err
	}
	only := newBits(s.rows)
	only.add(row, row+1)
	v := o.vectors.Row(local)
	found, err := s.searchVectors(ctx, v, 1, only)
	if err != nil {
		return fmt.Errorf("vector leg: %w", err)
	}
	if len(found) != 1 && !isZero(v) {
		return fmt.Errorf("the vector leg %s does not find chunk %s: %s", o.path(vectorDir), c.ID, mendLeg)
	}
	words := c.Title + "\n" + c.Text
	if space := strings.LastIndexByte(words[:min(len(words), 500)], ' '); space > 0 && len(words) > 500 {
		words = words[:space]
	}
	if found, err = s.keyword.Search(ctx, words, 1, only.has); err == nil && len(found) == 0 {
		// A chunk without a word is found by no query.
		if found, err = s.keyword.Search(ctx, words, 1, nil); err == nil && len(found) > 0 {
			return fmt.Errorf("the keyword leg %s does not find chunk %s: %s", o.path(keywordDir), c.ID, mendLeg)
		}
	}
	if err != nil {
		return fmt.Errorf("keyword leg: %w", err)
	}
	return nil
}

func isZero(v []float32) bool {
	for _, x := range v {
		if x != 0 {
			return false
		}
	}
	return true
}
