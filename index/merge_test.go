package index

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPickMerge(t *testing.T) {
	no, yes := false, true
	tests := []struct {
		name  string
		begun int
		rows  []int
		must  []bool
		want  []bool
	}{
		{"nothing", -1, nil, nil, nil},
		{"one", -1, []int{1}, []bool{no}, []bool{no}},
		{"few small ones", 1, []int{20000, 1, 1}, []bool{no, no, no}, []bool{no, no, no}},
		{"many small ones", 1, []int{20000, 1, 1000, 1}, []bool{no, no, no, no}, []bool{no, yes, yes, yes}},
		{"many small ones, nothing written", -1, []int{20000, 1, 1000, 1, 1}, make([]bool, 5), []bool{no, yes, yes, yes, yes}},
		{"one that must", 1, []int{20000, 1, 1}, []bool{yes, no, no}, []bool{yes, no, no}},
		{"one that must is the fourth", -1, []int{20000, 1, 1, 1, 5}, []bool{no, no, no, no, yes}, []bool{no, yes, yes, yes, yes}},
		{"the merged one is of the next tier, and the fourth there", 500, []int{4000, 4000, 4000, 500, 500, 500}, make([]bool, 6), slices.Repeat([]bool{yes}, 6)},
		{"large ones stay", 1, []int{70000, 70000, 70000, 70000, 1}, make([]bool, 5), make([]bool, 5)},
	}
	for _, tt := range tests {
		if got := pickMerge(tt.rows, tt.must, tt.begun); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestMergesStayCheap runs thousands of runs of some hundred rows: how many
// segments there are, and how often a row is written.
func TestMergesStayCheap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var rows []int
	added, written, most := 0, 0, 0
	for range 3000 {
		n := 1 + rng.IntN(200)
		added += n
		sum, left := n, []int(nil)
		for i, p := range pickMerge(rows, make([]bool, len(rows)), n) {
			if p {
				sum += rows[i]
			} else {
				left = append(left, rows[i])
			}
		}
		written += sum
		rows = append(left, sum)
		full := 0
		for _, n := range rows {
			if tierOf(n) > lastTier {
				full++
			}
		}
		most = max(most, len(rows)-full)
	}
	if most > 9 {
		t.Errorf("got up to %d segments that are not full, want at most 9", most)
	}
	if got := float64(written) / float64(added); got > 8 {
		t.Errorf("got each row written %.1f times, want at most 8", got)
	}
}
