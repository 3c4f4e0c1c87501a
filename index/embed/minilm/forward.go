package minilm

import (
	"math"

	"github.com/viterin/vek/vek32"
)

const normEpsilon = 1e-12

// scratch is what one forward pass works in; it is used again for the next.
type scratch struct {
	hidden, joined, out []float32 // tokens x dims
	queryKeyValue       []float32 // tokens x 3*dims
	inner               []float32 // tokens x inner
	keys                []float32 // headDims x tokens: one head's keys, transposed
	values              []float32 // tokens x headDims: one head's values
	scores              []float32 // tokens
}

// resize makes room for a text of so many tokens.
func (s *scratch) resize(tokens int) {
	grow := func(v *[]float32, n int) {
		if cap(*v) < n {
			*v = make([]float32, n)
		}
		*v = (*v)[:n]
	}
	grow(&s.hidden, tokens*dims)
	grow(&s.joined, tokens*dims)
	grow(&s.out, tokens*dims)
	grow(&s.queryKeyValue, tokens*3*dims)
	grow(&s.inner, tokens*inner)
	grow(&s.keys, tokens*headDims)
	grow(&s.values, tokens*headDims)
	grow(&s.scores, tokens)
}

// forward returns the unit vector of a text of 1 to maxTokens token ids: the
// mean of its tokens' last hidden vectors, normalised.
//
// It is BERT (Devlin et al. 2018, section 3 and its appendix A.2) with the
// normalisation after each step.
func (m *model) forward(s *scratch, ids []int32) []float32 {
	s.resize(len(ids))
	for i, id := range ids {
		m.words.read(s.hidden[i*dims:(i+1)*dims], int(id)*dims)
	}
	vek32.Add_Inplace(s.hidden, m.positions[:len(s.hidden)])
	m.norm.apply(s.hidden)
	for i := range m.layers {
		m.layers[i].forward(s, len(ids), &m.gelu)
	}
	return unitMean(s.hidden)
}

func (l *layer) forward(s *scratch, tokens int, gelu *geluTable) {
	l.queryKeyValue.apply(s.queryKeyValue, s.hidden)
	for head := range heads {
		attend(s, tokens, head)
	}
	l.attention.apply(s.out, s.joined)
	vek32.Add_Inplace(s.hidden, s.out)
	l.attentionNorm.apply(s.hidden)

	l.up.apply(s.inner, s.hidden)
	gelu.apply(s.inner)
	l.down.apply(s.out, s.inner)
	vek32.Add_Inplace(s.hidden, s.out)
	l.outputNorm.apply(s.hidden)
}

// attend writes one head's part of each row of s.joined: the mean of all
// values, weighted by softmax(query . key / sqrt(headDims)).
func attend(s *scratch, tokens, head int) {
	for t := range tokens {
		row := s.queryKeyValue[t*3*dims+head*headDims:]
		copy(s.values[t*headDims:(t+1)*headDims], row[2*dims:])
		for d, k := range row[dims : dims+headDims] {
			s.keys[d*tokens+t] = k
		}
	}
	scale := float32(1 / math.Sqrt(headDims))
	for t := range tokens {
		query := s.queryKeyValue[t*3*dims+head*headDims:][:headDims]
		vek32.MulNumber_Inplace(query, scale)
		vek32.MatMul_Into(s.scores, query, s.keys, headDims)
		softmax(s.scores)
		at := t*dims + head*headDims
		vek32.MatMul_Into(s.joined[at:at+headDims], s.scores, s.values, tokens)
	}
}

func softmax(x []float32) {
	vek32.SubNumber_Inplace(x, vek32.Max(x))
	// vek32.Exp is wrong between -104 and -88, where results are subnormal
	// (Exp(-96) is -2e35).
	vek32.MaximumNumber_Inplace(x, -80)
	vek32.Exp_Inplace(x)
	vek32.MulNumber_Inplace(x, 1/vek32.Sum(x))
}

// apply normalises each row of x to mean 0 and variance 1, then scales and
// shifts it.
func (n *layerNorm) apply(x []float32) {
	for ; len(x) > 0; x = x[dims:] {
		row := x[:dims]
		vek32.SubNumber_Inplace(row, vek32.Sum(row)/dims)
		variance := vek32.Dot(row, row) / dims
		vek32.MulNumber_Inplace(row, float32(1/math.Sqrt(float64(variance)+normEpsilon)))
		vek32.Mul_Inplace(row, n.weight)
		vek32.Add_Inplace(row, n.bias)
	}
}

// unitMean returns the mean of the rows of x with a length of 1.
func unitMean(x []float32) []float32 {
	sum := make([]float32, dims)
	for ; len(x) > 0; x = x[dims:] {
		vek32.Add_Inplace(sum, x[:dims])
	}
	vek32.MulNumber_Inplace(sum, 1/vek32.Norm(sum))
	return sum
}
