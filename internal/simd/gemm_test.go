package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// unused is what the gaps between rows hold: nothing may write there.
const unused = 12345

// gapped returns a random matrix with gaps between its rows, and no number more
// than it needs.
func gapped(random *rand.Rand, rows, cols, gap int) Mat {
	m := Mat{Rows: rows, Cols: cols, Stride: cols + gap, Data: normal(random, (rows-1)*(cols+gap)+cols)}
	for i := range m.Data {
		if i%m.Stride >= cols {
			m.Data[i] = unused
		}
	}
	return m
}

// checkMulAdd compares each set with the sums in float64. The bound is the proven
// one for a chain of so many rounded products and sums (Higham 2002, section
// 3.1).
func checkMulAdd(t *testing.T, random *rand.Rand, rows, depth, gap int) {
	t.Helper()
	x, start := gapped(random, rows, depth, gap), gapped(random, rows, Width, gap)
	panel := normal(random, depth*Width)
	var last Mat
	for _, set := range Sets() {
		got := start
		got.Data = slices.Clone(start.Data)
		set.MulAdd(got, x, panel)
		for i, v := range got.Data {
			row, column := i/got.Stride, i%got.Stride
			if column >= Width {
				if v != unused {
					t.Fatalf("%s, %d x %d: wrote %g into the gap after row %d", set, rows, depth, v, row)
				}
				continue
			}
			want, size := float64(start.Data[i]), math.Abs(float64(start.Data[i]))
			for k := range depth {
				p := float64(x.Data[row*x.Stride+k]) * float64(panel[k*Width+column])
				want, size = want+p, size+math.Abs(p)
			}
			if bound := float64(depth+1) * 0x1p-23 * size; !(math.Abs(float64(v)-want) <= bound) {
				t.Fatalf("%s, %d x %d, row %d, column %d: got %g, want %g within %g", set, rows, depth, row, column, v, want, bound)
			}
		}
		if set == AVX512 && !slices.Equal(got.Data, last.Data) {
			t.Fatalf("%d x %d: avx512 got other bits than avx2", rows, depth)
		}
		last = got
	}
}

func TestMulAdd(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for rows := 1; rows <= 27; rows++ {
		for _, depth := range []int{1, 2, 3, 31, 32, 192, 193} {
			checkMulAdd(t, random, rows, depth, rows%3*5)
		}
	}
}

func FuzzMulAdd(f *testing.F) {
	f.Add(uint64(1), uint8(1), uint8(1), uint8(0))
	f.Add(uint64(2), uint8(13), uint8(200), uint8(7))
	f.Fuzz(func(t *testing.T, seed uint64, rows, depth, gap uint8) {
		checkMulAdd(t, rand.New(rand.NewPCG(seed, 0)), int(rows)%64+1, int(depth)+1, int(gap))
	})
}

// A row's result must not depend on how many there are.
func TestRowsAreIndependent(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const rows, depth = 31, 77
	x, panel := gapped(random, rows, depth, 1), normal(random, depth*Width)
	for _, set := range Sets() {
		all := Dense(make([]float32, rows*Width), Width)
		set.MulAdd(all, x, panel)
		for row := range rows {
			one := Dense(make([]float32, Width), Width)
			set.MulAdd(one, Mat{Data: x.Data[row*x.Stride:], Rows: 1, Cols: depth, Stride: depth}, panel)
			if !slices.Equal(one.Data, all.Data[row*Width:][:Width]) {
				t.Errorf("%s: got other numbers for row %d alone", set, row)
			}
		}
	}
}

func TestMulAddOfNothing(t *testing.T) {
	for _, set := range Sets() {
		set.MulAdd(Mat{Cols: Width}, Mat{}, nil)
		dst := Dense(make([]float32, Width), Width)
		set.MulAdd(dst, Mat{Rows: 1}, nil)
		if !slices.Equal(dst.Data, make([]float32, Width)) {
			t.Errorf("%s: got %v without depth, want zeros", set, dst.Data)
		}
	}
}

// Wrong sizes must stop in Go, before the assembly reads what is not there.
func TestMulAddPanicsOutside(t *testing.T) {
	mat := func(n, rows, cols, stride int) Mat {
		return Mat{Data: make([]float32, n), Rows: rows, Cols: cols, Stride: stride}
	}
	for _, test := range []struct {
		name   string
		dst, x Mat
		panel  int
	}{
		{"rows differ", mat(64, 2, 32, 32), mat(12, 3, 4, 4), 128},
		{"dst is no panel", mat(66, 2, 33, 33), mat(8, 2, 4, 4), 128},
		{"dst is short", mat(63, 2, 32, 32), mat(8, 2, 4, 4), 128},
		{"x is short", mat(64, 2, 32, 32), mat(7, 2, 4, 4), 128},
		{"panel is short", mat(64, 2, 32, 32), mat(8, 2, 4, 4), 127},
		{"stride below zero", mat(96, 2, 32, -32), mat(8, 2, 4, 4), 128},
	} {
		for _, set := range Sets() {
			t.Run(fmt.Sprintf("%s/%s", test.name, set), func(t *testing.T) {
				defer func() {
					if recover() == nil {
						t.Error("got no panic")
					}
				}()
				set.MulAdd(test.dst, test.x, make([]float32, test.panel))
			})
		}
	}
}
