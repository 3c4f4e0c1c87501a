package lexical

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/lang/cjk"
	"github.com/blevesearch/bleve/v2/analysis/lang/en"
	bleveunicode "github.com/blevesearch/bleve/v2/analysis/tokenizer/unicode"
	"golang.org/x/text/unicode/norm"
)

// maxTerm is the most bytes of a word that are indexed: longer ones (base64,
// minified code) are cut, in documents and queries alike.
const maxTerm = 255

// newAnalyzer makes an analyzer of [Analyzers]. All of them do this to text of
// any script, and then what their language asks for:
//
//   - NFKC, so that PDF ligatures, full-width letters and half-width kana match
//     what people type
//   - words by Unicode's rules (UAX #29), without English possessives
//   - Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese as overlapping
//     pairs of characters: the first six write no spaces or glue particles on
//   - identifiers as a whole and in parts ("getHTTPResponse", get, http, response)
//   - lower case
//
// A query must be analysed by the same analyzer as the documents were.
func newAnalyzer(name string) (analysis.Analyzer, error) {
	filters, err := languageFilters(name)
	if err != nil {
		return nil, err
	}
	a := &analysis.DefaultAnalyzer{
		CharFilters: []analysis.CharFilter{normalizer{}},
		Tokenizer:   tokenizer{words: bleveunicode.NewUnicodeTokenizer()},
		TokenFilters: append([]analysis.TokenFilter{
			en.NewPossessiveFilter(),
			identifiers{},
			lowerCase{},
			cjk.NewCJKBigramFilter(false),
		}, filters...),
	}
	switch name {
	case "fa": // the zero-width non-joiner before endings
		a.CharFilters = append(a.CharFilters, replacer{strings.NewReplacer("\u200c", " ")})
	case "ro": // bleve's words have the cedilla of old code pages
		a.CharFilters = append(a.CharFilters, replacer{strings.NewReplacer("ș", "ş", "Ș", "Ş", "ț", "ţ", "Ț", "Ţ")})
	}
	return a, nil
}

// normalizer makes the text valid UTF-8 in form NFKC.
type normalizer struct{}

func (normalizer) Filter(text []byte) []byte {
	return norm.NFKC.Bytes(bytes.ToValidUTF8(text, []byte(" ")))
}

type replacer struct{ *strings.Replacer }

func (r replacer) Filter(text []byte) []byte { return []byte(r.Replace(string(text))) }

// lowerCase makes small letters, and one of both small sigmas. bleve's filter
// breaks a word with İ, whose small letter is shorter.
type lowerCase struct{}

func (lowerCase) Filter(tokens analysis.TokenStream) analysis.TokenStream {
	for _, token := range tokens {
		token.Term = bytes.ToLower(token.Term)
		if bytes.Contains(token.Term, []byte("ς")) {
			token.Term = bytes.ReplaceAll(token.Term, []byte("ς"), []byte("σ"))
		}
	}
	return tokens
}

// tokenizer cuts text into words. Runs of the scripts in [paired] are given on
// as one ideographic token, which the bigram filter makes pairs of: bleve's
// tokenizer drops Thai, Lao, Khmer and Burmese altogether and takes Korean
// words with their particles.
type tokenizer struct{ words analysis.Tokenizer }

func (t tokenizer) Tokenize(text []byte) analysis.TokenStream {
	var tokens analysis.TokenStream
	for start := 0; start < len(text); {
		isPaired, end := run(text, start)
		if isPaired {
			tokens = append(tokens, &analysis.Token{
				Term: text[start:end], Start: start, End: end, Type: analysis.Ideographic,
			})
		} else {
			for _, token := range t.words.Tokenize(text[start:end]) {
				token.Start += start
				token.End += start
				if len(token.Term) > maxTerm {
					token.Term = cut(token.Term, maxTerm)
				}
				tokens = append(tokens, token)
			}
		}
		start = end
	}
	return tokens
}

// run returns the end of the run of characters, all paired or all not, that
// begins at start.
func run(text []byte, start int) (isPaired bool, end int) {
	for end = start; end < len(text); {
		r, size := utf8.DecodeRune(text[end:])
		if p := paired(r); end == start {
			isPaired = p
		} else if p != isPaired {
			break
		}
		end += size
	}
	return isPaired, end
}

func paired(r rune) bool {
	return r >= 0x0E00 && // the first of them; spares ASCII the tables
		unicode.In(r, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// cut shortens valid UTF-8 to at most n bytes of whole characters.
func cut(text []byte, n int) []byte {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
