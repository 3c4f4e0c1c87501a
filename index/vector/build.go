package vector

import (
	"cmp"
	"context"
	"runtime"
	"slices"
)

// roundRows is the most rows of a round.
const roundRows = 128

// builder makes a graph in rounds, on every core. The rows of a round look for
// neighbours in the graph as it was before the round, and among the rows before
// them in the round; then every row that was chosen takes its new links, in the
// order of the rows. So the graph does not depend on which core is the faster,
// and there is no lock.
type builder struct {
	g       *graph
	height  int         // layers that have rows
	sims    [][]float32 // of the layers' links, to the row they are of
	walkers []*walker
	spare   [][]neighbour // for each worker
}

// plan is what a row found: its links on each layer up to its own.
type plan [][]neighbour

// edge is a link that a row is to get.
type edge struct {
	layer int
	row   int32
	from  int // the place of the other row in the round
	to    neighbour
}

// buildGraph links the rows that members names.
func buildGraph(ctx context.Context, c *codes, members []bool) (*graph, error) {
	b := newBuilder(c, members)
	var rows []int32
	for row, member := range members {
		if member {
			rows = append(rows, int32(row))
		}
	}
	for done := 0; done < len(rows); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(max(done/16, 1), roundRows, len(rows)-done)
		b.round(rows[done : done+n])
		done += n
	}
	if len(rows) > 0 {
		b.reachAll(rows)
	}
	return b.g, nil
}

// newBuilder makes the layers, whose rows are known beforehand, without links.
func newBuilder(c *codes, members []bool) *builder {
	g := &graph{codes: c, entry: -1}
	b := &builder{g: g, spare: make([][]neighbour, runtime.GOMAXPROCS(0))}
	for range b.spare {
		b.walkers = append(b.walkers, newWalker(g))
	}
	for row, member := range members {
		for l := 0; member && l <= layerOf(int32(row)); l++ {
			if l == len(g.layers) {
				g.layers = append(g.layers, layer{size: graphLinks, places: slices.Repeat([]int32{-1}, len(members))})
			}
			at := &g.layers[l]
			at.places[row] = int32(len(at.counts))
			at.counts = append(at.counts, 0)
		}
	}
	for l := range g.layers {
		at := &g.layers[l]
		if l == 0 {
			*at = newLayer(len(members), 2*graphLinks)
		}
		at.links = make([]int32, len(at.counts)*at.size)
		b.sims = append(b.sims, make([]float32, len(at.links)))
	}
	return b
}

func (b *builder) round(rows []int32) {
	if b.g.entry < 0 {
		b.g.entry, b.height = rows[0], layerOf(rows[0])+1
		return
	}
	plans := make([]plan, len(rows))
	inParallel(len(b.walkers), len(rows), func(worker, i int) { plans[i] = b.plan(b.walkers[worker], rows, i) })
	var edges []edge
	for i, row := range rows {
		for l, links := range plans[i] {
			b.set(l, row, links)
			for _, to := range links {
				edges = append(edges, edge{l, to.row, i, neighbour{row, to.sim}})
			}
		}
	}
	b.link(edges)
	for _, row := range rows {
		if top := layerOf(row) + 1; top > b.height {
			b.g.entry, b.height = row, top
		}
	}
}

// plan finds the links of row i of a round.
func (b *builder) plan(w *walker, rows []int32, i int) plan {
	row := rows[i]
	code, scale, top := b.g.codes.int8s.Row(int(row)), b.g.codes.int8s.Scales[row], layerOf(row)
	near := w.top(code)
	l := b.height - 1
	for ; l > top; l-- {
		near = w.descend(code, near, &b.g.layers[l])
	}
	p := make(plan, l+1)
	for ; l >= 0; l-- {
		pool := w.walk(code, near, graphBuild, &b.g.layers[l])
		near = pool[0]
		candidates := append(w.mates(code, rows[:i], l), pool...)
		for j := range candidates {
			candidates[j].sim *= scale
		}
		slices.SortFunc(candidates, byNearest)
		p[l] = w.diverse(candidates, graphLinks, nil)
	}
	return p
}

