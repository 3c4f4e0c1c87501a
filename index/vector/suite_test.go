package vector

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

// members is every engine with what it promises; each runs the whole suite.
var members = []struct {
	name   string
	recall float64 // at 10, over the clustered set, against a plain scan in float64
	files  int     // written by Build
}{
	{"exact", 1, 0},
	{"hnsw", 0.95, 1},
	{"auto", 1, 0},
}

func eachEngine(t *testing.T, test func(t *testing.T, e index.VectorEngine)) {
	for _, m := range members {
		t.Run(m.name, func(t *testing.T) {
			e, err := New(m.name)
			if err != nil {
				t.Fatal(err)
			}
			test(t, e)
		})
	}
}

func TestRecall(t *testing.T) {
	m, queries := clustered(2500, 64, 50)
	var want [][]index.Match
	for _, q := range queries {
		want = append(want, oracle(m, q, 100, nil))
	}
	for _, member := range members {
		t.Run(member.name, func(t *testing.T) {
			e, err := New(member.name)
			if err != nil {
				t.Fatal(err)
			}
			s := open(t, e, m)
			for _, k := range []int{1, 10, 100} {
				var sum float64
				for i, q := range queries {
					got := search(t, s, q, k, nil)
					sum += recall(got, want[i][:k])
					if !slices.IsSortedFunc(got, func(a, b index.Match) int {
						if a.Score > b.Score || a.Score == b.Score && a.Row < b.Row {
							return -1
						}
						return 1
					}) {
						t.Fatalf("matches out of order: %v", got)
					}
				}
				got := sum / float64(len(queries))
				t.Logf("recall@%d = %.4f", k, got)
				if got < member.recall {
					t.Errorf("got recall@%d %.4f, want at least %.2f", k, got, member.recall)
				}
			}
		})
	}
}

func TestAllow(t *testing.T) {
	m, queries := clustered(2500, 16, 20)
	eachEngine(t, func(t *testing.T, e index.VectorEngine) {
		s := open(t, e, m)
		for _, every := range []int{2, 5, 100} {
			allow := func(row int) bool { return row%every == 0 }
			var sum float64
			for _, q := range queries {
				got := search(t, s, q, 10, allow)
				for _, match := range got {
					if !allow(match.Row) {
						t.Fatalf("row %d is not allowed", match.Row)
					}
				}
				if len(got) != 10 {
					t.Fatalf("got %d matches of the allowed rows, want 10", len(got))
				}
				sum += recall(got, oracle(m, q, 10, allow))
			}
			if got := sum / float64(len(queries)); got < 0.95 {
				t.Errorf("got recall %.3f with one row in %d allowed, want at least 0.95", got, every)
			}
		}
		none := search(t, s, queries[0], 10, func(int) bool { return false })
		if len(none) != 0 {
			t.Errorf("got %v with nothing allowed, want none", none)
		}
	})
}

