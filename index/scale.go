package index

import (
	"cmp"
	"context"
	"math"
	"slices"
)

// Scaled is a KeywordSearcher that knows how far its scores reach.
type Scaled interface {
	// Ceiling is a score that next to no chunk exceeds for this query, above 0.
	Ceiling(ctx context.Context, query string) (float64, error)
}

// scaleVectors gives the vector leg its scale, cosines from that of a chunk
// taken at random to 1, and its own score of each chunk that only the keyword
// leg found: half of a hit's worth should not be a guess.
func (s *snapshot) scaleVectors(query []float32, legs *Legs) {
	unit := slices.Clone(query)
	if len(legs.Vector.Hits) == 0 || !normalize(unit) {
		return
	}
	legs.Vector.Floor, legs.Vector.Ceiling = min(s.meanCosine(unit), 0.99), 1
	type place struct {
		from Rest // the segment
		row  int
	}
	known := make(map[place]bool, len(legs.Vector.Hits))
	for _, h := range legs.Vector.Hits {
		known[place{h.rest, h.at}] = true
	}
	first := len(legs.Vector.Hits)
	for _, h := range legs.Keyword.Hits {
		if v := h.rest.(*segment).vectors; !known[place{h.rest, h.at}] && v.Dims == len(unit) {
			h.Score = dot(unit, v.Row(h.at))
			legs.Vector.Hits = append(legs.Vector.Hits, h)
		}
	}
	slices.SortStableFunc(legs.Vector.Hits[first:], func(a, b Hit) int { return cmp.Compare(b.Score, a.Score) })
}

func (s *snapshot) meanCosine(unit []float32) float64 {
	sum, rows := 0.0, 0
	for _, o := range s.segs {
		if mean := o.meanVector(); len(mean) == len(unit) {
			sum += dot(unit, mean) * float64(o.rows())
			rows += o.rows()
		}
	}
	return sum / float64(max(rows, 1))
}

// meanSample is how many rows of a segment the mean vector is made of.
const meanSample = 4096

// meanVector is the mean of the segment's vectors, nil if there are none. Its
// product with a unit vector is that vector's mean cosine to all of them.
func (g *segment) meanVector() []float32 {
	if known := g.mean.Load(); known != nil {
		return *known
	}
	rows := g.vectors.Rows()
	if rows == 0 {
		return nil
	}
	step := (rows + meanSample - 1) / meanSample
	sum, n := make([]float64, g.vectors.Dims), 0.0
	for row := 0; row < rows; row += step {
		n++
		for i, x := range g.vectors.Row(row) {
			sum[i] += float64(x)
		}
	}
	mean := make([]float32, len(sum))
	for i, x := range sum {
		mean[i] = float32(x / n)
	}
	g.mean.Store(&mean)
	return mean
}

// dot wants vectors of one length.
func dot(a, b []float32) float64 {
	var sum float64
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	if math.IsNaN(sum) {
		return 0
	}
	return sum
}
