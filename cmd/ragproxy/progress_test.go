package main

import (
	"strings"
	"testing"
	"time"
)

func TestLeft(t *testing.T) {
	for _, tt := range []struct {
		took        time.Duration
		done, whole int64
		want        string
	}{
		{time.Minute, 0, 100, ""},
		{time.Minute, 50, 0, ""},
		{time.Minute, 25, 100, ", 25% read, about 3m0s left"},
		{time.Second, 1, 10_000, ", 0% read, about 2h47m0s left"},
		{time.Minute, 100, 100, ", 100% read, about 0s left"},
		{time.Minute, 150, 100, ", 100% read, about 0s left"},
	} {
		if got := left(tt.took, tt.done, tt.whole); got != tt.want {
			t.Errorf("%v, %d of %d: got %q, want %q", tt.took, tt.done, tt.whole, got, tt.want)
		}
	}
}

func TestProgressLine(t *testing.T) {
	asked := 0
	var out strings.Builder
	p := newProgress(&out)
	p.total = func() (int64, bool) { asked++; return 400, true }
	p.read(100)
	if p.loaded(); out.Len() > 0 || asked > 0 {
		t.Errorf("got %q within the first seconds, and %d questions for the total", out.String(), asked)
	}
	p.begin = p.begin.Add(-time.Minute)
	p.embedded(600)
	p.loaded()
	if want := "1 documents loaded, 600 chunks embedded (10/s), 25% read, about 3m0s left\n"; out.String() != want || asked != 1 {
		t.Errorf("got %q and %d questions for the total, want %q and one", out.String(), asked, want)
	}
	p.whole = 0
	if got := p.line(); strings.Contains(got, "left") {
		t.Errorf("got %q without a total", got)
	}
}
