package simd

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestNewMatrixRefusesWrongSizes(t *testing.T) {
	for _, size := range []struct{ in, out, values, scales int }{
		{33, 32, 33 * 32, 33}, {32, 31, 32 * 31, 31}, {32, 32, 1023, 32}, {32, 32, 1024, 31}, {32, 32, 1025, 32},
	} {
		if _, err := NewMatrix(size.in, size.out, make([]int8, size.values), make([]float32, size.scales)); err == nil {
			t.Errorf("%+v: got no error, want one", size)
		}
	}
}

func TestMulAddPanel(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	const in, out, rows = 416, 96, 5 // not a multiple of depthStep
	values, scales := randomInt8(random, in*out), normal(random, in*out/Block)
	m, err := NewMatrix(in, out, values, scales)
	if err != nil {
		t.Fatal(err)
	}
	x := Dense(normal(random, rows*in), in)
	for _, set := range Sets() {
		got := Dense(make([]float32, rows*out), out)
		for panel := range m.Panels() {
			part := got.Slice(panel*Width, Width)
			m.MulAddPanel(set, part, x.Slice(0, 352), panel, 0, Floats(WidenedLen))
			m.MulAddPanel(set, part, x.Slice(352, in-352), panel, 352, Floats(WidenedLen))
		}
		for row := range rows {
			for o := range out {
				var want, size float64
				for i := range in {
					at := o*in + i
					p := float64(x.Data[row*in+i]) * float64(float32(values[at])*scales[at/Block])
					want, size = want+p, size+math.Abs(p)
				}
				if got := float64(got.Data[row*out+o]); !(math.Abs(got-want) <= in*0x1p-23*size) {
					t.Fatalf("%s, row %d, output %d: got %g, want %g", set, row, o, got, want)
				}
			}
		}
	}
}

// All sets widen to the same bits.
func FuzzWiden(f *testing.F) {
	f.Add(uint64(1), uint8(1))
	f.Add(uint64(2), uint8(6))
	f.Fuzz(func(t *testing.T, seed uint64, blocks uint8) {
		random := rand.New(rand.NewPCG(seed, 0))
		n := int(blocks % 9)
		values, scales := randomInt8(random, n*Block*Width), normal(random, n*Width)
		want := make([]float32, len(values))
		for i, v := range values {
			want[i] = float32(v) * scales[i/(Block*Width)*Width+i%Width]
		}
		for _, set := range Sets() {
			got := make([]float32, len(values))
			set.widen(got, values, scales, values)
			if !slices.Equal(got, want) {
				t.Errorf("%s: got other numbers for %d blocks", set, n)
			}
		}
	})
}
