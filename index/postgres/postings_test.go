package postgres

import (
	"slices"
	"testing"

	"github.com/ragproxy/ragproxy/index/lexical"
)

func TestPostings(t *testing.T) {
	want := []lexical.Occurrence{{Row: 1, Count: 1, Length: 1}, {Row: 2, Count: 300, Length: 70000}, {Row: 1<<31 - 1, Count: 1, Length: 0}}
	var l postingList
	for _, o := range want {
		l.add(o)
	}
	got, err := readPostings(l.bytes, nil)
	if err != nil || !slices.Equal(got, want) || l.count != len(want) {
		t.Errorf("got %v, %v, %d of them, want %v", got, err, l.count, want)
	}
	for n := range l.bytes {
		if got, err := readPostings(l.bytes[:n], nil); err == nil && len(got) == len(want) {
			t.Errorf("cut to %d bytes: got %v, want less or an error", n, got)
		}
	}
}

func FuzzPostings(f *testing.F) {
	f.Add([]byte{1, 1, 1, 2, 172, 2, 240, 162, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := readPostings(b, nil)
		if err != nil {
			return
		}
		var l postingList
		for _, o := range list {
			l.add(o)
		}
		again, err := readPostings(l.bytes, nil)
		if err != nil || !slices.Equal(list, again) {
			t.Errorf("got %v, %v, want %v again", again, err, list)
		}
	})
}
