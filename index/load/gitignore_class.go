package load

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// globClass makes a regular expression of the bracket expression at the head
// of a pattern and returns how many bytes it takes; 0 if it has no end or is
// none. It never matches a slash.
func globClass(pattern string) (string, int) {
	var e strings.Builder
	i := 1
	negated := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
	if negated {
		i++
	}
	for first := true; ; first = false {
		if i >= len(pattern) {
			return "", 0
		}
		if pattern[i] == ']' && !first {
			i++
			break
		}
		if rest, ok := strings.CutPrefix(pattern[i:], "[:"); ok {
			end := strings.IndexByte(rest, ']')
			if end > 0 && rest[end-1] == ':' { // else the bracket is a character like any other
				if !posixClass(rest[:end-1]) {
					return "", 0
				}
				e.WriteString("[:" + rest[:end+1])
				i += 2 + end + 1
				continue
			}
		}
		low, n := classChar(pattern[i:])
		if n == 0 {
			return "", 0
		}
		i += n
		high := low
		if i+1 < len(pattern) && pattern[i] == '-' && pattern[i+1] != ']' {
			if high, n = classChar(pattern[i+1:]); n == 0 {
				return "", 0
			}
			i += 1 + n
		}
		writeRange(&e, low, high, negated)
	}
	switch {
	case negated:
		return "[^/" + e.String() + "]", i
	case e.Len() == 0: // an empty range such as z-a
		return `[^\x00-\x{10FFFF}]`, i
	}
	return "[" + e.String() + "]", i
}

// classChar is the character at the head of s, or the one behind a backslash.
func classChar(s string) (rune, int) {
	if s == "" || s == `\` {
		return 0, 0
	}
	if s[0] == '\\' {
		r, n := utf8.DecodeRuneInString(s[1:])
		return r, n + 1
	}
	return utf8.DecodeRuneInString(s)
}

// writeRange writes low-high, less the slash unless it is to be excluded.
func writeRange(e *strings.Builder, low, high rune, negated bool) {
	if !negated && low <= '/' && '/' <= high {
		writeRange(e, low, '/'-1, true)
		writeRange(e, '/'+1, high, true)
		return
	}
	if low <= high {
		fmt.Fprintf(e, `\x{%X}-\x{%X}`, low, high)
	}
}

func posixClass(name string) bool {
	switch name {
	case "alnum", "alpha", "blank", "cntrl", "digit", "lower", "space", "upper", "xdigit", "graph", "print", "punct":
		return true
	}
	return false
}
