package vector

import (
	"cmp"
	"math"
)

// neighbour is a row with its similarity to what was asked for.
type neighbour struct {
	row int32
	sim float32
}

// byNearest orders the most similar first, ties by row.
func byNearest(a, b neighbour) int {
	if a.sim != b.sim {
		return cmp.Compare(b.sim, a.sim)
	}
	return int(a.row) - int(b.row)
}

// nearest keeps the k most similar of the rows it is given, and those that come
// within a margin of the k-th. It holds no order until enough have come to throw
// half of them away.
type nearest struct {
	k      int
	margin float32
	floor  float32 // what is less similar need not be added
	items  []neighbour
	room   int
}

func newNearest(k int, margin float32) *nearest {
	room := max(3*k, k+64)
	return &nearest{k: k, margin: margin, floor: float32(math.Inf(-1)), items: make([]neighbour, 0, min(room, 4096)), room: room}
}

func (b *nearest) add(n neighbour) {
	b.items = append(b.items, n)
	if len(b.items) >= b.room {
		b.cut()
		// Where most are within the margin, cutting again soon is in vain.
		b.room = max(b.room, 2*len(b.items))
	}
}

func (b *nearest) cut() {
	if len(b.items) <= b.k {
		return
	}
	b.floor = kth(b.items, b.k-1) - b.margin
	kept := b.items[:0]
	for _, n := range b.items {
		if n.sim >= b.floor {
			kept = append(kept, n)
		}
	}
	b.items = kept
}

// list returns what was kept, in no order.
func (b *nearest) list() []neighbour {
	b.cut()
	return b.items
}

// kth returns the k-th highest similarity, from 0; it changes the order of the
// items (Hoare's selection).
func kth(items []neighbour, k int) float32 {
	for low, high := 0, len(items)-1; low < high; {
		pivot := items[(low+high)/2].sim
		i, j := low, high
		for i <= j {
			for items[i].sim > pivot {
				i++
			}
			for items[j].sim < pivot {
				j--
			}
			if i <= j {
				items[i], items[j] = items[j], items[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			high = j
		case k >= i:
			low = i
		default:
			return items[k].sim
		}
	}
	return items[k].sim
}
