package dialect

import (
	"strconv"
	"unicode/utf8"
)

// span is a place in the answer, in code points, [start, end).
type span struct{ start, end int }

// maxMark is the longest mark that is looked for; a longer bracket is text.
const maxMark = 64

// findMarks finds the first mark of each source in an answer: "[2]" is one,
// "[1][2]" are two, "[1, 2]" is one place for both.
func findMarks(text string) map[int]span {
	marks := map[int]span{}
	point := 0
	for i := 0; i < len(text); {
		if text[i] != '[' {
			_, n := utf8.DecodeRuneInString(text[i:])
			i += n
			point++
			continue
		}
		numbers, n := parseMark(text[i:])
		for _, k := range numbers {
			if _, ok := marks[k]; !ok {
				marks[k] = span{point, point + n}
			}
		}
		n = max(n, 1)
		i += n
		point += n // a mark is ASCII
	}
	return marks
}

// parseMark reads "[1]" or "[1, 2]" at the start of s; n is its length, 0 if
// there is none.
func parseMark(s string) (numbers []int, n int) {
	digits := 1
	for i := 1; i < len(s) && i < maxMark; i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
		case (c == ',' || c == ']') && i > digits:
			k, err := strconv.Atoi(s[digits:i])
			if err != nil {
				return nil, 0
			}
			numbers = append(numbers, k)
			if c == ']' {
				return numbers, i + 1
			}
			for i+1 < len(s) && s[i+1] == ' ' {
				i++
			}
			digits = i + 1
		default:
			return nil, 0
		}
	}
	return nil, 0
}
