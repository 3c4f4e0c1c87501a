package simd

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// near reports whether got is want within so many units of the last place, or
// within absolute.
func near(got float32, want, ulps, absolute float64) bool {
	diff := math.Abs(float64(got) - want)
	return diff <= absolute || diff <= ulps*0x1p-23*math.Abs(want)
}

func TestSoftmax(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := Width; n <= 256; n += Width {
		x := normal(random, n)
		for i := range x {
			x[i] *= float32(i % 90) // with sharp and flat parts
		}
		x[n-1] = float32(math.Inf(-1))
		want, sum := make([]float64, n), 0.0
		for i, v := range x {
			want[i] = math.Exp(0.3 * float64(v-slices.Max(x)))
			sum += want[i]
		}
		for _, set := range Sets() {
			got := slices.Clone(x)
			set.Softmax(got, 0.3)
			for i, v := range got {
				// The argument of exp is rounded to float32 first: up to 90 units.
				if !near(v, want[i]/sum, 90, 1e-37) {
					t.Fatalf("%s, score %g of %d: got %g, want %g", set, x[i], n, v, want[i]/sum)
				}
			}
		}
	}
}

func TestExp(t *testing.T) {
	for low := float32(0); low < 87; low += 1.0 / 127 {
		for _, set := range Sets() {
			// One score is far above the others: the sum is 1 and the rest.
			x := make([]float32, Width)
			x[7] = low
			set.Softmax(x, 1)
			far := math.Exp(-float64(low))
			if want := far / (1 + 31*far); !near(x[0], want, 16, 0) || x[0] != x[31] {
				t.Fatalf("%s: got exp(%g) %g and %g, want %g", set, -low, x[0], x[31], want)
			}
		}
	}
}

func TestGELU(t *testing.T) {
	x := make([]float32, 0, 1<<16)
	for v := float32(-9); v < 9; v += 1.0 / 3511 {
		x = append(x, v)
	}
	x = append(x, 1e9, -1e9, 3e38, -3e38, 1e-40, -1e-40, 0, float32(math.Copysign(0, -1)))
	x = x[:len(x)/Width*Width]
	for _, set := range Sets() {
		got := slices.Clone(x)
		set.GELU(got)
		for i, v := range x {
			want := float64(v) / 2 * math.Erfc(-float64(v)/math.Sqrt2)
			if !near(got[i], want, 2, 1.5e-7) {
				t.Fatalf("%s: got gelu(%g) = %g, want %g", set, v, got[i], want)
			}
		}
	}
}

func TestLayerNorm(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{32, 64, 384, 416} {
		x, add, weight, bias := normal(random, n), normal(random, n), normal(random, n), normal(random, n)
		var mean, variance float64
		for i := range x {
			mean += float64(x[i]+add[i]) / float64(n)
		}
		for i := range x {
			variance += math.Pow(float64(x[i]+add[i])-mean, 2) / float64(n)
		}
		for _, set := range Sets() {
			got := slices.Clone(x)
			set.LayerNorm(got, add, weight, bias, 0.5)
			for i, v := range got {
				normal := (float64(x[i]+add[i]) - mean) / math.Sqrt(variance+0.5)
				if want := normal*float64(weight[i]) + float64(bias[i]); !near(v, want, 16, 3e-6) {
					t.Fatalf("%s: got number %d of %d %g, want %g", set, i, n, v, want)
				}
			}
		}
	}
}

func TestLengths(t *testing.T) {
	for _, set := range Sets() {
		set.GELU(nil)
		for name, do := range map[string]func(){
			"GELU":           func() { set.GELU(make([]float32, 33)) },
			"Softmax":        func() { set.Softmax(make([]float32, 31), 1) },
			"LayerNorm":      func() { set.LayerNorm(make([]float32, 16), nil, nil, nil, 1) },
			"short weights":  func() { set.LayerNorm(make([]float32, 32), make([]float32, 32), make([]float32, 31), nil, 1) },
			"short addition": func() { set.LayerNorm(make([]float32, 32), nil, make([]float32, 32), make([]float32, 32), 1) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s, %s: got no panic", set, name)
					}
				}()
				do()
			}()
		}
	}
}

// The sets agree on any numbers up to 1e4: the vector ones to the bit.
func FuzzVector(f *testing.F) {
	f.Add(make([]byte, 128), float32(1))
	f.Add(binary.LittleEndian.AppendUint32(make([]byte, 380), math.Float32bits(88)), float32(0.17))
	f.Fuzz(func(t *testing.T, data []byte, scale float32) {
		x := make([]float32, min(len(data)/4, 512)/Width*Width)
		for i := range x {
			v := math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
			if !(math.Abs(float64(v)) <= 1e4) {
				v = float32(math.Mod(float64(i)*1.7, 5))
			}
			x[i] = v
		}
		if !(scale >= 1e-3 && scale <= 1) {
			scale = 0.25
		}
		for name, do := range map[string]func(set Set, x []float32){
			"softmax": func(set Set, x []float32) { set.Softmax(x, scale) },
			"gelu":    func(set Set, x []float32) { set.GELU(x) },
			"layernorm": func(set Set, x []float32) {
				if len(x) > 0 {
					set.LayerNorm(x, slices.Repeat(x[:Width], len(x)/Width), slices.Clone(x), slices.Clone(x), 1)
				}
			},
		} {
			results := map[Set][]float32{}
			for _, set := range Sets() {
				results[set] = slices.Clone(x)
				do(set, results[set])
			}
			for i, v := range results[Go] {
				// What layernorm leaves of nearly equal numbers has no bound.
				if r, ok := results[AVX2]; ok && name != "layernorm" && !near(r[i], float64(v), 600, 2e-7) {
					t.Errorf("%s of %g: avx2 got %g, go %g", name, x[i], r[i], v)
				}
			}
			if r, ok := results[AVX512]; ok && !slices.Equal(r, results[AVX2]) {
				t.Errorf("%s: avx512 got other bits than avx2", name)
			}
		}
	})
}
