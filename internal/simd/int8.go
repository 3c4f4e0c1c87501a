package simd

import (
	"math"
	"unsafe"
)

// Int8Step is what the length of an int8 vector must be a multiple of: a cache
// line.
const Int8Step = 64

// Int8s is rows of vectors as int8 from -127 to 127 (never -128) and a scale for
// each: number j of row i is about Values[i*Width+j] * Scales[i]. It takes about
// a quarter of the memory of float32. Width is a multiple of Int8Step; what a
// row has less is zeros.
type Int8s struct {
	Values []int8
	Scales []float32
	Width  int
}

// NewInt8s returns so many rows of zeros, for vectors of dims numbers. They
// start on a cache line, so that no vector register's load crosses one.
func NewInt8s(rows, dims int) *Int8s {
	width := (dims + Int8Step - 1) / Int8Step * Int8Step
	return &Int8s{Values: Bytes(rows * width), Scales: make([]float32, rows), Width: width}
}

// Bytes returns n zeros that start on a cache line.
func Bytes(n int) []int8 {
	const line = 64
	v := make([]int8, n+line)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(v))) % line
	return v[skip:][:n:n]
}

// Row is row i, not a copy.
func (m *Int8s) Row(i int) []int8 { return m.Values[i*m.Width : (i+1)*m.Width] }

// Set makes row i of x, which has at most Width numbers.
func (m *Int8s) Set(i int, x []float32) { m.Scales[i] = Quantize(m.Row(i), x) }

// Quantize fills dst with the whole numbers nearest to x/scale (ties to even),
// -127 to 127, then with zeros, and returns the scale: the largest absolute
// number of x through 127. Numbers so small that the scale has no inverse count
// as zeros, with scale 0; what is not finite gives no meaningful numbers.
func Quantize(dst []int8, x []float32) (scale float32) {
	var most uint32 // of the absolute values: their bits are in the same order
	for _, v := range x {
		most = max(most, math.Float32bits(v)&^(1<<31))
	}
	inverse := 127 / math.Float32frombits(most)
	if !(inverse <= math.MaxFloat32) {
		clear(dst)
		return 0
	}
	// The sum has the whole number in its low bits. The conversion keeps the
	// compiler from fusing both operations, which would round once, not twice.
	const rounder = 3 << 22
	for i, v := range x {
		dst[i] = int8(math.Float32bits(float32(v*inverse) + rounder))
	}
	clear(dst[len(x):])
	return math.Float32frombits(most) / 127
}

// Dots sets dst[i] to the product of x and row first+i, times that row's scale:
// float32(the sum of whole numbers) * scale, the same bits in every set. x has
// Width numbers, -127 to 127.
func (m *Int8s) Dots(s Set, dst []float32, x []int8, first int) {
	n := len(dst)
	if n == 0 {
		return
	}
	s.dots(&int8Dots{
		dst: dst, x: x[:m.Width], values: m.Values[first*m.Width : (first+n)*m.Width],
		scales: m.Scales[first : first+n], count: n, width: m.Width,
	})
}

// DotsAt is Dots for the rows that at names; dst has as many numbers.
func (m *Int8s) DotsAt(s Set, dst []float32, x []int8, at []int32) {
	if len(at) == 0 {
		return
	}
	for _, row := range at {
		if uint(row) >= uint(len(m.Scales)) {
			panic("simd: DotsAt of a row that is not there")
		}
	}
	s.dotsAt(&int8Dots{
		dst: dst[:len(at)], x: x[:m.Width], values: m.Values[:len(m.Scales)*m.Width],
		scales: m.Scales, at: at, count: len(at), width: m.Width,
	})
}

// int8Dots is the work of one call of a kernel; count is 1 or more. The assembly
// knows the offsets of the fields.
type int8Dots struct {
	dst    []float32
	x      []int8
	values []int8
	scales []float32
	at     []int32
	count  int
	width  int
}

func dotsGo(d *int8Dots) {
	for i := range d.dst {
		d.dst[i] = float32(dotInt8(d.x, d.values[i*d.width:])) * d.scales[i]
	}
}

func dotsAtGo(d *int8Dots) {
	for i, row := range d.at {
		d.dst[i] = float32(dotInt8(d.x, d.values[int(row)*d.width:])) * d.scales[row]
	}
}

func dotInt8(x, row []int8) int32 {
	const step = 16
	var a, b int32
	for i := 0; i+step <= len(x); i += step {
		p, q := (*[step]int8)(x[i:]), (*[step]int8)(row[i:])
		a += int32(p[0])*int32(q[0]) + int32(p[1])*int32(q[1]) + int32(p[2])*int32(q[2]) + int32(p[3])*int32(q[3])
		b += int32(p[4])*int32(q[4]) + int32(p[5])*int32(q[5]) + int32(p[6])*int32(q[6]) + int32(p[7])*int32(q[7])
		a += int32(p[8])*int32(q[8]) + int32(p[9])*int32(q[9]) + int32(p[10])*int32(q[10]) + int32(p[11])*int32(q[11])
		b += int32(p[12])*int32(q[12]) + int32(p[13])*int32(q[13]) + int32(p[14])*int32(q[14]) + int32(p[15])*int32(q[15])
	}
	return a + b
}
