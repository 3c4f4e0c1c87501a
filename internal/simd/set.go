package simd

import "unsafe"

// Set names the instructions that the loops of this package use. Its methods
// are safe for concurrent use, as long as what they write is not shared.
type Set uint8

// The sets. Go is there on every machine; the others only where Sets lists
// them, and anywhere else the program dies of an illegal instruction.
const (
	Go     Set = iota
	AVX2       // with FMA
	AVX512     // the foundation (F) is enough
	VNNI       // AVX512 with BW, DQ, VL and VNNI, for int8
	NEON       // arm64 with DotProd, for int8; all else is Go
)

// String returns "go", "avx2", "avx512", "vnni" or "neon".
func (s Set) String() string { return [...]string{"go", "avx2", "avx512", "vnni", "neon"}[s] }

// Best returns the fastest set of this machine.
func Best() Set {
	sets := Sets()
	return sets[len(sets)-1]
}

// Width is the columns of a panel, and what the lengths of vectors must be a
// multiple of.
const Width = 32

// Mat is rows of float32: row i is Data[i*Stride:][:Cols].
type Mat struct {
	Data               []float32
	Rows, Cols, Stride int
}

// Floats returns n zeros that start on a cache line, so that no vector crosses
// one: the loops take any slice, but that is up to 7% faster.
func Floats(n int) []float32 {
	const line = 64
	v := make([]float32, n+line/4)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(v))) % line / 4
	return v[skip:][:n:n]
}

// Dense returns data as rows of so many columns.
func Dense(data []float32, cols int) Mat {
	return Mat{Data: data, Rows: len(data) / cols, Cols: cols, Stride: cols}
}

// Slice returns the columns from first on.
func (m Mat) Slice(first, cols int) Mat {
	m.Data, m.Cols = m.Data[first:], cols
	return m
}

// inside panics unless all of the matrix is in its slice: the loops do not
// look.
func (m Mat) inside() {
	if m.Rows > 0 {
		_ = m.Data[(m.Rows-1)*m.Stride:][:m.Cols]
	}
}
