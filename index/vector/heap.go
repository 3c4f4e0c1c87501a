package vector

// heap is a binary heap with the first by order on top. container/heap would
// allocate for every push, which is most of the time a build takes.
type heap struct {
	order func(a, b neighbour) int // negative: a comes before b
	items []neighbour
}

func (h *heap) push(n neighbour) {
	h.items = append(h.items, n)
	for i := len(h.items) - 1; i > 0; {
		parent := (i - 1) / 2
		if h.order(h.items[i], h.items[parent]) >= 0 {
			return
		}
		h.items[i], h.items[parent] = h.items[parent], h.items[i]
		i = parent
	}
}

// pop wants a heap that is not empty.
func (h *heap) pop() neighbour {
	top, last := h.items[0], len(h.items)-1
	h.items[0] = h.items[last]
	h.items = h.items[:last]
	for i := 0; ; {
		first := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < last && h.order(h.items[child], h.items[first]) < 0 {
				first = child
			}
		}
		if first == i {
			return top
		}
		h.items[i], h.items[first] = h.items[first], h.items[i]
		i = first
	}
}
