package vector

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/ragproxy/ragproxy/index"
)

// The graph's parameters, under the names of the paper (M, efConstruction).
const (
	graphLinks = 16  // links a row gets on insertion; twice as many may gather on layer 0
	graphBuild = 200 // candidates looked at for each row's links
)

// graph is a hierarchical navigable small world (Malkov and Yashunin, 2016,
// arXiv:1603.09320; neighbours by the heuristic of its algorithm 4) over the
// rows of a matrix. It is built in one goroutine and uses no randomness, so
// that the same matrix gives the same graph.
type graph struct {
	m     index.Matrix
	links [][][]neighbour // links[row][layer]; nil for a row that is not in the graph
	entry int32           // the row that a search starts from; -1 while empty
	seen  []uint32        // seen[row] == round: visited in this round
	round uint32
}

// neighbour is a row with its cosine similarity to what was asked for.
type neighbour struct {
	row int32
	sim float32
}

// byNearest orders the most similar first, ties by row.
func byNearest(a, b neighbour) int {
	return cmp.Or(cmp.Compare(b.sim, a.sim), cmp.Compare(a.row, b.row))
}

func byFarthest(a, b neighbour) int { return byNearest(b, a) }

// buildGraph links the rows that members names.
func buildGraph(ctx context.Context, m index.Matrix, members []bool) (*graph, error) {
	g := &graph{m: m, links: make([][][]neighbour, m.Rows()), entry: -1, seen: make([]uint32, m.Rows())}
	for row, member := range members {
		if row%64 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if member {
			g.insert(int32(row))
		}
	}
	g.reachAll()
	if g.entry >= 0 {
		// A layer above all others with the entry alone: the library starts at
		// any node of the top layer, so a fixed start needs a single one.
		g.links[g.entry] = append(g.links[g.entry], nil)
	}
	return g, nil
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

func (g *graph) insert(row int32) {
	top := layerOf(row)
	g.links[row] = make([][]neighbour, top+1)
	if g.entry < 0 {
		g.entry = row
		return
	}
	vec := g.m.Row(int(row))
	highest := len(g.links[g.entry]) - 1
	near := []neighbour{{g.entry, dot(vec, g.m.Row(int(g.entry)))}}
	for layer := highest; layer > top; layer-- {
		near = g.search(vec, near, 1, layer)
	}
	for layer := min(highest, top); layer >= 0; layer-- {
		near = g.search(vec, near, graphBuild, layer)
		g.links[row][layer] = g.diverse(near, graphLinks)
		for _, n := range g.links[row][layer] {
			g.link(n.row, neighbour{row, n.sim}, layer)
		}
	}
	if top > highest {
		g.entry = row
	}
}

// link adds a link to a row and, when there are too many, chooses again.
func (g *graph) link(row int32, to neighbour, layer int) {
	limit := graphLinks
	if layer == 0 {
		limit = 2 * graphLinks
	}
	links := append(g.links[row][layer], to)
	if len(links) > limit {
		slices.SortFunc(links, byNearest)
		links = g.diverse(links, limit)
	}
	g.links[row][layer] = links
}

// diverse picks at most limit of the candidates, which come nearest first: one
// that is nearer to a picked one than to the centre is left out, as it can be
// reached through that one. This keeps links between clusters.
func (g *graph) diverse(candidates []neighbour, limit int) []neighbour {
	picked := make([]neighbour, 0, limit+1)
next:
	for _, c := range candidates {
		if len(picked) == limit {
			break
		}
		for _, p := range picked {
			if dot(g.m.Row(int(c.row)), g.m.Row(int(p.row))) > c.sim {
				continue next
			}
		}
		picked = append(picked, c)
	}
	return picked
}

// search is the paper's algorithm 2: from the rows in start it walks one layer
// towards vec and returns the width nearest rows it met, nearest first.
func (g *graph) search(vec []float32, start []neighbour, width, layer int) []neighbour {
	g.round++
	open := heap{order: byNearest}
	found := heap{order: byFarthest}
	for _, n := range start {
		g.seen[n.row] = g.round
		open.push(n)
		found.push(n)
	}
	for len(found.items) > width {
		found.pop()
	}
	for len(open.items) > 0 {
		at := open.pop()
		if len(found.items) == width && byNearest(at, found.items[0]) > 0 {
			break
		}
		for _, l := range g.links[at.row][layer] {
			if g.seen[l.row] == g.round {
				continue
			}
			g.seen[l.row] = g.round
			n := neighbour{l.row, dot(vec, g.m.Row(int(l.row)))}
			if len(found.items) == width && byNearest(n, found.items[0]) > 0 {
				continue
			}
			open.push(n)
			found.push(n)
			if len(found.items) > width {
				found.pop()
			}
		}
	}
	slices.SortFunc(found.items, byNearest)
	return found.items
}

// reachAll makes every row reachable from the entry on layer 0: choosing links
// again can cut a row off, and then no search would ever return it.
func (g *graph) reachAll() {
	if g.entry < 0 {
		return
	}
	reached := make([]bool, len(g.links))
	g.reach(g.entry, reached)
	for row := range g.links {
		if g.links[row] == nil || reached[row] {
			continue
		}
		vec := g.m.Row(row)
		start := []neighbour{{g.entry, dot(vec, g.m.Row(int(g.entry)))}}
		near := g.search(vec, start, graphBuild, 0)[0]
		g.links[near.row][0] = append(g.links[near.row][0], neighbour{int32(row), near.sim})
		g.reach(int32(row), reached)
	}
}

func (g *graph) reach(from int32, reached []bool) {
	reached[from] = true
	for todo := []int32{from}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, l := range g.links[at][0] {
			if !reached[l.row] {
				reached[l.row] = true
				todo = append(todo, l.row)
			}
		}
	}
}
