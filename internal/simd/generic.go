package simd

import (
	"math"
	"unsafe"
)

// goRows is how many rows mulAddGo does at a time: the sums of 3 rows x 2
// columns are what fits in the 15 registers that Go has on amd64. 2 x 4 spill,
// and take twice as long.
const goRows = 3

// mulAddGo does a block of 1 to 3 rows; instead of rows that are not there it
// does the first again, for nothing.
func mulAddGo(p *product) {
	panel := unsafe.Slice((*[Width]float32)(p.panel), p.depth)
	var nowhere [2][Width]float32
	x := [goRows][]float32{p.x[:p.depth], p.x[:p.depth], p.x[:p.depth]}
	dst := [goRows]*[Width]float32{(*[Width]float32)(p.dst), &nowhere[0], &nowhere[1]}
	for row := 1; row < p.rows; row++ {
		x[row] = p.x[row*p.xStride:][:p.depth]
		dst[row] = (*[Width]float32)(p.dst[row*p.dstStride:])
	}
	for column := 0; column < Width; column += 2 {
		mulAddTile(&dst, &x, panel, column)
	}
}

func mulAddTile(dst *[goRows]*[Width]float32, x *[goRows][]float32, panel [][Width]float32, column int) {
	column &= Width - 2 // so that no index needs a check
	a, b, c := dst[0], dst[1], dst[2]
	x0, x1, x2 := x[0][:len(panel)], x[1][:len(panel)], x[2][:len(panel)]
	a0, a1, b0, b1, c0, c1 := a[column], a[column+1], b[column], b[column+1], c[column], c[column+1]
	for k := range panel {
		w := &panel[k]
		w0, w1 := w[column], w[column+1]
		a0 += x0[k] * w0
		a1 += x0[k] * w1
		b0 += x1[k] * w0
		b1 += x1[k] * w1
		c0 += x2[k] * w0
		c1 += x2[k] * w1
	}
	a[column], a[column+1], b[column], b[column+1], c[column], c[column+1] = a0, a1, b0, b1, c0, c1
}

func widenGo(dst []float32, values []int8, scales []float32) {
	for ; len(scales) > 0; scales = scales[Width:] {
		for range Block {
			for i, scale := range scales[:Width] {
				dst[i] = float32(values[i]) * scale
			}
			dst, values = dst[Width:], values[Width:]
		}
	}
}

func softmaxGo(x []float32, scale float32) {
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	var sum float32
	for i, v := range x {
		x[i] = exp((v - top) * scale)
		sum += x[i]
	}
	share := 1 / sum
	for i := range x {
		x[i] *= share
	}
}

func exp(x float32) float32 {
	c := &constants
	x = max(x, c[expLeast])
	shifted := x*c[log2E] + c[rounder]
	n := shifted - c[rounder]
	x += n * c[ln2High]
	x += n * c[ln2Low]
	p := (c[expAt]*x+c[expAt+1])*x + c[expAt+2]
	p = (p*x+c[expAt+3])*x + c[expAt+4]
	p = (p*x+c[expAt+5])*x + c[expAt+6]
	return math.Float32frombits(math.Float32bits(p) + math.Float32bits(shifted)<<23)
}

func geluGo(x []float32) {
	c := &constants
	for i, v := range x {
		a := min(max(v, -v), c[geluLimit])
		p := (c[geluAt]*a+c[geluAt+1])*a + c[geluAt+2]
		p = (p*a+c[geluAt+3])*a + c[geluAt+4]
		p = (p*a+c[geluAt+5])*a + c[geluAt+6]
		p = (p*a+c[geluAt+7])*a + c[geluAt+8]
		x[i] = max(v, 0) - a*exp(p)
	}
}

func layerNormGo(x, add, weight, bias []float32, epsilon float32) {
	var sum, squares float32
	for i, v := range add[:len(x)] {
		x[i] += v
		sum += x[i]
	}
	n := float32(len(x))
	mean := sum / n
	for _, v := range x {
		squares += (v - mean) * (v - mean)
	}
	scale := 1 / float32(math.Sqrt(float64(squares/n+epsilon)))
	for i, v := range x {
		x[i] = (v-mean)*scale*weight[i] + bias[i]
	}
}
