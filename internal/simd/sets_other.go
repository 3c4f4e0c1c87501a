//go:build !amd64

package simd

func (s Set) blockRows() int { return goRows }

func (s Set) mulAddBlock(p *product) { mulAddGo(p) }

func (s Set) widenBlocks(dst []float32, values []int8, scales []float32, _ []int8) {
	widenGo(dst, values, scales)
}

func (s Set) softmax(x []float32, scale float32) { softmaxGo(x, scale) }

func (s Set) gelu(x []float32) { geluGo(x) }

func (s Set) layerNorm(x, add, weight, bias []float32, epsilon float32) {
	layerNormGo(x, add, weight, bias, epsilon)
}