// mates returns the rows of the same round that are on the layer.
func (w *walker) mates(code []int8, rows []int32, l int) []neighbour {
	batch := w.batch[:0]
	for _, row := range rows {
		if l == 0 || layerOf(row) >= l {
			batch = append(batch, row)
		}
	}
	mates := make([]neighbour, 0, len(batch)+graphBuild)
	for i, sim := range w.similarities(code, batch) {
		mates = append(mates, neighbour{batch[i], sim})
	}
	return mates
}

// diverse appends to picked at most limit of the candidates, which come nearest
// first: one that is nearer to a picked one than to the centre is left out, as
// it can be reached through that one (the paper's algorithm 4). This keeps links
// between clusters.
func (w *walker) diverse(candidates []neighbour, limit int, picked []neighbour) []neighbour {
	rows := w.batch[:0]
	for _, c := range candidates {
		if len(rows) == limit {
			break
		}
		if !w.covered(c, rows) {
			rows = append(rows, c.row)
			picked = append(picked, c)
		}
	}
	return picked
}

// covered looks at a few rows at a time: mostly the first cover.
func (w *walker) covered(c neighbour, rows []int32) bool {
	code, scale := w.g.codes.int8s.Row(int(c.row)), w.g.codes.int8s.Scales[c.row]
	for len(rows) > 0 {
		n := min(4, len(rows))
		for _, sim := range w.similarities(code, rows[:n]) {
			if sim*scale > c.sim {
				return true
			}
		}
		rows = rows[n:]
	}
	return false
}

// link gives every row its edges.
func (b *builder) link(edges []edge) {
	slices.SortFunc(edges, func(x, y edge) int {
		return cmp.Or(cmp.Compare(x.layer, y.layer), cmp.Compare(x.row, y.row), cmp.Compare(x.from, y.from))
	})
	var groups [][]edge
	for len(edges) > 0 {
		n := 1
		for n < len(edges) && edges[n].row == edges[0].row && edges[n].layer == edges[0].layer {
			n++
		}
		groups = append(groups, edges[:n])
		edges = edges[n:]
	}
	inParallel(len(b.walkers), len(groups), func(worker, i int) {
		group := groups[i]
		l, row := group[0].layer, group[0].row
		links := b.get(l, row, b.spare[worker][:0])
		for _, e := range group {
			links = append(links, e.to)
		}
		b.spare[worker] = links
		if limit := b.g.layers[l].size; len(links) > limit {
			slices.SortFunc(links, byNearest)
			links = b.walkers[worker].diverse(links, limit, links[:0])
		}
		b.set(l, row, links)
	})
}

func (b *builder) get(l int, row int32, links []neighbour) []neighbour {
	at := &b.g.layers[l]
	sims := b.sims[l][at.place(row)*at.size:]
	for i, to := range at.of(row) {
		links = append(links, neighbour{to, sims[i]})
	}
	return links
}

func (b *builder) set(l int, row int32, links []neighbour) {
	at := &b.g.layers[l]
	p := at.place(row)
	at.counts[p] = uint8(len(links))
	for i, to := range links {
		at.links[p*at.size+i], b.sims[l][p*at.size+i] = to.row, to.sim
	}
}

// reachAll makes every row reachable from the entry on layer 0: choosing links
// again can cut a row off, and then no search would ever return it.
func (b *builder) reachAll(rows []int32) {
	reached := make([]bool, b.g.codes.m.Rows())
	b.g.reach(b.g.entry, reached)
	for _, row := range rows {
		if reached[row] {
			continue
		}
		w, code := b.walkers[0], b.g.codes.int8s.Row(int(row))
		pool := w.walk(code, w.top(code), graphBuild, &b.g.layers[0])
		for _, n := range pool {
			if links := b.get(0, n.row, nil); len(links) < b.g.layers[0].size {
				b.set(0, n.row, append(links, neighbour{row, n.sim}))
				b.g.reach(row, reached)
				break
			}
		}
	}
}

func (g *graph) reach(from int32, reached []bool) {
	reached[from] = true
	for todo := []int32{from}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, to := range g.layers[0].of(at) {
			if !reached[to] {
				reached[to] = true
				todo = append(todo, to)
			}
		}
	}
}
