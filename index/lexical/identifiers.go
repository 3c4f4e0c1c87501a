package lexical

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
)

// maxIdentifier is the most bytes of a word that is taken for an identifier;
// base64 would fall into dozens of parts.
const maxIdentifier = 64

// identifiers adds the parts of camelCase, snake_case and dotted words behind
// the word itself. It must see the letters' case, so it comes before lower
// case; its parts are stemmed like any word.
type identifiers struct{}

func (identifiers) Filter(tokens analysis.TokenStream) analysis.TokenStream {
	out := make(analysis.TokenStream, 0, len(tokens))
	for _, token := range tokens {
		out = append(out, token)
		if token.Type != analysis.AlphaNumeric || len(token.Term) > maxIdentifier {
			continue
		}
		for _, part := range parts(token.Term) {
			out = append(out, &analysis.Token{Term: part, Start: token.Start, End: token.End, Type: token.Type})
		}
	}
	return out
}

// parts cuts a word at what is neither letter, digit, mark nor apostrophe,
// between a small letter and a capital, and before the last capital of several
// if small letters follow ("HTTPServer"). A part, or the word, that ends with
// digits gives the letters before them, too ("BRCA1", BRCA). It leaves out
// parts of one character or without a letter, and returns none for a word in
// one piece.
func parts(word []byte) [][]byte {
	var found [][]byte
	start := 0
	keep := func(part []byte) {
		if len(part) < len(word) && utf8.RuneCount(part) > 1 && hasLetter(part) {
			found = append(found, part)
		}
	}
	add := func(end int) {
		part := word[start:end]
		keep(part)
		if letters := bytes.TrimRightFunc(part, unicode.IsDigit); len(letters) < len(part) {
			keep(letters)
		}
	}
	var last rune
	for i := 0; i < len(word); {
		r, size := utf8.DecodeRune(word[i:])
		switch {
		case separates(r):
			add(i)
			start = i + size
		case unicode.IsUpper(r) && (unicode.IsLower(last) || unicode.IsUpper(last) && wordFollows(word[i+size:])):
			add(i)
			start = i
		}
		last = r
		i += size
	}
	add(len(word))
	return found
}

func separates(r rune) bool {
	return !unicode.In(r, unicode.Letter, unicode.Number, unicode.Mark) && r != '\'' && r != '’'
}

// wordFollows says whether two small letters come next: one alone is a plural
// ("URLs") more often than a word.
func wordFollows(rest []byte) bool {
	first, size := utf8.DecodeRune(rest)
	second, _ := utf8.DecodeRune(rest[size:])
	return unicode.IsLower(first) && unicode.IsLower(second)
}

func hasLetter(part []byte) bool {
	for i := 0; i < len(part); {
		r, size := utf8.DecodeRune(part[i:])
		if unicode.IsLetter(r) {
			return true
		}
		i += size
	}
	return false
}
