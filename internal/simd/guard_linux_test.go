package simd

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"
)

// guarded returns a copy of v that ends where the readable memory ends, or
// starts where it starts: touching what is beyond ends the program.
func guarded[T any](t *testing.T, v []T, atEnd bool) []T {
	t.Helper()
	size := len(v) * int(unsafe.Sizeof(v[0]))
	page := syscall.Getpagesize()
	pages := (size+page-1)/page + 2
	memory, err := syscall.Mmap(-1, 0, pages*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(memory) })
	for _, edge := range [][]byte{memory[:page], memory[(pages-1)*page:]} {
		if err := syscall.Mprotect(edge, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	at := page
	if atEnd {
		at = (pages-1)*page - size
	}
	copied := unsafe.Slice((*T)(unsafe.Pointer(&memory[at])), len(v))
	copy(copied, v)
	return copied
}

func TestNothingOutsideIsTouched(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for _, atEnd := range []bool{false, true} {
		floats := func(n int) []float32 { return guarded(t, normal(random, n), atEnd) }
		for _, set := range Sets() {
			for rows := 1; rows <= 13; rows++ {
				for _, depth := range []int{1, 7, 192} {
					set.MulAdd(Dense(floats(rows*Width), Width), Dense(floats(rows*depth), depth), floats(depth*Width))
				}
			}
			for _, n := range []int{32, 96, 384} {
				set.Softmax(floats(n), 0.5)
				set.GELU(floats(n))
				set.LayerNorm(floats(n), floats(n), floats(n), floats(n), 1e-12)
			}
			for rows := 1; rows <= 6; rows++ {
				m := NewInt8s(rows, 100)
				m.Values, m.Scales = guarded(t, m.Values, atEnd), guarded(t, m.Scales, atEnd)
				x := guarded(t, m.Row(0), atEnd)
				m.Dots(set, floats(rows), x, 0)
				m.DotsAt(set, floats(rows), x, guarded(t, []int32{0, 0, 0, 0, 0, int32(rows - 1)}[6-rows:], atEnd))
				set.Dot(floats(16*rows+3), floats(16*rows+3), floats(16*rows+3))
			}
			values := guarded(t, randomInt8(random, 3*Block*Width), atEnd)
			set.widen(floats(len(values)), values, floats(3*Width), values[len(values)-1:])
		}
	}
}
