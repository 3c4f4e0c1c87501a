package main

import (
	"strings"
	"testing"
	"unicode"
)

func TestMarksInPieces(t *testing.T) {
	for text, want := range map[string]string{
		"Apples [1].":         "Apples <1>.",
		"[1][2] and [10]":     "<1><2> and <10>",
		"no [mark], [1, 2]":   "no [mark], [1, 2]",
		"[[3]] [":             "[<3>] [",
		"[12345] [] [1":       "[12345] [] [1",
		"x[007] [1000] é[4]ü": "x<7> [1000] é<4>ü",
		"":                    "",
	} {
		for size := 1; size <= len(text)+1; size++ {
			if got := markAll(text, size); got != want {
				t.Errorf("%q in pieces of %d: got %q, want %q", text, size, got, want)
			}
		}
	}
}

func markAll(text string, size int) string {
	m := marks{show: func(mark string, n int) string { return "<" + strings.TrimLeft(mark[1:len(mark)-1], "0") + ">" }}
	var b strings.Builder
	for len(text) > 0 {
		n := min(size, len(text))
		b.WriteString(m.add(text[:n]))
		text = text[n:]
	}
	return b.String() + m.rest()
}

// FuzzMarks holds marks to losing and adding nothing.
func FuzzMarks(f *testing.F) {
	f.Add("Apples [1] and [2", 3)
	f.Add("[[[999999999999999999999]", 1)
	f.Fuzz(func(t *testing.T, text string, size int) {
		m := marks{show: func(mark string, n int) string {
			if n < 0 || n > 999 {
				t.Errorf("got the mark %d", n)
			}
			return mark
		}}
		var got strings.Builder
		for rest := text; rest != ""; {
			n := min(max(size, 1), len(rest))
			got.WriteString(m.add(rest[:n]))
			rest = rest[n:]
		}
		if all := got.String() + m.rest(); all != text {
			t.Errorf("got %q, want %q", all, text)
		}
	})
}

// FuzzClean holds what is printed to what cannot steer a terminal.
func FuzzClean(f *testing.F) {
	f.Add("red \x1b[31m, c1 \u009b31m, bell \a, line\r\nnext")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range clean(text) {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				t.Errorf("%q keeps %q", text, r)
			}
		}
		for _, c := range []byte(escapeTarget(text)) {
			if c <= ' ' || c > '~' {
				t.Errorf("a link's target keeps %q", c)
			}
		}
	})
}

func TestServerBase(t *testing.T) {
	for raw, want := range map[string]string{
		"http://127.0.0.1:8080":     "http://127.0.0.1:8080/v1",
		"http://127.0.0.1:8080/":    "http://127.0.0.1:8080/v1",
		"https://rag.example/v1/":   "https://rag.example/v1",
		"https://rag.example/v1":    "https://rag.example/v1",
		"https://host/behind/proxy": "https://host/behind/proxy/v1",
		"127.0.0.1:8080":            "",
		"ftp://host":                "",
		"http://user:pw@host":       "",
		"http://host?x=1":           "",
	} {
		got, err := serverBase(raw)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v, want %q", raw, got, err, want)
		}
	}
}
