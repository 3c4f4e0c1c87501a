package simd

// MulAdd adds x · panel to dst: x is rows x depth, panel depth x 32 without
// gaps, dst rows x 32. dst must not overlap the others.
func (s Set) MulAdd(dst, x Mat, panel []float32) {
	if dst.Cols != Width || dst.Rows != x.Rows {
		panic("simd: MulAdd of matrices that do not fit")
	}
	dst.inside()
	x.inside()
	_ = panel[:x.Cols*Width]
	if x.Rows == 0 || x.Cols == 0 {
		return
	}
	// Blocks of nearly the same height: 14 rows are 7 and 7, not 12 and 2,
	// since a low block waits for its own sums.
	blocks := (x.Rows + s.blockRows() - 1) / s.blockRows()
	for b := range blocks {
		first, next := b*x.Rows/blocks, (b+1)*x.Rows/blocks
		s.mulAddBlock(&product{
			dst: dst.Data[first*dst.Stride:], x: x.Data[first*x.Stride:], panel: panel,
			dstStride: dst.Stride, xStride: x.Stride, depth: x.Cols, rows: next - first,
		})
	}
}

// product is the work of one call of a kernel. Strides are in floats; rows is
// 1 to the set's blockRows. The assembly knows the offsets of the fields.
type product struct {
	dst, x, panel                   []float32
	dstStride, xStride, depth, rows int
}
