package simd

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// randomInt8s is rows of whole numbers in the range that the kernels are for,
// its ends among them.
func randomInt8s(random *rand.Rand, rows, dims int) *Int8s {
	m := NewInt8s(rows, dims)
	for i := range m.Values {
		switch v := int8(random.Uint32()); {
		case i%m.Width >= dims:
		case v == -128:
			m.Values[i] = -127
		case v%8 == 0:
			m.Values[i] = 127
		default:
			m.Values[i] = v
		}
	}
	copy(m.Scales, normal(random, rows))
	return m
}

func exactDots(m *Int8s, x []int8, at []int32) []float32 {
	dots := make([]float32, len(at))
	for i, row := range at {
		var sum int64
		for j, v := range m.Row(int(row)) {
			sum += int64(v) * int64(x[j])
		}
		dots[i] = float32(sum) * m.Scales[row]
	}
	return dots
}

func TestDots(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	for _, dims := range []int{1, 3, 64, 65, 384, 768, 1536, 2048} {
		m := randomInt8s(random, 23, dims)
		ends := m.Row(3)
		for i := range ends {
			ends[i] = 127
		}
		for rows := 0; rows <= 11; rows++ {
			at := make([]int32, rows)
			for i := range at {
				at[i] = int32(5 + i)
			}
			want := exactDots(m, m.Row(3), at)
			for _, set := range Sets() {
				got := make([]float32, rows)
				m.Dots(set, got, m.Row(3), 5)
				if !slices.Equal(got, want) {
					t.Fatalf("%s, %d rows of %d: got %v, want %v", set, rows, dims, got, want)
				}
			}
			for i := range at {
				at[i] = int32(random.IntN(23))
			}
			want = exactDots(m, m.Row(3), at)
			for _, set := range Sets() {
				got := make([]float32, rows)
				m.DotsAt(set, got, m.Row(3), at)
				if !slices.Equal(got, want) {
					t.Fatalf("%s, rows %v of %d: got %v, want %v", set, at, dims, got, want)
				}
			}
		}
	}
}

func TestDotsAtRefusesRows(t *testing.T) {
	m := NewInt8s(3, 3)
	for _, row := range []int32{-1, 3} {
		for _, set := range Sets() {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s, row %d of 3: got no panic", set, row)
					}
				}()
				m.DotsAt(set, make([]float32, 1), m.Row(0), []int32{row})
			}()
		}
	}
}

func FuzzDots(f *testing.F) {
	f.Add([]byte{0x80, 0x7f, 0x81, 1, 2, 3}, uint16(70), uint8(5))
	f.Add([]byte{0x81}, uint16(384), uint8(4))
	f.Fuzz(func(t *testing.T, data []byte, dims uint16, rows uint8) {
		if len(data) == 0 || dims == 0 || dims > 2048 || rows == 0 || rows > 20 {
			t.Skip()
		}
		m := NewInt8s(int(rows), int(dims))
		for i := range m.Values {
			m.Values[i] = max(int8(data[i%len(data)]+byte(i/len(data))), -127)
		}
		at := make([]int32, rows)
		for i := range at {
			m.Scales[i] = float32(data[i%len(data)]) - 77.7
			at[i] = int32(data[(i+1)%len(data)]) % int32(rows)
		}
		x := m.Row(int(rows) - 1)
		want, wantAt := make([]float32, rows), make([]float32, rows)
		m.Dots(Go, want, x, 0)
		m.DotsAt(Go, wantAt, x, at)
		for _, set := range Sets() {
			got, gotAt := make([]float32, rows), make([]float32, rows)
			m.Dots(set, got, x, 0)
			m.DotsAt(set, gotAt, x, at)
			if !slices.Equal(got, want) || !slices.Equal(gotAt, wantAt) {
				t.Errorf("%s: got %v, %v, go %v, %v", set, got, gotAt, want, wantAt)
			}
		}
	})
}

func TestQuantize(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	for _, dims := range []int{1, 3, 64, 384} {
		for range 50 {
			x := normal(random, dims)
			dst := slices.Repeat([]int8{9}, 384)
			scale := Quantize(dst, x)
			for i, v := range x {
				if diff := math.Abs(float64(v) - float64(dst[i])*float64(scale)); diff > 0.5001*float64(scale) || dst[i] == -128 {
					t.Fatalf("got %d * %g for %g", dst[i], scale, v)
				}
			}
			if slices.Max(dst[:dims]) != 127 && slices.Min(dst[:dims]) != -127 {
				t.Fatalf("got %v, want -127 or 127 among them", dst[:dims])
			}
			if slices.ContainsFunc(dst[dims:], func(v int8) bool { return v != 0 }) {
				t.Fatalf("got %v, want zeros behind %d numbers", dst, dims)
			}
		}
	}
	half := []float32{127, 0.5, 1.5, -0.5, -2.5}
	dst := make([]int8, len(half))
	if Quantize(dst, half); !slices.Equal(dst, []int8{127, 0, 2, 0, -2}) {
		t.Errorf("got %v, want ties to even", dst)
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, odd := range [][]float32{nil, {0, 0}, {1e-45, 0}, {nan, 1}, {inf, 1}, {-inf, nan}, {math.MaxFloat32, -math.MaxFloat32}} {
		Quantize(dst, odd) // does not panic
		if slices.Contains(dst, -128) {
			t.Errorf("%v: got %v", odd, dst)
		}
	}
}

func TestDot(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 14))
	for n := range 200 {
		a, b := normal(random, n), normal(random, n)
		var want float64
		for i := range a {
			want += float64(a[i]) * float64(b[i])
		}
		inGo := Go.Dot(a, b, nil)
		if math.Abs(inGo-want) > 1e-12 {
			t.Fatalf("%d numbers: got %g, want %g", n, inGo, want)
		}
		for _, set := range Sets() {
			if got := set.Dot(a, b, nil); got != inGo {
				t.Errorf("%s, %d numbers: got %g, go %g", set, n, got, inGo)
			}
		}
	}
}

func FuzzDot(f *testing.F) {
	f.Add(uint64(1), 384, float32(1))
	f.Add(uint64(2), 17, float32(1e38))
	f.Fuzz(func(t *testing.T, seed uint64, n int, scale float32) {
		if n < 0 || n > 2000 {
			t.Skip()
		}
		random := rand.New(rand.NewPCG(seed, 0))
		a, b := normal(random, n), normal(random, n)
		for i := range a {
			a[i] *= scale
		}
		want := math.Float64bits(Go.Dot(a, b, nil))
		for _, set := range Sets() {
			if got := set.Dot(a, b, nil); math.Float64bits(got) != want && !math.IsNaN(got) {
				t.Errorf("%s: got %g, go %g", set, got, math.Float64frombits(want))
			}
		}
	})
}
