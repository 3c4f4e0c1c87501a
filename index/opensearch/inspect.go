package opensearch

import (
	"context"
	"fmt"
	"math"

	"github.com/ragproxy/ragproxy/index"
)

// Inspect implements [index.Engine]: it counts what the collection's document
// says, and holds documents, chunks and vectors against each other. That files
// are whole is the server's to know: it has checksums of them.
func (e *Engine) Inspect(ctx context.Context, collection string) (index.Report, error) {
	report := index.Report{Collection: collection}
	err := e.read(ctx, collection, func(s state) error {
		report.Manifest, report.Problems = s.manifest(), nil
		c := census{have: map[string]int{}, want: map[string]int{}}
		if s.Store == "" {
			return nil
		}
		scan := scan{
			store: s.Store, query: s.visible(), sort: []string{"doc", "kind", "ordinal"},
			fields: []string{"kind", "doc", "chunks", "ordinal", "raw"},
		}
		if err := e.each(ctx, scan, c.add); err != nil {
			return err
		}
		report.Problems = c.problems(s)
		return nil
	})
	if err != nil && ctx.Err() == nil && isServers(err) {
		report.Problems, err = append(report.Problems, err), nil
	}
	return report, err
}

// census counts what is visible. The chunks of a document come before it, in
// their order.
type census struct {
	documents, chunks  int
	have, want         map[string]int // chunks of documents, by the document
	twice, odd, broken int
}

func (c *census) add(h hit) error {
	f := h.Fields
	doc := first(f.Doc)
	if first(f.Kind) == isDocument {
		c.documents++
		if _, ok := c.want[doc]; ok {
			c.twice++
		}
		c.want[doc] = first(f.Chunks)
		return nil
	}
	c.chunks++
	if first(f.Ordinal) != c.have[doc] {
		c.odd++
	}
	c.have[doc]++
	sum := 0.0
	for _, x := range bytesFloats(first(f.Raw)) {
		sum += float64(x) * float64(x)
	}
	if len(first(f.Raw)) == 0 || sum != 0 && !(math.Abs(sum-1) < 1e-3) { // so written, NaN fails
		c.broken++
	}
	return nil
}

func (c *census) problems(s state) (problems []error) {
	incomplete, orphans := 0, 0
	for doc, want := range c.want {
		if c.have[doc] != want {
			incomplete++
		}
	}
	for doc := range c.have {
		if _, ok := c.want[doc]; !ok {
			orphans++
		}
	}
	for _, p := range []struct {
		what      string
		got, want int
	}{
		{"documents", c.documents, s.Documents},
		{"chunks", c.chunks, s.Chunks},
		{"documents that came twice", c.twice, 0},
		{"documents without all of their chunks", incomplete, 0},
		{"documents that only chunks tell of", orphans, 0},
		{"chunks that are out of their order", c.odd, 0},
		{"vectors that are neither unit vectors nor zero", c.broken, 0},
	} {
		if p.got != p.want {
			problems = append(problems, fmt.Errorf("%s: got %d, want %d: index --reembed makes the collection anew", p.what, p.got, p.want))
		}
	}
	return problems
}
