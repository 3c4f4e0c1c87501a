//go:build unix

// Command bench is the Go half of peer.py, which says how to run it.
//
//	bench corpus DIR   makes the vectors, in some minutes
//	bench serve DIR    follows orders from the standard input, a JSON object a line
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/vector"
	"github.com/ragproxy/ragproxy/internal/simd"
)

const dims = 384

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "corpus":
		return makeCorpus(ctx, args[1])
	case len(args) == 2 && args[0] == "serve":
		return serve(ctx, args[1])
	}
	return fmt.Errorf("usage: bench corpus|serve DIR")
}

// order is either engine and rows, to build and open an index of the first rows,
// or k, to search with all queries.
type order struct {
	Engine string `json:"engine"`
	Rows   int    `json:"rows"`
	K      int    `json:"k"`
}

type answer struct {
	Set  string  `json:"set"`
	CPU  float64 `json:"cpu"` // seconds
	Wall float64 `json:"wall"`
	Open float64 `json:"open,omitempty"` // CPU seconds
	Rows [][]int `json:"rows,omitempty"` // of each query's matches
}

func serve(ctx context.Context, dir string) error {
	data, err := readFloats(filepath.Join(dir, "rows.f32"))
	if err != nil {
		return err
	}
	asked, err := readFloats(filepath.Join(dir, "queries.f32"))
	if err != nil {
		return err
	}
	var searcher index.VectorSearcher
	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var o order
		if err := json.Unmarshal(in.Bytes(), &o); err != nil {
			return err
		}
		var a answer
		if o.Engine != "" {
			searcher, a, err = build(ctx, o.Engine, index.Matrix{Dims: dims, Data: data[:o.Rows*dims]})
		} else {
			a, err = search(ctx, searcher, index.Matrix{Dims: dims, Data: asked}, o.K)
		}
		if err != nil {
			return err
		}
		a.Set = simd.Best().String()
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	return nil
}

func build(ctx context.Context, name string, m index.Matrix) (index.VectorSearcher, answer, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, answer{}, err
	}
	defer os.RemoveAll(dir)
	e, err := vector.New(name)
	if err != nil {
		return nil, answer{}, err
	}
	a, err := measure(func() error { return e.Build(ctx, m, dir) })
	if err != nil {
		return nil, a, err
	}
	var s index.VectorSearcher
	open, err := measure(func() (err error) {
		s, err = e.Open(m, dir)
		return err
	})
	a.Open = open.CPU
	runtime.GC() // so that none of it is counted later
	return s, a, err
}

func search(ctx context.Context, s index.VectorSearcher, queries index.Matrix, k int) (answer, error) {
	found := make([][]index.Match, queries.Rows())
	a, err := measure(func() (err error) {
		for i := range found {
			if found[i], err = s.Search(ctx, queries.Row(i), k, nil); err != nil {
				return err
			}
		}
		return nil
	})
	for _, matches := range found {
		rows := make([]int, len(matches))
		for i, m := range matches {
			rows[i] = m.Row
		}
		a.Rows = append(a.Rows, rows)
	}
	return a, err
}

func measure(do func() error) (answer, error) {
	cpu, wall := cpuSeconds(), time.Now()
	err := do()
	return answer{CPU: cpuSeconds() - cpu, Wall: time.Since(wall).Seconds()}, err
}

// cpuSeconds is what all threads of the process have used.
func cpuSeconds() float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err) // it knows no error but a bad address
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// readFloats reads what embed wrote, on the same kind of machine.
func readFloats(path string) ([]float32, error) {
	b, err := os.ReadFile(path)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), len(b)/4), nil
}
