package minilm

import "github.com/ragproxy/ragproxy/internal/simd"

// linear is y = W x + b.
type linear struct {
	weight *simd.Matrix
	bias   []float32
}

// set writes a panel of outputs for each row of x to the 32 columns of dst.
func (l *linear) set(on *lane, dst, x simd.Mat, panel int) {
	bias := (*[simd.Width]float32)(l.bias[panel*simd.Width:])
	for row := range dst.Rows {
		*(*[simd.Width]float32)(dst.Data[row*dst.Stride:]) = *bias
	}
	l.weight.MulAddPanel(on.set, dst, x, panel, 0, on.widened)
}

// addNoBias adds to the columns of a panel in dst what the inputs from number
// from on, given as x, contribute to them. The bias is left to the
// normalisation that follows.
func (l *linear) addNoBias(on *lane, dst, x simd.Mat, panel, from int) {
	dst = dst.Slice(panel*simd.Width, simd.Width)
	l.weight.MulAddPanel(on.set, dst, x, panel, from, on.widened)
}
