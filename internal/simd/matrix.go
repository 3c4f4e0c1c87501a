package simd

import "fmt"

// depthStep is how much of a panel is widened at a time: 24 KiB of float32.
// It is a multiple of Block.
const depthStep = 192

// Block is how many weights along the depth share a scale.
const Block = 32

// Matrix is a matrix of weights as int8 with a scale for each Block of an
// output's weights, in the order that MulAdd reads them. It is read-only.
type Matrix struct {
	In, Out int
	// Both are panel after panel of 32 outputs. A panel's values are In rows of
	// 32, its scales In/Block rows of 32.
	values []int8
	scales []float32
}

// NewMatrix packs weights that are given output by output: in int8 values each,
// and in/Block scales. in is a multiple of Block, out of Width.
func NewMatrix(in, out int, values []int8, scales []float32) (*Matrix, error) {
	if in%Block != 0 || out%Width != 0 || len(values) != in*out || len(scales) != in*out/Block {
		return nil, fmt.Errorf("pack matrix: got %d values and %d scales for %d outputs of %d inputs", len(values), len(scales), out, in)
	}
	m := &Matrix{In: in, Out: out, values: make([]int8, in*out), scales: make([]float32, in*out/Block)}
	interleave(m.values, values, in)
	interleave(m.scales, scales, in/Block)
	return m, nil
}

// interleave turns rows of the given length into panels: 32 rows, transposed.
func interleave[T any](dst, src []T, length int) {
	size := Width * length
	for ; len(src) > 0; dst, src = dst[size:], src[size:] {
		for column := range Width {
			for i, v := range src[column*length : (column+1)*length] {
				dst[i*Width+column] = v
			}
		}
	}
}

// Panels returns how many panels of 32 outputs the matrix has.
func (m *Matrix) Panels() int { return m.Out / Width }

// WidenedLen is the length of the buffer that MulAddPanel needs, which Floats
// makes.
const WidenedLen = depthStep * Width

// MulAddPanel adds to dst, rows x 32, what the inputs x contribute to the 32
// outputs of a panel. x is rows x depth: the inputs number from, a multiple of
// Block as depth is, up to from+depth.
func (m *Matrix) MulAddPanel(s Set, dst, x Mat, panel, from int, widened []float32) {
	for done := 0; done < x.Cols; done += depthStep {
		depth := min(depthStep, x.Cols-done)
		at := panel*m.In + from + done
		next := at + depth
		if done+depth == x.Cols {
			next = (panel+1)*m.In + from
		}
		w := widened[:depth*Width]
		s.widen(w, m.values[at*Width:], m.scales[at/Block*Width:], m.values[min(next, (m.Panels()*m.In)-1)*Width:])
		s.MulAdd(dst, x.Slice(done, depth), w)
	}
}

// widen sets dst, rows of 32, to values times scales; a row of scales holds for
// Block rows. Meanwhile it has as many bytes of next fetched.
func (s Set) widen(dst []float32, values []int8, scales []float32, next []int8) {
	n := len(dst) / (Width * Block)
	if n > 0 {
		s.widenBlocks(dst[:n*Width*Block], values[:n*Width*Block], scales[:n*Width], next)
	}
}
