package minilm

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"math"

	"github.com/ragproxy/ragproxy/internal/simd"
)

//go:embed weights.bin
var weightsFile string

const (
	vocabSize = 30522
	dims      = 384 // of a token's vector, and of a text's
	heads     = 12
	headDims  = dims / heads
	inner     = 1536 // of the feed-forward step
	layers    = 6
	block     = simd.Block // weights that share a scale
)

// model holds the weights as float32, but for the word vectors: a text needs
// few of them, so they stay in the file.
type model struct {
	set       simd.Set
	words     quantised
	positions []float32 // row i: the vector of position i, segment type 0
	norm      layerNorm
	layers    [layers]layer
}

type layer struct {
	queryKeyValue linear // a token's query, key and value, one after another
	attention     linear
	attentionNorm layerNorm
	up, down      linear
	outputNorm    layerNorm
}

type layerNorm struct{ weight, bias []float32 }

// quantised is a matrix of int8 in blocks along its rows: weight i is
// values[i] * scales[i/block].
type quantised struct {
	scales string // float16, little endian
	values string // int8
}

// readModel reads a weights file. It has no header: the order and the sizes
// are those of convert/convert.py, and a test holds its checksum.
func readModel(file string) (*model, error) {
	r := &weightReader{rest: file}
	m := &model{set: simd.Best()}
	m.words = r.quantised(vocabSize * dims)
	m.positions = r.matrix(maxTokens * dims)
	m.norm = r.layerNorm()
	for i := range m.layers {
		m.layers[i] = layer{
			queryKeyValue: r.queryKeyValue(),
			attention:     r.linear(dims, dims),
			attentionNorm: r.layerNorm(),
			up:            r.linear(dims, inner),
			down:          r.linear(inner, dims),
			outputNorm:    r.layerNorm(),
		}
	}
	if r.short || r.rest != "" {
		return nil, errors.New("read weights: wrong size: build again from an unchanged weights.bin")
	}
	return m, nil
}

// weightReader reads sections off the front of a file. Past its end it sets
// short and goes on with zeros.
type weightReader struct {
	rest  string
	short bool
}

func (r *weightReader) take(n int) string {
	if n > len(r.rest) {
		r.short, r.rest = true, ""
		return string(make([]byte, n))
	}
	section := r.rest[:n]
	r.rest = r.rest[n:]
	return section
}

func (r *weightReader) quantised(n int) quantised {
	return quantised{scales: r.take(n / block * 2), values: r.take(n)}
}

func (r *weightReader) matrix(n int) []float32 {
	dst := make([]float32, n)
	r.quantised(n).read(dst, 0)
	return dst
}

func (r *weightReader) vector(n int) []float32 {
	section := []byte(r.take(4 * n))
	dst := make([]float32, n)
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(section[4*i:]))
	}
	return dst
}

func (r *weightReader) layerNorm() layerNorm {
	return layerNorm{weight: r.vector(dims), bias: r.vector(dims)}
}

func (r *weightReader) linear(in, out int) linear {
	q := r.quantised(in * out)
	return r.pack(in, out, q.int8s(), q.floats(), r.vector(out))
}

// queryKeyValue reads one linear step of 3*dims outputs and puts each head's
// queries, keys and values side by side.
func (r *weightReader) queryKeyValue() linear {
	q := r.quantised(dims * 3 * dims)
	values, scales, bias := q.int8s(), q.floats(), r.vector(3*dims)
	return r.pack(dims, 3*dims, byHead(values), byHead(scales), byHead(bias))
}

// byHead turns what belongs to all queries, all keys and all values into what
// belongs to the first head's queries, keys and values, and so on.
func byHead[T any](all []T) []T {
	n := len(all) / 3 / heads
	sorted := make([]T, 0, len(all))
	for head := range heads {
		for part := range 3 {
			sorted = append(sorted, all[(part*heads+head)*n:][:n]...)
		}
	}
	return sorted
}

func (r *weightReader) pack(in, out int, values []int8, scales, bias []float32) linear {
	weight, err := simd.NewMatrix(in, out, values, scales)
	if err != nil {
		r.short = true
	}
	return linear{weight: weight, bias: bias}
}

// read fills dst with the weights from number start on; both its length and
// start are multiples of block.
func (q quantised) read(dst []float32, start int) {
	for b := 0; b < len(dst)/block; b++ {
		at := start/block + b
		scale := q.scale(at)
		values := q.values[at*block : (at+1)*block]
		for i, out := 0, dst[b*block:(b+1)*block]; i < len(out); i++ {
			out[i] = float32(int8(values[i])) * scale
		}
	}
}

func (q quantised) int8s() []int8 {
	v := make([]int8, len(q.values))
	for i := range v {
		v[i] = int8(q.values[i])
	}
	return v
}

func (q quantised) floats() []float32 {
	v := make([]float32, len(q.scales)/2)
	for i := range v {
		v[i] = q.scale(i)
	}
	return v
}

// scale returns the scale of a block.
func (q quantised) scale(block int) float32 {
	return float16(uint16(q.scales[2*block]) | uint16(q.scales[2*block+1])<<8)
}

// float16 converts an IEEE 754 half that is finite and not negative, as
// scales are.
func float16(bits uint16) float32 {
	exponent, mantissa := int(bits>>10), float64(bits&0x3ff)
	if exponent == 0 {
		return float32(math.Ldexp(mantissa, -24))
	}
	return math.Float32frombits(uint32(exponent+112)<<23 | uint32(bits&0x3ff)<<13)
}
