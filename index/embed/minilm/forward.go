package minilm

import (
	"math"

	"github.com/ragproxy/ragproxy/internal/simd"
)

const (
	normEpsilon = 1e-12

	// innerStep is what the parts of the feed-forward step are a multiple of.
	innerStep = 192
	// innerRoom is how many numbers of it there are at a time (192 KiB): they
	// stay in the core's second cache on their way from up to down.
	innerRoom = maxTokens * innerStep
)

// scratch is what one forward pass works in; it is used again for the next.
type scratch struct {
	hidden, joined []float32 // tokens x dims
	inner          []float32 // tokens x a part of inner
	crew
}

func newScratch(set simd.Set) *scratch {
	return &scratch{
		hidden: simd.Floats(maxTokens * dims),
		joined: simd.Floats(maxTokens * dims),
		inner:  simd.Floats(innerRoom),
		crew:   crew{lane: newLane(set)},
	}
}

// forward returns the unit vector of each text: the mean of its tokens' last
// hidden vectors, normalised. A text is 1 or more token ids; all together are
// at most maxTokens.
//
// It is BERT (Devlin et al. 2018, section 3 and its appendix A.2) with the
// normalisation after each step.
func (m *model) forward(s *scratch, texts [][]int32) [][]float32 {
	row := 0
	for _, ids := range texts {
		for position, id := range ids {
			x := s.hidden[row*dims : (row+1)*dims]
			m.words.read(x, int(id)*dims)
			m.norm.apply(m.set, x, m.positions[position*dims:(position+1)*dims])
			row++
		}
	}
	hidden := s.hidden[:row*dims]
	for i := range m.layers {
		m.layers[i].forward(s, hidden, texts)
	}
	vectors := make([][]float32, len(texts))
	for i, ids := range texts {
		vectors[i] = unitMean(hidden[:len(ids)*dims])
		hidden = hidden[len(ids)*dims:]
	}
	return vectors
}

func (l *layer) forward(s *scratch, x []float32, texts [][]int32) {
	hidden, joined := simd.Dense(x, dims), simd.Dense(s.joined[:len(x)], dims)
	s.each(heads, func(on *lane, head int) {
		on.attend(l, joined, hidden, texts, head)
	})
	s.each(l.attention.weight.Panels(), func(on *lane, panel int) {
		l.attention.addNoBias(on, hidden, joined, panel, 0)
	})
	l.attentionNorm.applyAll(s.lane.set, x, l.attention.bias)

	normal := joined // its numbers are no longer needed
	copy(normal.Data, x)
	step := min(innerRoom/hidden.Rows/innerStep*innerStep, inner)
	for first := 0; first < inner; first += step {
		l.feed(s, hidden, normal, first, min(step, inner-first))
	}
	l.outputNorm.applyAll(s.lane.set, x, l.down.bias)
}

// feed adds to hidden what n of the inner numbers, from first on, contribute.
// They are made from normal.
func (l *layer) feed(s *scratch, hidden, normal simd.Mat, first, n int) {
	part := simd.Dense(s.inner[:hidden.Rows*n], n)
	s.each(n/simd.Width, func(on *lane, panel int) {
		l.up.set(on, part.Slice(panel*simd.Width, simd.Width), normal, first/simd.Width+panel)
	})
	s.lane.set.GELU(part.Data)
	s.each(l.down.weight.Panels(), func(on *lane, panel int) {
		l.down.addNoBias(on, hidden, part, panel, first)
	})
}

// apply normalises x + add.
func (n *layerNorm) apply(set simd.Set, x, add []float32) {
	set.LayerNorm(x, add, n.weight, n.bias, normEpsilon)
}

// applyAll normalises each row of x plus add.
func (n *layerNorm) applyAll(set simd.Set, x, add []float32) {
	for ; len(x) > 0; x = x[dims:] {
		n.apply(set, x[:dims], add)
	}
}

// unitMean returns the mean of the rows of x with a length of 1.
func unitMean(x []float32) []float32 {
	sum := make([]float32, dims)
	for ; len(x) > 0; x = x[dims:] {
		for i, v := range x[:dims] {
			sum[i] += v
		}
	}
	var squares float64
	for _, v := range sum {
		squares += float64(v) * float64(v)
	}
	scale := float32(1 / math.Sqrt(squares))
	for i := range sum {
		sum[i] *= scale
	}
	return sum
}
