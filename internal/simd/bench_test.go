package simd

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Each reports the multiply-adds a second, in thousand millions.
func BenchmarkMatrix(b *testing.B) {
	for _, size := range []struct{ rows, in, out int }{{14, 384, 1536}, {214, 384, 1536}, {214, 1536, 384}} {
		m := randomMatrix(b, size.in, size.out)
		x := Dense(normal(rand.New(rand.NewPCG(1, 2)), size.rows*size.in), size.in)
		dst := Dense(Floats(size.rows*size.out), size.out)
		for _, set := range Sets() {
			b.Run(fmt.Sprintf("%s/%dx%dx%d", set, size.rows, size.in, size.out), func(b *testing.B) {
				w := Floats(WidenedLen)
				for b.Loop() {
					for panel := range m.Panels() {
						m.MulAddPanel(set, dst.Slice(panel*Width, Width), x, panel, 0, w)
					}
				}
				macs := float64(size.rows) * float64(size.in) * float64(size.out)
				b.ReportMetric(macs*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
			})
		}
	}
}

func BenchmarkVector(b *testing.B) {
	x := Floats(384)
	for _, set := range Sets() {
		for name, do := range map[string]func(){
			"softmax":   func() { set.Softmax(x, 0.5) },
			"gelu":      func() { set.GELU(x) },
			"layernorm": func() { set.LayerNorm(x, x, x, x, 1e-12) },
			"widen":     func() { set.widen(make([]float32, 1024), make([]int8, 1024), x, nil) },
		} {
			b.Run(fmt.Sprintf("%s/%s", set, name), func(b *testing.B) {
				for b.Loop() {
					do()
				}
			})
		}
	}
}

// The rows take 9.2 MB as int8, as those of 24,000 short texts do.
func BenchmarkDots(b *testing.B) {
	const rows, dims = 24_000, 384
	m := randomInt8s(rand.New(rand.NewPCG(1, 2)), rows, dims)
	dst, at := make([]float32, rows), make([]int32, 1000)
	for i := range at {
		at[i] = int32(i * 7919 % rows)
	}
	for _, set := range Sets() {
		b.Run(set.String()+"/all", func(b *testing.B) {
			b.SetBytes(rows * dims)
			for b.Loop() {
				m.Dots(set, dst, m.Row(0), 0)
			}
		})
		b.Run(set.String()+"/scattered", func(b *testing.B) {
			b.SetBytes(int64(len(at)) * dims)
			for b.Loop() {
				for i := 0; i < len(at); i += 10 {
					m.DotsAt(set, dst[:10], m.Row(0), at[i:i+10])
				}
			}
		})
	}
}

func BenchmarkDot(b *testing.B) {
	x := normal(rand.New(rand.NewPCG(1, 2)), 384)
	for _, set := range Sets() {
		b.Run(set.String(), func(b *testing.B) {
			for b.Loop() {
				set.Dot(x, x, nil)
			}
		})
	}
}
