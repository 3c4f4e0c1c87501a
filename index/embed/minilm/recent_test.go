package minilm

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecentForgetsTheOldest(t *testing.T) {
	r := newRecent()
	for i := range recentQueries + 3 {
		r.put(fmt.Sprint(i), []float32{float32(i)})
		r.put(fmt.Sprint(i), []float32{-1}) // known: neither counted nor replaced
	}
	if len(r.vectors) != recentQueries {
		t.Errorf("got %d queries, want %d", len(r.vectors), recentQueries)
	}
	for i := range recentQueries + 3 {
		var want []float32
		if i >= 3 {
			want = []float32{float32(i)}
		}
		if diff := cmp.Diff(want, r.get(fmt.Sprint(i))); diff != "" {
			t.Errorf("query %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestRecentIgnoresLongQueries(t *testing.T) {
	r := newRecent()
	long := strings.Repeat("x", recentBytes+1)
	r.put(long, []float32{1})
	r.put(long[1:], []float32{2})
	if r.get(long) != nil || r.get(long[1:]) == nil {
		t.Errorf("got %v, %v, want only the shorter query", r.get(long), r.get(long[1:]))
	}
}

// Callers may write to what they got.
func TestRecentQueryIsACopy(t *testing.T) {
	e := newEmbedder(t, Options{})
	var want []float32
	for i := range 4 {
		got, err := e.EmbedQuery(t.Context(), "the same")
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			want = append(want, got...)
		} else if !cmp.Equal(got, want) {
			t.Fatalf("time %d: got another vector, want the same", i)
		}
		clear(got)
	}
	if len(e.recent.vectors) != 1 {
		t.Errorf("got %d remembered queries, want 1", len(e.recent.vectors))
	}
}

func TestRecentIsSafe(t *testing.T) {
	r := newRecent()
	var callers sync.WaitGroup
	for c := range 4 {
		callers.Go(func() {
			for i := range 2000 {
				query := fmt.Sprint(i * (c + 1) % 700)
				if v := r.get(query); v != nil && fmt.Sprint(v[0]) != query {
					t.Errorf("query %s: got the vector of %g", query, v[0])
				}
				r.put(query, []float32{float32(i * (c + 1) % 700)})
			}
		})
	}
	callers.Wait()
}
