package vector

import (
	"cmp"
	"context"
	"encoding/binary"
	"hash/crc32"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/internal/simd"
)

// codes is a matrix with a copy of it in int8, a quarter of the size: what a
// search compares first. The whole numbers and so the matches are the same on
// every machine.
type codes struct {
	m     index.Matrix
	int8s *simd.Int8s
	set   simd.Set
	rms   float64 // of the rows' scales
}

func newCodes(m index.Matrix, set simd.Set) *codes {
	c := &codes{m: m, int8s: simd.NewInt8s(m.Rows(), m.Dims), set: set}
	inParallel(runtime.GOMAXPROCS(0), (m.Rows()+ctxEvery-1)/ctxEvery, func(_, part int) {
		for row := part * ctxEvery; row < min((part+1)*ctxEvery, m.Rows()); row++ {
			c.int8s.Set(row, m.Row(row))
		}
	})
	var sum float64
	for _, scale := range c.int8s.Scales {
		sum += float64(float64(scale) * float64(scale))
	}
	c.rms = math.Sqrt(sum / float64(max(m.Rows(), 1)))
	return c
}

// query is what is asked for: unit has length 1, and code times scale is nearly
// the same.
type query struct {
	unit  []float32
	code  []int8
	scale float32
}

func (c *codes) query(unit []float32) query {
	q := query{unit: unit, code: simd.Bytes(c.int8s.Width)}
	q.scale = simd.Quantize(q.code, unit)
	return q
}

// marginSigmas is how many standard deviations of the rounding errors may lie
// between two rows that int8 puts in the wrong order. Of 100,000 nearest rows
// (100 each of 1,000 queries) 1 misses 77, 2 miss 2, 3 none; each adds 2% to the
// rows that are ranked again.
// Errors that all point the same way, as those of rows that hold nearly one
// number, can be larger; then a row can be missed for one that is less similar by
// that much.
const marginSigmas = 4

// margin is how much less similar than the k-th best a row may look in int8 and
// still be ranked again, in the units of Dots. A number of step s is wrong by
// s/√12 on average, and so is the product with a unit vector; two rows are
// compared.
func (c *codes) margin(q query) float32 {
	// The conversions keep processors that fuse from rounding otherwise.
	scale := float64(q.scale)
	sigma := math.Sqrt((float64(c.rms*c.rms) + float64(scale*scale)) / 12)
	return float32(marginSigmas * math.Sqrt2 * sigma / scale)
}

// rank returns the k best of the candidates by their float32 cosines, ties by
// row.
func (c *codes) rank(q query, candidates []neighbour, k int) []index.Match {
	matches := make([]index.Match, len(candidates))
	for i, n := range candidates {
		next := candidates[min(i+1, len(candidates)-1)]
		score := float32(c.set.Dot(q.unit, c.m.Row(int(n.row)), c.m.Row(int(next.row))))
		matches[i] = index.Match{Row: int(n.row), Score: float64(score)}
	}
	slices.SortFunc(matches, func(a, b index.Match) int {
		if a.Score != b.Score {
			return cmp.Compare(b.Score, a.Score)
		}
		return a.Row - b.Row
	})
	return matches[:min(k, len(matches))]
}

// scanBlock is how many rows are compared between two looks at what came out.
const scanBlock = 256

// scan compares the query with every row; k is at least 1.
func (c *codes) scan(ctx context.Context, q query, k int, allow index.Allow) ([]index.Match, error) {
	found := newNearest(min(k, c.m.Rows()), c.margin(q))
	var block [scanBlock]float32
	for first := 0; first < c.m.Rows(); first += scanBlock {
		if first%(16*scanBlock) == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		sims := block[:min(scanBlock, c.m.Rows()-first)]
		c.int8s.Dots(c.set, sims, q.code, first)
		for i := 0; i < len(sims); i += 4 {
			// Rows that count are rare: four are passed over at a time.
			four := (*[4]float32)(block[i:])
			if four[0] < found.floor && four[1] < found.floor && four[2] < found.floor && four[3] < found.floor {
				continue
			}
			for j, sim := range sims[i:min(i+4, len(sims))] {
				row := first + i + j
				if sim >= found.floor && c.int8s.Scales[row] != 0 && (allow == nil || allow(row)) {
					found.add(neighbour{int32(row), sim})
				}
			}
		}
	}
	return c.rank(q, found.list(), k), nil
}

// rowSums has a checksum for each row's code and scale.
func (c *codes) rowSums() []uint32 {
	sums := make([]uint32, c.m.Rows())
	table := crc32.MakeTable(crc32.Castagnoli)
	inParallel(runtime.GOMAXPROCS(0), (len(sums)+ctxEvery-1)/ctxEvery, func(_, part int) {
		var scale [4]byte
		for row := part * ctxEvery; row < min((part+1)*ctxEvery, len(sums)); row++ {
			code := c.int8s.Row(row)
			sums[row] = crc32.Checksum(unsafe.Slice((*byte)(unsafe.Pointer(&code[0])), len(code)), table)
			binary.LittleEndian.PutUint32(scale[:], math.Float32bits(c.int8s.Scales[row]))
			sums[row] = crc32.Update(sums[row], table, scale[:])
		}
	})
	return sums
}

// distinct names the rows that belong in a graph: the first of each vector, and
// none for the zero vector. Equal rows would link only to each other and cut
// themselves off. twin[row] is the next row with the same vector, or -1.
func (c *codes) distinct(sums []uint32) (members []bool, twin []int32) {
	members, twin = make([]bool, c.m.Rows()), make([]int32, c.m.Rows())
	last := make(map[uint32]int32, c.m.Rows())
	for row := range c.m.Rows() {
		twin[row] = -1
		if c.int8s.Scales[row] == 0 {
			continue
		}
		before, known := last[sums[row]]
		if known && slices.Equal(c.m.Row(int(before)), c.m.Row(row)) {
			twin[before] = int32(row)
		} else {
			members[row] = true // a collision costs only a twin that is not seen as one
		}
		last[sums[row]] = int32(row)
	}
	return members, twin
}

// inParallel does each of n parts once, in so many goroutines, whose numbers do
// gets.
func inParallel(workers, n int, do func(worker, part int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for worker := range min(n, workers) {
		wg.Go(func() {
			for part := int(next.Add(1)) - 1; part < n; part = int(next.Add(1)) - 1 {
				do(worker, part)
			}
		})
	}
	wg.Wait()
}
