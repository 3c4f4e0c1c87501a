package split

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

// The golden file is written by testdata/make_golden.py with the real library.
func TestRecursiveGolden(t *testing.T) {
	file, err := os.Open("testdata/recursive.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	splits, pieces := 0, 0
	for in := json.NewDecoder(lines); ; {
		var c struct {
			Name, Text string
			Splits     []struct {
				Size, Overlap int
				Pieces        [][2]int
			}
		}
		if err := in.Decode(&c); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		chars := []rune(c.Text)
		for _, s := range c.Splits {
			splits++
			pieces += len(s.Pieces)
			var want []index.Piece
			for _, p := range s.Pieces {
				end := p[0] + p[1]
				want = append(want, index.Piece{Text: string(chars[p[0]:end]), Start: p[0], End: end})
			}
			got := recursive(t, s.Size, s.Overlap).Split(c.Text)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s at %d/%d: (-want +got)\n%s", c.Name, s.Size, s.Overlap, diff)
			}
		}
	}
	if splits < 480 || pieces < 10000 {
		t.Errorf("got %d splits of %d pieces in the golden file, want at least 480 of 10000", splits, pieces)
	}
}

func TestNewRecursive(t *testing.T) {
	for _, test := range []struct {
		options Options
		want    string
	}{
		{Options{Size: 0, Overlap: 0}, "chunk_size is 0"},
		{Options{Size: -1, Overlap: -2}, "chunk_size is -1"},
		{Options{Size: 10, Overlap: -1}, "chunk_overlap is -1"},
		{Options{Size: 10, Overlap: 10}, "chunk_overlap (10) must be smaller than chunk_size (10)"},
		{Options{Size: 10, Overlap: 11}, "chunk_overlap (11) must be smaller than chunk_size (10)"},
	} {
		if _, err := NewRecursive(test.options); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("NewRecursive(%+v): got %v, want an error with %q", test.options, err, test.want)
		}
	}
	if got, want := recursive(t, 1000, 200).Name(), "recursive-1000-200"; got != want {
		t.Errorf("got name %q, want %q", got, want)
	}
}

func TestInvalidUTF8(t *testing.T) {
	got := recursive(t, 3, 0).Split("é\xff\xe6\xbc b\x85")
	want := []index.Piece{{Text: "é\ufffd\ufffd", Start: 0, End: 3}, {Text: "\ufffd", Start: 3, End: 4}, {Text: "b\ufffd", Start: 5, End: 7}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// What strip takes for white space in Python 3.11, every code point asked.
func TestIsSpace(t *testing.T) {
	want := "\t\n\v\f\r\x1c\x1d\x1e\x1f \u0085\u00a0\u1680" +
		"\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
	got := ""
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if isSpace(r) {
			got += string(r)
		}
	}
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Texts that made earlier splitters quadratic. A quadratic one takes minutes
// where this takes well under a second, so the test needs no clock: the run's
// own timeout fails it.
func TestLargeTexts(t *testing.T) {
	const size = 10 << 20
	for name, text := range map[string]string{
		"one word":    strings.Repeat("x", size),
		"one space":   strings.Repeat(" ", size),
		"repeated":    strings.Repeat("na ", size/3),
		"short lines": strings.Repeat("漢\n", size/4),
		"alternating": strings.Repeat("a\n\n"+strings.Repeat("b", 1500)+"\n\n", size/1505),
	} {
		pieces := recursive(t, 1000, 200).Split(text)
		if name != "one space" && len(pieces) < 1000 {
			t.Errorf("%s: got %d pieces, want at least 1000", name, len(pieces))
		}
	}
}

func FuzzRecursive(f *testing.F) {
	f.Add("one two\n\nthree\nfour", 5, 2)
	f.Add("\xff\xfe \x1c\u3000漢字\U0001f600\n\n\n", 3, 1)
	f.Add(strings.Repeat("ab ", 50), 1, 0)
	f.Fuzz(func(t *testing.T, text string, size, overlap int) {
		r, err := NewRecursive(Options{Size: size, Overlap: overlap})
		if err != nil {
			return
		}
		chars := []rune(text)
		for _, p := range r.Split(text) {
			if p.Start < 0 || p.End > len(chars) || string(chars[p.Start:p.End]) != p.Text {
				t.Fatalf("got a piece %+v that is not the text there", p)
			}
			if p.Text == "" || p.End-p.Start > size {
				t.Fatalf("got a piece of %d characters, want 1 to %d", p.End-p.Start, size)
			}
			if size > 1 && strings.TrimFunc(p.Text, isSpace) != p.Text {
				t.Fatalf("got %q, want no white space around it", p.Text)
			}
		}
	})
}

func BenchmarkRecursive(b *testing.B) {
	r := recursive(b, 1000, 200)
	text := strings.Repeat("Agents plan before they act, and then they do. ", 20)
	text = strings.Repeat(text+"\n\n", 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r.Split(text)
	}
}

func recursive(t testing.TB, size, overlap int) *Recursive {
	t.Helper()
	r, err := NewRecursive(Options{Size: size, Overlap: overlap})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
