package retrieval

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ragproxy/ragproxy/index"
)

type scored struct {
	ID     string
	Score  float64
	Vector float64 // NaN where the leg has it not
	Word   float64
}

func TestFuse(t *testing.T) {
	no := math.NaN()
	known := func(l index.Leg, floor, ceiling float64) index.Leg {
		l.Floor, l.Ceiling = floor, ceiling
		return l
	}
	vector := leg(hit("a", .9), hit("b", .5), hit("c", .1))
	keyword := leg(hit("b", 10), hit("d", 6), hit("a", 2))
	dead := index.Leg{Err: errDead}
	tests := []struct {
		name            string
		vector, keyword index.Leg
		opts            Options
		depth           int
		want            []scored
	}{
		// Scaled by the lists: a 1, b .5, c 0 and b 1, d .5, a 0.
		{"half", vector, keyword, Options{VectorWeight: .5}, 10, []scored{{"b", .75, .5, 10}, {"a", .5, .9, 2}, {"d", .25, no, 6}, {"c", 0, .1, no}}},
		{"more vector", vector, keyword, Options{VectorWeight: .7}, 10, []scored{{"a", .7, .9, 2}, {"b", .65, .5, 10}, {"d", .15, no, 6}, {"c", 0, .1, no}}},
		{"weight 1 keeps the leg's scores", vector, index.Leg{}, Options{VectorWeight: 1}, 10, []scored{{"a", .9, .9, no}, {"b", .5, .5, no}, {"c", .1, .1, no}}},
		{"weight 0 keeps the leg's scores", index.Leg{}, keyword, Options{}, 10, []scored{{"b", 10, no, 10}, {"d", 6, no, 6}, {"a", 2, no, 2}}},
		{"no keyword found", vector, index.Leg{}, Options{VectorWeight: .5}, 10, []scored{{"a", .5, .9, no}, {"b", .25, .5, no}, {"c", 0, .1, no}}},
		{"a dead leg's weight goes to the other", vector, dead, Options{VectorWeight: .5}, 10, []scored{{"a", 1, .9, no}, {"b", .5, .5, no}, {"c", 0, .1, no}}},
		{"both dead", dead, dead, Options{VectorWeight: .5}, 10, []scored{}},
		{"nothing", index.Leg{}, index.Leg{}, Options{VectorWeight: .5}, 10, []scored{}},
		// Scaled by what the engines know: a .8, b 0, c below and b 1, d .6, a .2.
		{"known scales", known(vector, .5, 1), known(keyword, 0, 10), Options{VectorWeight: .5}, 10,
			[]scored{{"a", .4 + .1, .9, 2}, {"b", .5, .5, 10}, {"d", .3, no, 6}, {"c", 0, .1, no}}},
		{"above the ceiling", known(leg(hit("a", 1)), 0, 1), known(leg(hit("a", 12)), 0, 10), Options{VectorWeight: .5}, 10, []scored{{"a", .5 + .6, 1, 12}}},
		// The third keyword hit was the last of three that were asked for: c may have up to .2 there.
		{"a list that was cut", known(vector, 0, 1), known(keyword, 0, 10), Options{VectorWeight: .5}, 3,
			[]scored{{"b", .25 + .5, .5, 10}, {"a", .45 + .1, .9, 2}, {"d", .025 + .3, no, 6}, {"c", .05 + .05, .1, no}}},
		{"equal scores by document and place", leg(at("b", 2, .3), at("b", 10, .3)), leg(at("a", 0, 4)), Options{VectorWeight: .5}, 10,
			[]scored{{"a#0", .5, no, 4}, {"b#2", .5, .3, no}, {"b#10", .5, .3, no}}},
		{"one hit each", leg(hit("a", .1)), leg(hit("a", 7)), Options{VectorWeight: .25}, 10, []scored{{"a", 1, .1, 7}}},
		{"a duplicate counts once, with its best score", leg(hit("a", .9), hit("b", .5), hit("a", .1)), leg(hit("b", 3), hit("b", 3)), Options{VectorWeight: .5}, 10,
			[]scored{{"b", .75, .5, 3}, {"a", .5, .9, no}}},
		{"by ranks", vector, keyword, Options{VectorWeight: .5, Fusion: FuseRanks}, 10,
			[]scored{{"b", .5/62 + .5/61, .5, 10}, {"a", .5/61 + .5/63, .9, 2}, {"d", .5 / 62, no, 6}, {"c", .5 / 63, .1, no}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := []scored{}
			for _, f := range New(tt.opts).fuse(index.Legs{Vector: tt.vector, Keyword: tt.keyword}, tt.depth) {
				got = append(got, scored{f.hit.Chunk.ID, f.score, orNaN(f.vector), orNaN(f.keyword)})
				if want := "text of " + f.hit.Chunk.ID; f.hit.Chunk.Text != want {
					t.Errorf("got the text %q, want %q", f.hit.Chunk.Text, want)
				}
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// at is a hit in a place of a document.
func at(document string, ordinal int, score float64) index.Hit {
	h := hit(fmt.Sprintf("%s#%d", document, ordinal), score)
	h.Chunk.DocumentID, h.Chunk.Ordinal = document, ordinal
	return h
}

func orNaN(p *float64) float64 {
	if p == nil {
		return math.NaN()
	}
	return *p
}
