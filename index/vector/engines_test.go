package vector

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/internal/simd"
)

// TestDims has vectors that do not fill the kernels' registers, against the
// oracle to the last row and float32.
func TestDims(t *testing.T) {
	for _, dims := range []int{1, 2, 3, 63, 64, 65, 384, 768, 1536} {
		m, queries := clustered(300, dims, 3)
		eachEngine(t, func(t *testing.T, e index.VectorEngine) {
			s := open(t, e, m)
			for _, q := range queries {
				for _, k := range []int{1, 10, 300} {
					got, want := search(t, s, q, k, nil), oracle(m, q, k, nil)
					for i := range got {
						if math.Abs(got[i].Score-want[i].Score) > 2e-7 {
							t.Fatalf("%d dimensions, k %d, match %d: got score %g, want %g", dims, k, i, got[i].Score, want[i].Score)
						}
					}
					if len(got) != k {
						t.Errorf("%d dimensions: got %d matches, want %d", dims, len(got), k)
					}
				}
			}
		})
	}
}

// TestSets holds every instruction set to the plain Go one: the same graph to
// the byte, the same matches to the bit.
func TestSets(t *testing.T) {
	m, queries := clustered(1500, 70, 10)
	files := map[string][]byte{}
	matches := map[string][]index.Match{}
	for _, set := range simd.Sets() {
		for _, e := range []index.VectorEngine{exactEngine{set}, hnswEngine{set}} {
			dir := t.TempDir()
			if err := e.Build(t.Context(), m, dir); err != nil {
				t.Fatal(err)
			}
			for name, file := range readAll(t, dir) {
				if first, ok := files[name]; ok && !bytes.Equal(first, file) {
					t.Errorf("%s: another %s", set, name)
				}
				files[name] = file
			}
			s, err := e.Open(m, dir)
			if err != nil {
				t.Fatal(err)
			}
			var got []index.Match
			for _, q := range queries {
				got = append(got, search(t, s, q, 2, nil)...)
				got = append(got, search(t, s, q, 40, nil)...)
			}
			if first, ok := matches[e.Name()]; ok && !cmp.Equal(first, got) {
				t.Errorf("%s, %s: other matches", set, e.Name())
			}
			matches[e.Name()] = got
		}
	}
}

// TestAutoChooses opens what is there, whatever the limit is by now.
func TestAutoChooses(t *testing.T) {
	m, queries := clustered(300, 8, 1)
	small, large := autoEngine{exactEngine{simd.Best()}, walks, 299 * 8}, autoEngine{exactEngine{simd.Best()}, walks, 300 * 8}
	for _, tt := range []struct {
		name        string
		build, open autoEngine
		files       int
	}{{"over the limit", small, small, 1}, {"at the limit", large, large, 0}, {"lowered", large, small, 0}, {"raised", small, large, 1}} {
		dir := t.TempDir()
		if err := tt.build.Build(t.Context(), m, dir); err != nil {
			t.Fatal(err)
		}
		if got := len(readAll(t, dir)); got != tt.files {
			t.Errorf("%s: got %d files, want %d", tt.name, got, tt.files)
		}
		s, err := tt.open.Open(m, dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, walks := s.(*hnswSearcher); walks != (tt.files == 1) {
			t.Errorf("%s: got a %T", tt.name, s)
		}
		if diff := cmp.Diff(oracle(m, queries[0], 5, nil), search(t, s, queries[0], 5, nil), cmpopts.EquateApprox(0, 1e-6)); diff != "" {
			t.Errorf("%s: matches (-want +got):\n%s", tt.name, diff)
		}
	}
}

// FuzzExact opens any matrix at all, which must never panic; where its rows are
// as they should be, the best match is the oracle's, or as good but for the
// rounding to int8 at its worst (the margin is for what is usual).
func FuzzExact(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, uint8(3), true)
	f.Add([]byte{0x7f, 0xc0, 0, 0, 0xff, 0x80, 0, 0, 0, 0, 0, 1}, uint8(1), false)
	f.Fuzz(func(t *testing.T, data []byte, dims uint8, sound bool) {
		if dims == 0 || len(data) == 0 || len(data) > 4096 {
			t.Skip()
		}
		m := index.Matrix{Dims: int(dims)}
		for len(m.Data) < 8*m.Dims {
			i := len(m.Data)
			v := float32(int8(data[i%len(data)] + byte(i/len(data))))
			if !sound {
				v = math.Float32frombits(uint32(data[i%len(data)])<<24 | uint32(data[(i+1)%len(data)])<<16 | uint32(i))
			}
			m.Data = append(m.Data, v)
		}
		for row := 0; sound && row < m.Rows(); row++ {
			if norm(m.Row(row)) > 0 {
				unit(m.Row(row)...)
			}
		}
		s, err := exactEngine{simd.Best()}.Open(m, "")
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Search(t.Context(), m.Row(3), 2, nil)
		if !sound || norm(m.Row(3)) == 0 {
			return
		}
		if err != nil || len(got) == 0 {
			t.Fatalf("got %v, %v, want matches", got, err)
		}
		worst := 2 * float64(slices.Max(s.(exactSearcher).codes.int8s.Scales)) * math.Sqrt(float64(dims))
		if want := oracle(m, m.Row(3), 1, nil)[0].Score; got[0].Score < want-worst || got[0].Score > want+1e-6 {
			t.Errorf("got score %g, want %g", got[0].Score, want)
		}
	})
}
