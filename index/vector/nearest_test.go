package vector

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestNearest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, k := range []int{1, 2, 10, 100, 999, 1000, 5000} {
		for _, values := range []int{1, 3, 100, 1 << 20} { // few: many are equal
			all := make([]neighbour, 1000)
			found := newNearest(k, 0.25)
			for i := range all {
				all[i] = neighbour{int32(i), float32(rng.IntN(values)) / 4}
				if all[i].sim >= found.floor {
					found.add(all[i])
				}
			}
			slices.SortFunc(all, byNearest)
			want := all[min(k, len(all))-1].sim - 0.25
			if k > len(all) {
				want = all[len(all)-1].sim
			}
			all = slices.DeleteFunc(all, func(n neighbour) bool { return n.sim < want })
			got := slices.SortedFunc(slices.Values(found.list()), byNearest)
			if !slices.Equal(got, all) {
				t.Fatalf("k %d of %d values: got %d rows, want %d", k, values, len(got), len(all))
			}
		}
	}
}