func TestSearch(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	half := float32(math.Sqrt(0.5))
	m := index.Matrix{Dims: 2, Data: []float32{
		1, 0, // 0
		0, 1, // 1
		0, 0, // 2: zero, never returned
		1, 0, // 3: as row 0
		half, half, // 4
		-1, 0, // 5
	}}
	tests := []struct {
		name  string
		m     index.Matrix
		query []float32
		k     int
		want  []int
		err   string
	}{
		{name: "nearest first, ties by row", m: m, query: []float32{1, 0}, k: 3, want: []int{0, 3, 4}},
		{name: "more than there are", m: m, query: []float32{0, 2}, k: 99, want: []int{1, 4, 0, 3, 5}},
		{name: "as many as int holds", m: m, query: []float32{-1, 0}, k: math.MaxInt, want: []int{5, 1, 4, 0, 3}},
		{name: "any length of query", m: m, query: []float32{3e38, 1e38}, k: 1, want: []int{0}},
		{name: "tiny query", m: m, query: []float32{0, 1e-45}, k: 1, want: []int{1}},
		{name: "k 0", m: m, query: []float32{1, 0}, k: 0, want: []int{}},
		{name: "k negative", m: m, query: []float32{1, 0}, k: -1, want: []int{}},
		{name: "zero query", m: m, query: []float32{0, 0}, k: 3, want: []int{}},
		{name: "NaN", m: m, query: []float32{nan, 0}, k: 3, err: "not finite"},
		{name: "infinite", m: m, query: []float32{0, inf}, k: 3, err: "not finite"},
		{name: "fewer dimensions", m: m, query: []float32{1}, k: 3, err: "query has 1 dimensions, the index has 2"},
		{name: "more dimensions", m: m, query: []float32{1, 0, 0}, k: 3, err: "query has 3 dimensions"},
		{name: "no query", m: m, query: nil, k: 3, err: "query has 0 dimensions"},
		{name: "empty", m: index.Matrix{}, query: []float32{1, 0}, k: 3, want: []int{}},
		{name: "empty with dimensions", m: index.Matrix{Dims: 2}, query: []float32{1, 0}, k: 3, want: []int{}},
		{name: "empty, other dimensions", m: index.Matrix{Dims: 2}, query: []float32{1}, k: 3, err: "query has 1 dimensions"},
		{name: "one row", m: index.Matrix{Dims: 1, Data: []float32{1}}, query: []float32{-2}, k: 3, want: []int{0}},
		{name: "only zero rows", m: index.Matrix{Dims: 1, Data: []float32{0, 0}}, query: []float32{1}, k: 3, want: []int{}},
	}
	eachEngine(t, func(t *testing.T, e index.VectorEngine) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				got, err := open(t, e, tt.m).Search(t.Context(), tt.query, tt.k, nil)
				if tt.err != "" {
					if err == nil || !strings.Contains(err.Error(), tt.err) {
						t.Fatalf("got error %v, want %q", err, tt.err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, rowsOf(got)); diff != "" {
					t.Errorf("rows (-want +got):\n%s", diff)
				}
			})
		}
	})
}

// TestDuplicates has more equal rows than any search looks at: it must neither
// get lost among them nor miss some.
func TestDuplicates(t *testing.T) {
	m, _ := clustered(4200, 16, 0)
	for row := 1000; row < 3000; row++ {
		copy(m.Row(row), m.Row(7))
	}
	eachEngine(t, func(t *testing.T, e index.VectorEngine) {
		s := open(t, e, m)
		got := rowsOf(search(t, s, m.Row(7), 5, nil))
		if diff := cmp.Diff([]int{7, 1000, 1001, 1002, 1003}, got); diff != "" {
			t.Errorf("equal rows (-want +got):\n%s", diff)
		}
		for _, row := range []int{0, 999, 3000, 4199} {
			if got := search(t, s, m.Row(row), 1, nil); got[0].Row != row {
				t.Errorf("got row %d for the vector of row %d", got[0].Row, row)
			}
		}
	})
}

func TestBuildRefuses(t *testing.T) {
	tests := []struct {
		name string
		m    index.Matrix
		want string
	}{
		{"ragged", index.Matrix{Dims: 2, Data: make([]float32, 3)}, "not whole rows of 2"},
		{"negative dimensions", index.Matrix{Dims: -1}, "-1 dimensions"},
		{"no dimensions", index.Matrix{Data: make([]float32, 3)}, "0 dimensions"},
		{"not a unit vector", index.Matrix{Dims: 2, Data: []float32{1, 0, 3, 4}}, "row 1 of the matrix has length 5"},
		{"NaN", index.Matrix{Dims: 2, Data: []float32{float32(math.NaN()), 0}}, "row 0 of the matrix"},
	}
	eachEngine(t, func(t *testing.T, e index.VectorEngine) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				err := e.Build(t.Context(), tt.m, t.TempDir())
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got error %v, want %q", err, tt.want)
				}
			})
		}
	})
}

