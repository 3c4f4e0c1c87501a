package minilm

import (
	"slices"
	"strings"
	"sync"
)

const (
	recentQueries = 256
	recentBytes   = 2048 // a longer query is not remembered
)

// recent holds the vectors of the last new queries, 1 MB at most. It is safe for
// concurrent use.
type recent struct {
	mu      sync.Mutex
	vectors map[string][]float32
	ring    [recentQueries]string // the queries in vectors, the next to go at next
	next    int
}

func newRecent() *recent { return &recent{vectors: map[string][]float32{}} }

// get returns a copy of the query's vector, or nil.
func (r *recent) get(query string) []float32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.vectors[query])
}

// put remembers a copy of vector.
func (r *recent) put(query string, vector []float32) {
	if len(query) > recentBytes {
		return
	}
	query, vector = strings.Clone(query), slices.Clone(vector)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.vectors[query]; ok {
		return
	}
	if len(r.vectors) == recentQueries {
		delete(r.vectors, r.ring[r.next])
	}
	r.vectors[query], r.ring[r.next] = vector, query
	r.next = (r.next + 1) % recentQueries
}
