package vector

import "math"

// The graph's parameters, under the names of the paper (M, efConstruction).
const (
	graphLinks = 16  // links a row gets on insertion; twice as many may gather on layer 0
	graphBuild = 200 // candidates looked at for each row's links
)

// graph is a hierarchical navigable small world (Malkov and Yashunin, 2016,
// arXiv:1603.09320) over the rows of a matrix; build.go makes it, export.go
// keeps it. It knows rows only by their int8 codes.
type graph struct {
	codes  *codes
	layers []layer // from the bottom; empty without any rows
	entry  int32   // the row that a search starts from, on the top layer
}

// layer has the links of its rows, each row's in a place of the same size.
type layer struct {
	places []int32 // places[row] is the row's, or -1; nil where it is the row itself
	size   int     // the most links of a row
	links  []int32
	counts []uint8 // counts[place] links are in use
}

func newLayer(rows, size int) layer {
	return layer{size: size, links: make([]int32, rows*size), counts: make([]uint8, rows)}
}

func (l *layer) place(row int32) int {
	if l.places != nil {
		row = l.places[row]
	}
	return int(row)
}

// of returns the links of a row of the layer.
func (l *layer) of(row int32) []int32 {
	p := l.place(row)
	return l.links[p*l.size:][:l.counts[p]]
}

// layerOf draws a row's highest layer from the exponential distribution of the
// paper, with a hash of the row (the finaliser of SplitMix64) for the dice.
func layerOf(row int32) int {
	x := (uint64(row) + 1) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	uniform := (float64(x>>11) + 1) / (1 << 53) // (0, 1]
	return int(-math.Log(uniform) / math.Log(graphLinks))
}

// walker is what a walk through a graph works in; for one goroutine at a time.
type walker struct {
	g       *graph
	visited []uint64 // a bit for each row
	pool    []neighbour
	batch   []int32
	sims    []float32
}

func newWalker(g *graph) *walker {
	return &walker{
		g: g, visited: make([]uint64, (g.codes.m.Rows()+63)/64),
		batch: make([]int32, 0, 256), sims: make([]float32, 256),
	}
}

// similarities returns those of some rows, at most 256, to a code.
func (w *walker) similarities(code []int8, rows []int32) []float32 {
	sims := w.sims[:len(rows)]
	w.g.codes.int8s.DotsAt(w.g.codes.set, sims, code, rows)
	return sims
}

// top returns the entry.
func (w *walker) top(code []int8) neighbour {
	return neighbour{w.g.entry, w.similarities(code, []int32{w.g.entry})[0]}
}

// descend goes from a row to the most similar of those it is linked with, as
// long as there is one.
func (w *walker) descend(code []int8, at neighbour, l *layer) neighbour {
	for {
		links, from := l.of(at.row), at
		for i, sim := range w.similarities(code, links) {
			if sim > at.sim {
				at = neighbour{links[i], sim}
			}
		}
		if at == from {
			return at
		}
	}
}

// walk is the paper's algorithm 2: it walks from a row through a layer, always
// on from the most similar row met, and returns the width most similar rows,
// nearest first, valid until the next walk. Instead of two heaps it has one
// sorted list: both ends are near each other.
func (w *walker) walk(code []int8, from neighbour, width int, l *layer) []neighbour {
	clear(w.visited)
	w.visited[from.row/64] |= 1 << (from.row % 64)
	pool := append(w.pool[:0], from)
	for at := 0; at < len(pool); {
		row := pool[at].row
		if row < 0 { // its links are followed: such rows are kept as ^row
			at++
			continue
		}
		pool[at].row = ^row
		batch := w.unvisited(l.of(row))
		lowest := at + 1
		for i, sim := range w.similarities(code, batch) {
			if len(pool) == width {
				if sim <= pool[width-1].sim {
					continue
				}
				pool = pool[:width-1]
			}
			place := place(pool, sim)
			pool = append(pool, neighbour{})
			copy(pool[place+1:], pool[place:])
			pool[place] = neighbour{batch[i], sim}
			lowest = min(lowest, place)
		}
		at = lowest
	}
	for i := range pool {
		pool[i].row = ^pool[i].row
	}
	w.pool = pool
	return pool
}

// unvisited marks the rows as visited and returns those that were not.
func (w *walker) unvisited(rows []int32) []int32 {
	batch := w.batch[:0]
	for _, row := range rows {
		word, bit := &w.visited[uint32(row)/64], uint64(1)<<(uint32(row)%64)
		if *word&bit == 0 {
			*word |= bit
			batch = append(batch, row)
		}
	}
	return batch
}

// place is where a similarity belongs among those of the pool: behind its like.
func place(pool []neighbour, sim float32) int {
	low, high := 0, len(pool)
	for low < high {
		if middle := (low + high) / 2; pool[middle].sim >= sim {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}
