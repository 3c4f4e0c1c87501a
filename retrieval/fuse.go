package retrieval

import (
	"sort"

	"github.com/ragproxy/ragproxy/index"
)

// fused is a chunk with what both legs say of it.
type fused struct {
	hit             index.Hit
	vector, keyword *float64
}

// fuse merges two ranked lists by their scores: each list is scaled to [0, 1]
// by its smallest and largest score, and a chunk's score is weight times the
// vector leg's plus (1 - weight) times the keyword leg's, a missing one
// counting 0 (min-max score fusion; Bruch, Gai, Ingber: An Analysis of Fusion
// Functions for Hybrid Retrieval, ACM TOIS 2023). A list alone keeps its own
// scores. Ties are broken by chunk id, so the order is the same every time.
func fuse(vector, keyword []index.Hit, weight float64) []fused {
	byID := make(map[string]*fused, len(vector)+len(keyword))
	out := make([]*fused, 0, len(vector)+len(keyword))
	get := func(h index.Hit) *fused {
		f, ok := byID[h.Chunk.ID]
		if !ok {
			f = &fused{hit: index.Hit{Chunk: h.Chunk}}
			byID[h.Chunk.ID] = f
			out = append(out, f)
		}
		return f
	}
	alone := len(vector) == 0 || len(keyword) == 0
	add := func(hits []index.Hit, weight float64, leg func(*fused, float64)) {
		scale := minMax(hits)
		for _, h := range hits {
			f := get(h)
			leg(f, h.Score)
			if alone {
				f.hit.Score = h.Score
			} else {
				f.hit.Score += weight * scale(h.Score)
			}
		}
	}
	add(vector, weight, func(f *fused, s float64) { f.vector = &s })
	add(keyword, 1-weight, func(f *fused, s float64) { f.keyword = &s })
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i].hit, out[j].hit
		if a.Score != b.Score {
			return a.Score > b.Score
		}
		return a.Chunk.ID < b.Chunk.ID
	})
	ranked := make([]fused, len(out))
	for i, f := range out {
		ranked[i] = *f
	}
	return ranked
}

// minMax gives the scaling of a list to [0, 1]; a list whose scores are all
// the same is scaled to 1.
func minMax(hits []index.Hit) func(float64) float64 {
	if len(hits) == 0 {
		return nil
	}
	lo, hi := hits[0].Score, hits[0].Score
	for _, h := range hits {
		lo, hi = min(lo, h.Score), max(hi, h.Score)
	}
	if hi == lo {
		return func(float64) float64 { return 1 }
	}
	return func(s float64) float64 { return (s - lo) / (hi - lo) }
}
