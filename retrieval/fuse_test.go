package retrieval

import (
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
	vector := []index.Hit{hit("a", .9), hit("b", .5), hit("c", .1)}
	keyword := []index.Hit{hit("b", 10), hit("d", 6), hit("a", 2)}
	tests := []struct {
		name            string
		vector, keyword []index.Hit
		weight          float64
		want            []scored
	}{
		// scaled: a 1, b .5, c 0 and b 1, d .5, a 0
		{"half", vector, keyword, .5, []scored{{"b", .75, .5, 10}, {"a", .5, .9, 2}, {"d", .25, no, 6}, {"c", 0, .1, no}}},
		{"more vector", vector, keyword, .7, []scored{{"a", .7, .9, 2}, {"b", .65, .5, 10}, {"d", .15, no, 6}, {"c", 0, .1, no}}},
		{"weight 1", vector, keyword, 1, []scored{{"a", 1, .9, 2}, {"b", .5, .5, 10}, {"c", 0, .1, no}, {"d", 0, no, 6}}},
		{"weight 0", vector, keyword, 0, []scored{{"b", 1, .5, 10}, {"d", .5, no, 6}, {"a", 0, .9, 2}, {"c", 0, .1, no}}},
		{"vector alone keeps its scores", vector, nil, .5, []scored{{"a", .9, .9, no}, {"b", .5, .5, no}, {"c", .1, .1, no}}},
		{"keyword alone keeps its scores", nil, keyword, .5, []scored{{"b", 10, no, 10}, {"d", 6, no, 6}, {"a", 2, no, 2}}},
		{"nothing", nil, nil, .5, []scored{}},
		{"equal scores, ties by id", []index.Hit{hit("b", .3), hit("a", .3)}, []index.Hit{hit("d", 4), hit("c", 4)}, .5,
			[]scored{{"a", .5, .3, no}, {"b", .5, .3, no}, {"c", .5, no, 4}, {"d", .5, no, 4}}},
		{"one hit each", []index.Hit{hit("a", .1)}, []index.Hit{hit("a", 7)}, .25, []scored{{"a", 1, .1, 7}}},
		{"negative cosines", []index.Hit{hit("a", -.2), hit("b", -.6)}, []index.Hit{hit("b", 1)}, .5,
			[]scored{{"a", .5, -.2, no}, {"b", .5, -.6, 1}}},
		{"a duplicate counts once, with its best score", []index.Hit{hit("a", .9), hit("b", .5), hit("a", .1)}, []index.Hit{hit("b", 3), hit("b", 3)}, .5,
			[]scored{{"b", .75, .5, 3}, {"a", .5, .9, no}}},
		{"a duplicate alone", []index.Hit{hit("a", .9), hit("a", .1)}, nil, .5, []scored{{"a", .9, .9, no}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := []scored{}
			for _, f := range fuse(tt.vector, tt.keyword, tt.weight) {
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

func orNaN(p *float64) float64 {
	if p == nil {
		return math.NaN()
	}
	return *p
}
