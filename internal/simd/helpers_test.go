package simd

import (
	"math/rand/v2"
	"testing"
)

func normal(random *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(random.NormFloat64())
	}
	return v
}

func randomInt8(random *rand.Rand, n int) []int8 {
	v := make([]int8, n)
	for i := range v {
		v[i] = int8(random.Uint32())
	}
	return v
}

func randomMatrix(t testing.TB, in, out int) *Matrix {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	m, err := NewMatrix(in, out, randomInt8(random, in*out), normal(random, in*out/Block))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
