package simd

import "math"

// Softmax replaces the scores x by exp(scale*x) / (the sum of all these), each
// within 16 units of its last place as long as x is below some 10. The length is
// a multiple of 32; fill the rest with -Inf, which counts as good as nothing
// (1.6e-38). scale is positive.
func (s Set) Softmax(x []float32, scale float32) {
	if mustBeVectors(len(x)) {
		s.softmax(x, scale)
	}
}

// GELU replaces each x by x * Phi(x), Phi being the normal distribution
// function (Hendrycks and Gimpel 2016, the exact form), within 1e-7 or a unit
// of the last place. The length is a multiple of 32.
func (s Set) GELU(x []float32) {
	if mustBeVectors(len(x)) {
		s.gelu(x)
	}
}

// LayerNorm adds add to x, scales the sum to a mean of 0 and a variance of 1,
// multiplies by weight and adds bias (Ba et al. 2016). All have one length, a
// multiple of 32.
func (s Set) LayerNorm(x, add, weight, bias []float32, epsilon float32) {
	if n := len(x); mustBeVectors(n) {
		s.layerNorm(x, add[:n], weight[:n], bias[:n], epsilon)
	}
}

// mustBeVectors reports whether there is anything to do.
func mustBeVectors(n int) bool {
	if n%Width != 0 {
		panic("simd: the length is not a multiple of 32")
	}
	return n > 0
}

// constants are those of exp and GELU, for all sets; the assembly knows their
// order. Nothing writes to them.
//
// exp(x) is 2^n * e^r: n is x/ln 2 rounded by adding and taking away 1.5 * 2^23,
// r = x - n ln 2 (with ln 2 in two parts) lies within ±0.35, and e^r is a
// polynomial. x below expLeast counts as expLeast, or 2^n would be subnormal.
//
// GELU(x) is max(x, 0) - a Phi(-a) with a = |x|, and Phi(-a) is e to a polynomial
// in a: ln Phi is nearly a parabola. From geluLimit on nothing is left of it.
var constants = [...]float32{
	expLeast: -87,
	log2E:    math.Log2E,
	rounder:  3 << 22,
	ln2High:  -0.693359375,
	ln2Low:   2.12194440e-4,
	expAt:    0.001383670954965055, 0.008374898694455624, 0.041668232530355453, 0.16666419804096222, 0.49999991059303284, 1, 1,
	geluLimit: 6,
	geluAt:    -4.1120151195173094e-07, 6.8755034590139985e-06, -2.128097003151197e-05, -0.0003898122813552618,
	0.005346505902707577, -0.036772724241018295, -0.3181244134902954, -0.7979217767715454, -0.693144679069519,
}

const (
	expLeast  = 0
	log2E     = 1
	rounder   = 2
	ln2High   = 3 // negative
	ln2Low    = 4
	expAt     = 5 // 7 factors, the highest power first; the last is 1
	one       = 11
	geluLimit = 12
	geluAt    = 13 // 9 factors, the highest power first
)
