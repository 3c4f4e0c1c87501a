package lexical

import (
	"math"
	"slices"

	"github.com/ragproxy/ragproxy/index"
)

// scores is the memory of one search.
type scores struct {
	byRow []float32
	best  []uint64 // a heap of ranks, the lowest first
}

// rank orders rows by score, which is positive, and then by row, the lower
// row first: a greater rank is better.
func rank(score float32, row int) uint64 {
	return uint64(math.Float32bits(score))<<32 | uint64(math.MaxUint32-uint32(row))
}

// top picks the k rows with the best scores above zero, ties by row.
func (s *scores) top(k int, allow index.Allow) []index.Match {
	k = min(k, len(s.byRow))
	s.best = s.best[:0]
	floor := float32(0)
	for row := above(s.byRow, 0, floor); row < len(s.byRow); row = above(s.byRow, row+1, floor) {
		score := s.byRow[row]
		switch {
		case allow != nil && !allow(row):
			continue
		case len(s.best) < k:
			s.best = append(s.best, rank(score, row))
			if len(s.best) < k {
				continue
			}
			slices.Sort(s.best) // a sorted slice is a heap
		default:
			s.best[0] = rank(score, row)
			sink(s.best)
		}
		floor = math.Float32frombits(uint32(s.best[0] >> 32))
	}
	slices.Sort(s.best)
	found := make([]index.Match, 0, len(s.best))
	for _, r := range slices.Backward(s.best) {
		score := math.Float32frombits(uint32(r >> 32))
		found = append(found, index.Match{Row: int(math.MaxUint32 - uint32(r)), Score: float64(score)})
	}
	return found
}

// above returns the first row from start on whose score is above floor, or
// len(scores). Rows ascend, so one that equals the floor of the best k loses
// the tie. Most of a search's time would go here without the step of eight.
func above(scores []float32, start int, floor float32) int {
	row := start
	for ; row+8 <= len(scores); row += 8 {
		s := scores[row : row+8 : row+8]
		if s[0] > floor || s[1] > floor || s[2] > floor || s[3] > floor ||
			s[4] > floor || s[5] > floor || s[6] > floor || s[7] > floor {
			break
		}
	}
	for row < len(scores) && scores[row] <= floor {
		row++
	}
	return row
}

// sink moves the first rank of a heap down to where it belongs.
func sink(heap []uint64) {
	for at := 0; ; {
		child := 2*at + 1
		if child >= len(heap) {
			return
		}
		if child+1 < len(heap) && heap[child+1] < heap[child] {
			child++
		}
		if heap[at] <= heap[child] {
			return
		}
		heap[at], heap[child] = heap[child], heap[at]
		at = child
	}
}
