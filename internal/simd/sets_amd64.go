package simd

import "golang.org/x/sys/cpu"

// Sets returns the sets of this machine, the slowest first.
func Sets() []Set {
	sets := []Set{Go}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		sets = append(sets, AVX2)
		if cpu.X86.HasAVX512F {
			sets = append(sets, AVX512)
			if cpu.X86.HasAVX512VNNI && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512DQ {
				sets = append(sets, VNNI)
			}
		}
	}
	return sets
}

func (s Set) blockRows() int { return [...]int{Go: goRows, AVX2: 6, AVX512: 12, VNNI: 12}[s] }

func (s Set) mulAddBlock(p *product) {
	switch s {
	case AVX512, VNNI:
		mulAddAVX512(p)
	case AVX2:
		mulAddAVX2(p)
	default:
		mulAddGo(p)
	}
}

func (s Set) widenBlocks(dst []float32, values []int8, scales []float32, next []int8) {
	switch s {
	case AVX512, VNNI:
		widenAVX512(dst, values, scales, next)
	case AVX2:
		widenAVX2(dst, values, scales, next)
	default:
		widenGo(dst, values, scales)
	}
}

func (s Set) softmax(x []float32, scale float32) {
	switch s {
	case AVX512, VNNI:
		softmaxAVX512(x, scale)
	case AVX2:
		softmaxAVX2(x, scale)
	default:
		softmaxGo(x, scale)
	}
}

func (s Set) gelu(x []float32) {
	switch s {
	case AVX512, VNNI:
		geluAVX512(x)
	case AVX2:
		geluAVX2(x)
	default:
		geluGo(x)
	}
}

func (s Set) layerNorm(x, add, weight, bias []float32, epsilon float32) {
	switch s {
	case AVX512, VNNI:
		layerNormAVX512(x, add, weight, bias, epsilon)
	case AVX2:
		layerNormAVX2(x, add, weight, bias, epsilon)
	default:
		layerNormGo(x, add, weight, bias, epsilon)
	}
}

// dots has no AVX512 form of its own: without VNNI, AVX2 is as fast as memory.
func (s Set) dots(d *int8Dots) {
	switch s {
	case VNNI:
		dotsVNNI(d)
	case AVX2, AVX512:
		dotsAVX2(d)
	default:
		dotsGo(d)
	}
}

func (s Set) dotsAt(d *int8Dots) {
	switch s {
	case VNNI:
		dotsAtVNNI(d)
	case AVX2, AVX512:
		dotsAtAVX2(d)
	default:
		dotsAtGo(d)
	}
}

func (s Set) dot(sums *[dotLanes]float64, a, b, next []float32) {
	switch s {
	case AVX512, VNNI:
		dotAVX512(sums, a, b, next)
	case AVX2:
		dotAVX2(sums, a, b, next)
	default:
		dotGo(sums, a, b)
	}
}

//go:noescape
func dotsVNNI(d *int8Dots)

//go:noescape
func dotsAVX2(d *int8Dots)

//go:noescape
func dotsAtVNNI(d *int8Dots)

//go:noescape
func dotsAtAVX2(d *int8Dots)

//go:noescape
func dotAVX512(sums *[dotLanes]float64, a, b, next []float32)

//go:noescape
func dotAVX2(sums *[dotLanes]float64, a, b, next []float32)

//go:noescape
func mulAddAVX512(p *product)

//go:noescape
func mulAddAVX2(p *product)

//go:noescape
func widenAVX512(dst []float32, values []int8, scales []float32, next []int8)

//go:noescape
func widenAVX2(dst []float32, values []int8, scales []float32, next []int8)

//go:noescape
func softmaxAVX512(x []float32, scale float32)

//go:noescape
func softmaxAVX2(x []float32, scale float32)

//go:noescape
func geluAVX512(x []float32)

//go:noescape
func geluAVX2(x []float32)

//go:noescape
func layerNormAVX512(x, add, weight, bias []float32, epsilon float32)

//go:noescape
func layerNormAVX2(x, add, weight, bias []float32, epsilon float32)
