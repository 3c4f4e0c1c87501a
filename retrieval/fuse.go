package retrieval

import (
	"cmp"
	"slices"

	"github.com/ragproxy/ragproxy/index"
)

// Ways to fuse the legs' answers.
const (
	// FuseScores adds up scores, each on its leg's own scale from 0 to 1.
	FuseScores = "scores"
	// FuseRanks adds up 1/(60+rank) (reciprocal rank fusion; Cormack, Clarke,
	// Büttcher, SIGIR 2009). A weak leg pulls the strong one down with it.
	FuseRanks = "rrf"
)

// fused is a chunk with what both legs say of it. It points into the legs'
// answers: hundreds are ranked for the few that are kept.
type fused struct {
	hit             *index.Hit
	score           float64
	vector, keyword *float64 // the legs' own scores, nil where a leg lacks it
}

// fuse merges the answers of both legs: a chunk's score is weight times what
// the vector leg gives it plus (1 - weight) times what the keyword leg does
// (convex combination; Bruch, Gai, Ingber: An Analysis of Fusion Functions for
// Hybrid Retrieval, ACM TOIS 2023). Where a leg failed, the other has the whole
// weight. A chunk that a leg has twice counts once, where it stands first.
func (r *Retriever) fuse(legs index.Legs, depth int) []fused {
	weights := [2]float64{r.opts.VectorWeight, 1 - r.opts.VectorWeight}
	sum := 0.0
	for i, leg := range []index.Leg{legs.Vector, legs.Keyword} {
		if leg.Err != nil {
			weights[i] = 0
		}
		sum += weights[i]
	}
	byID := make(map[string]int, len(legs.Vector.Hits)+len(legs.Keyword.Hits)) // places in out
	out := make([]fused, 0, len(legs.Vector.Hits)+len(legs.Keyword.Hits))
	base := 0.0 // what a chunk has that no leg found
	add := func(leg index.Leg, weight float64, own func(*fused) **float64) {
		if weight == 0 || len(leg.Hits) == 0 {
			return
		}
		points, missing := r.points(leg, depth)
		base += weight / sum * missing
		for i := range leg.Hits {
			h := &leg.Hits[i]
			at, ok := byID[h.Chunk.ID]
			if !ok {
				at = len(out)
				byID[h.Chunk.ID] = at
				out = append(out, fused{hit: h})
			}
			if f := &out[at]; *own(f) == nil {
				*own(f) = &h.Score
				f.score += weight / sum * (points(i) - missing)
			}
		}
	}
	add(legs.Vector, weights[0], func(f *fused) **float64 { return &f.vector })
	add(legs.Keyword, weights[1], func(f *fused) **float64 { return &f.keyword })
	for i := range out {
		out[i].score += base
	}
	return ranked(out)
}

// points says what a leg gives its i-th hit, 0 to 1, and what it gives a chunk
// that it does not have. A search of one leg keeps that leg's scores.
func (r *Retriever) points(leg index.Leg, depth int) (points func(i int) float64, missing float64) {
	switch {
	case r.Legs() == 1:
		return func(i int) float64 { return leg.Hits[i].Score }, 0
	case r.opts.Fusion == FuseRanks:
		return func(i int) float64 { return 1 / float64(61+i) }, 0
	}
	floor, ceiling := leg.Floor, leg.Ceiling
	if !(ceiling > floor) { // not known, so as far as this list goes
		floor, ceiling = reach(leg.Hits)
	}
	points = func(i int) float64 {
		if ceiling == floor {
			return 1
		}
		return max(0, (leg.Hits[i].Score-floor)/(ceiling-floor))
	}
	if len(leg.Hits) >= depth {
		// What a list of hits was cut before may score up to its last: half of
		// that is nearer to the truth than nothing.
		missing = points(len(leg.Hits)-1) / 2
	}
	return points, missing
}

// reach returns the smallest and the largest score of a list that is not empty.
func reach(hits []index.Hit) (lo, hi float64) {
	lo, hi = hits[0].Score, hits[0].Score
	for _, h := range hits {
		lo, hi = min(lo, h.Score), max(hi, h.Score)
	}
	return lo, hi
}

// weighted is a list that counts as much as its weight says.
type weighted struct {
	hits   []fused
	weight float64
}

// merge fuses the lists of several searches: a chunk's score is the weighted
// mean over all lists, 0 where one has it not. It keeps the legs' scores of the
// first list that has it. A list alone is returned as it is.
func merge(lists []weighted) []fused {
	lists = slices.DeleteFunc(lists, func(l weighted) bool { return len(l.hits) == 0 })
	switch len(lists) {
	case 0:
		return nil
	case 1:
		return lists[0].hits
	}
	sum := 0.0
	for _, l := range lists {
		sum += l.weight
	}
	byID := map[string]int{} // places in out
	var out []fused
	for _, l := range lists {
		for _, f := range l.hits {
			f.score *= l.weight / sum
			if at, ok := byID[f.hit.Chunk.ID]; ok {
				out[at].score += f.score
				continue
			}
			byID[f.hit.Chunk.ID] = len(out)
			out = append(out, f)
		}
	}
	return ranked(out)
}

// ranked sorts in place by score; equal ones by document and place in it, so
// that the order is the same every time and of equal texts the first counts.
func ranked(list []fused) []fused {
	slices.SortFunc(list, func(a, b fused) int {
		x, y := &a.hit.Chunk, &b.hit.Chunk
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(x.DocumentID, y.DocumentID), cmp.Compare(x.Ordinal, y.Ordinal), cmp.Compare(x.ID, y.ID))
	})
	return list
}
