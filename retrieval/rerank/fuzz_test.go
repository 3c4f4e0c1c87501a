package rerank

import (
	"math"
	"testing"
)

// FuzzDecodeAnswer holds the parser to its promise: n finite scores or an
// error.
func FuzzDecodeAnswer(f *testing.F) {
	f.Add([]byte(`[{"index":1,"score":0.5},{"index":0,"score":-1e3}]`), 2)
	f.Add([]byte(`{"results":[{"index":0,"relevance_score":0.1}]}`), 1)
	f.Add([]byte(`{"data":[{"index":0,"relevance_score":1e308}],"results":null}`), 1)
	f.Add([]byte(`{"results":[{"index":-1,"relevance_score":null}]}`), 1)
	f.Add([]byte(`[null]`), 1)
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		if n < 0 || n > 1000 {
			return
		}
		scores, err := decodeAnswer(body, n)
		if err != nil {
			return
		}
		if len(scores) != n {
			t.Fatalf("got %d scores, want %d", len(scores), n)
		}
		for _, s := range scores {
			if math.IsNaN(s) || math.IsInf(s, 0) {
				t.Fatalf("got the score %v, want a finite one", s)
			}
		}
	})
}
