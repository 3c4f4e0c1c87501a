package minilm

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestReadModelRefusesWrongSize(t *testing.T) {
	for name, file := range map[string]string{
		"empty": "", "cut": weightsFile[:len(weightsFile)-1], "too long": weightsFile + "x",
	} {
		if _, err := readModel(file); err == nil {
			t.Errorf("%s file: got no error, want one", name)
		}
	}
}

func TestFloat16(t *testing.T) {
	for _, test := range []struct {
		bits uint16
		want float32
	}{
		{0x0000, 0}, {0x0001, 0x1p-24}, {0x03ff, 0x3ffp-24}, {0x0400, 0x1p-14}, {0x3c00, 1}, {0x3555, 0x555p-12}, {0x7bff, 65504},
	} {
		if got := float16(test.bits); got != test.want {
			t.Errorf("float16(%#04x): got %g, want %g", test.bits, got, test.want)
		}
	}
}

func TestGELU(t *testing.T) {
	table := newGELUTable()
	for x := float32(-9); x < 9; x += 1.0 / 4099 {
		got := []float32{x}
		table.apply(got)
		want := float64(x) * (1 + math.Erf(float64(x)/math.Sqrt2)) / 2
		if diff := math.Abs(float64(got[0]) - want); !(diff < 1e-6) {
			t.Fatalf("gelu(%g): got %g, want %g", x, got[0], want)
		}
	}
}

// Far scores must get nothing: the vector library's Exp fails below -88.
func TestSoftmax(t *testing.T) {
	for low := float32(0); low < 200; low++ {
		scores := make([]float32, 19)
		for i := range scores {
			scores[i] = 7 - low
		}
		scores[5] = 7
		softmax(scores)
		far := math.Exp(-float64(low))
		for i, got := range scores {
			want := far / (1 + 18*far)
			if i == 5 {
				want = 1 / (1 + 18*far)
			}
			if !(math.Abs(float64(got)-want) < 1e-6) {
				t.Fatalf("score %d with the others %g below: got %g, want %g", i, low, got, want)
			}
		}
	}
}

func TestLinear(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []struct{ in, out int }{{dims, 3 * dims}, {dims, dims}, {dims, inner}, {inner, dims}} {
		const rows = 3
		x, weight, bias := normal(random, rows*size.in), normal(random, size.in*size.out), normal(random, size.out)
		for _, simd := range []bool{true, false} {
			got := make([]float32, rows*size.out)
			l := linear{in: size.in, out: size.out, weight: weight, bias: bias, simd: simd}
			l.apply(got, x)
			for i := range got {
				row, o := i/size.out, i%size.out
				want := float64(bias[o])
				for j := range size.in {
					want += float64(x[row*size.in+j]) * float64(weight[o*size.in+j])
				}
				if !(math.Abs(float64(got[i])-want) < 1e-3) {
					t.Fatalf("%d to %d, simd %t, output %d of row %d: got %g, want %g", size.in, size.out, simd, o, row, got[i], want)
				}
			}
		}
	}
}

func normal(random *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(random.NormFloat64())
	}
	return v
}
