// Package simd has the loops that an embedding model and a vector search spend
// their time in, with the vector instructions of the machine it runs on.
//
//	set := simd.Best()
//	set.MulAdd(dst, x, panel) // dst += x · panel
//	set.GELU(dst.Data)
//	rows.Dots(set, dst, x, 0) // dst = rows · x, in int8
//
// Each loop exists as AVX-512, as AVX2 with FMA and as plain Go; Best chooses
// once, by what the processor has. The two vector forms give the same bits:
// they add the same numbers in the same order. Plain Go, which has no fused
// multiply-add on amd64, differs from them by rounding. The loops of the search
// (int8.go, dot.go) give the same bits everywhere, since their sums are exact or
// in the same order; they use VNNI where it is, and DotProd on arm64 (NEON),
// where all other loops are plain Go. To try those without such a machine:
//
//	GOARCH=arm64 go test -c -o simd.test ./internal/simd && qemu-aarch64 simd.test
//
// # Blocking
//
// MulAdd is the product of a few columns: a panel of 32 columns of weights, one
// row of 32 after another. AVX-512 holds 12 rows x 32 columns of dst in
// registers, so that 24 multiply-adds need 2 loads of weights and 12 of x; AVX2
// holds 6 x 16. Matrix.MulAdd walks over panels, and within a panel over the
// depth in steps of 192: such a piece (24 KiB) stays in the first cache while
// all rows of x pass by. Matrix keeps weights as int8, a quarter of the memory
// to read, and widens a piece just before its use, which costs as much as 3
// rows of x.
//
// An output is one chain of multiply-adds over the depth, whatever the number
// of rows, so a row's result never depends on its neighbours.
package simd