func TestCancelled(t *testing.T) {
	m, queries := clustered(1000, 8, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	eachEngine(t, func(t *testing.T, e index.VectorEngine) {
		if err := e.Build(ctx, m, t.TempDir()); !errors.Is(err, context.Canceled) {
			t.Errorf("build: got error %v, want context.Canceled", err)
		}
		if _, err := open(t, e, m).Search(ctx, queries[0], 3, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("search: got error %v, want context.Canceled", err)
		}
	})
}

func TestSameMatrixSameBytes(t *testing.T) {
	m, queries := clustered(2000, 8, 20)
	for _, member := range members {
		t.Run(member.name, func(t *testing.T) {
			e, err := New(member.name)
			if err != nil {
				t.Fatal(err)
			}
			one, two := t.TempDir(), t.TempDir()
			for i, dir := range []string{one, two} {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1 + 2*i)) // on one core and on three
				if err := e.Build(t.Context(), m, dir); err != nil {
					t.Fatal(err)
				}
			}
			files := readAll(t, one)
			if len(files) != member.files {
				t.Errorf("got %d files, want %d", len(files), member.files)
			}
			if !cmp.Equal(files, readAll(t, two)) {
				t.Error("the same matrix gave other bytes")
			}
			first, err := e.Open(m, one)
			if err != nil {
				t.Fatal(err)
			}
			again, err := e.Open(m, two)
			if err != nil {
				t.Fatal(err)
			}
			for _, q := range queries {
				if diff := cmp.Diff(search(t, first, q, 50, nil), search(t, again, q, 50, nil)); diff != "" {
					t.Fatalf("opened twice, other matches:\n%s", diff)
				}
			}
		})
	}
}

// TestDamage changes every file that an engine writes, in many ways; each must
// be an error that names the file.
func TestDamage(t *testing.T) {
	m, _ := clustered(300, 8, 0)
	rng := rand.New(rand.NewPCG(3, 4))
	eachEngine(t, func(t *testing.T, e index.VectorEngine) {
		dir := t.TempDir()
		if err := e.Build(t.Context(), m, dir); err != nil {
			t.Fatal(err)
		}
		for name, whole := range readAll(t, dir) {
			path := filepath.Join(dir, name)
			damaged := [][]byte{nil, whole[:len(whole)-1], whole[:len(whole)/2], whole[1:], append(bytes.Clone(whole), 0)}
			for range 150 {
				b := bytes.Clone(whole)
				b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
				damaged = append(damaged, b)
			}
			for i, b := range damaged {
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				if _, err := e.Open(m, dir); err == nil || !strings.Contains(err.Error(), path) {
					t.Fatalf("damage %d: got error %v, want one that names %s", i, err, path)
				}
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if _, err := e.Open(m, dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("without %s: got error %v, want os.ErrNotExist", name, err)
			}
		}
	})
}

func TestConcurrentSearches(t *testing.T) {
	m, queries := clustered(2000, 8, 50)
	eachEngine(t, func(t *testing.T, e index.VectorEngine) {
		s := open(t, e, m)
		var wg sync.WaitGroup
		for _, q := range queries {
			want := search(t, s, q, 10, nil)
			for range 3 {
				wg.Go(func() {
					got, err := s.Search(context.Background(), q, 10, nil)
					if err != nil || !cmp.Equal(want, got) {
						t.Errorf("got %v, %v, want %v", got, err, want)
					}
				})
			}
		}
		wg.Wait()
	})
}

func TestNew(t *testing.T) {
	for name, want := range map[string]string{"exact": "exact", "hnsw": "hnsw", "auto": "auto"} {
		e, err := New(name)
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() != want {
			t.Errorf("%s: got the name %q, want %q", name, e.Name(), want)
		}
	}
	_, err := New("faiss")
	if err == nil || !strings.Contains(err.Error(), "index.vector") || !strings.Contains(err.Error(), "auto, exact or hnsw") {
		t.Errorf("got error %v, want one with the key and the names", err)
	}
}
