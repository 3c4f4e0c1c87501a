package minilm

import (
	"math"

	"github.com/viterin/vek/vek32"
)

// linear is y = W x + b. Rows of W are outputs, so an output is the dot
// product of two stretches of memory.
type linear struct {
	in, out int
	weight  []float32 // out x in
	bias    []float32 // out
	simd    bool      // vek has vector instructions on this machine
}

// tileWeights is how many weights (48 KiB of them) are used on all rows before
// the next: they stay in the core's first cache.
const tileWeights = 12288

// apply sets dst (rows x out) from x (rows x in). An output depends on its own
// row alone, never on how many there are.
func (l *linear) apply(dst, x []float32) {
	tile := tileWeights / l.in
	for first := 0; first < l.out; first += tile {
		for row := 0; row*l.in < len(x); row++ {
			in := x[row*l.in : (row+1)*l.in]
			out := dst[row*l.out+first : row*l.out+first+tile]
			l.outputs(out, in, first)
		}
	}
}

// outputs sets dst to the outputs for x from number first on.
func (l *linear) outputs(dst, x []float32, first int) {
	weight, bias := l.weight[first*l.in:], l.bias[first:]
	if !l.simd {
		dots(dst, weight, x)
		vek32.Add_Inplace(dst, bias[:len(dst)])
		return
	}
	for i := range dst {
		dst[i] = vek32.Dot(weight[i*l.in:(i+1)*l.in], x) + bias[i]
	}
}

// dots sets dst[i] to the dot product of x and row i of weight, four rows at a
// time: 3.5 times as fast as vek32.Dot where that is a plain loop. len(dst) is
// a multiple of four, as every tile is.
func dots(dst, weight, x []float32) {
	n := len(x)
	for i := 0; i+4 <= len(dst); i += 4 {
		rows := weight[i*n : (i+4)*n]
		a, b, c, d := rows[:n], rows[n:2*n], rows[2*n:3*n], rows[3*n:]
		var sumA, sumB, sumC, sumD float32
		for j, v := range x {
			sumA += a[j] * v
			sumB += b[j] * v
			sumC += c[j] * v
			sumD += d[j] * v
		}
		dst[i], dst[i+1], dst[i+2], dst[i+3] = sumA, sumB, sumC, sumD
	}
}

// geluTable computes x * Phi(x), Phi being the normal distribution function
// (Hendrycks and Gimpel 2016, the exact form with erf), to within float32
// rounding: a Taylor step from the nearest node of a table of Phi and its
// derivative.
type geluTable []geluNode

type geluNode struct{ x, phi, slope float32 }

const (
	geluLimit = 6  // beyond it Phi is 0 or 1
	geluSteps = 64 // nodes to the unit
)

func newGELUTable() geluTable {
	table := make(geluTable, 2*geluLimit*geluSteps+1)
	for i := range table {
		x := float64(i)/geluSteps - geluLimit
		table[i] = geluNode{
			x:     float32(x),
			phi:   float32((1 + math.Erf(x/math.Sqrt2)) / 2),
			slope: float32(math.Exp(-x*x/2) / math.Sqrt(2*math.Pi)),
		}
	}
	return table
}

func (t geluTable) apply(xs []float32) {
	for i, x := range xs {
		switch {
		case x <= -geluLimit:
			xs[i] = 0
		case x < geluLimit:
			node := &t[int(x*geluSteps+(geluLimit*geluSteps+0.5))]
			d := x - node.x
			xs[i] = x * (node.phi + node.slope*d*(1-d*(node.x/2-d*(node.x*node.x-1)/6)))
		}
	}
}
