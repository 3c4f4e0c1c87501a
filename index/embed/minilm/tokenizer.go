package minilm

import (
	_ "embed"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

//go:embed vocab.txt
var vocabText string

const (
	unknownID = 100 // [UNK]
	startID   = 101 // [CLS]
	endID     = 102 // [SEP]

	maxTokens    = 256 // with [CLS] and [SEP]; the model was trained on fewer
	maxWordChars = 100 // a longer word is one [UNK]
)

// tokenizer is BERT's uncased WordPiece. It has no special tokens in a text:
// the characters "[CLS]" are three words like any others.
type tokenizer struct {
	starts  map[string]int32 // pieces that begin a word
	inner   map[string]int32 // pieces that go on, without their "##"
	longest int              // bytes of the longest piece
}

func newTokenizer(vocab string) *tokenizer {
	lines := strings.Split(strings.TrimSuffix(vocab, "\n"), "\n")
	t := &tokenizer{
		starts: make(map[string]int32, len(lines)),
		inner:  make(map[string]int32, len(lines)/4),
	}
	for id, line := range lines {
		piece, isInner := strings.CutPrefix(line, "##")
		if isInner && piece != "" {
			t.inner[piece] = int32(id)
		} else {
			t.starts[line] = int32(id)
		}
		t.longest = max(t.longest, len(line))
	}
	return t
}

// encode returns the token ids of text: [CLS], at most 254 pieces, [SEP]. Any
// bytes are valid; those that are not UTF-8 are dropped, as control
// characters are.
func (t *tokenizer) encode(text string) []int32 {
	w := wordPieces{tokenizer: t, ids: append(make([]int32, 0, 64), startID)}
	for _, r := range text {
		if len(w.ids) >= maxTokens {
			break
		}
		switch {
		case r == utf8.RuneError || isControl(r):
		case unicode.IsSpace(r):
			w.endWord()
		case isChinese(r):
			w.endWord()
			w.add(r)
			w.endWord()
		default:
			w.add(r)
		}
	}
	w.endWord()
	return append(w.ids[:min(len(w.ids), maxTokens-1)], endID)
}

// wordPieces collects the characters of a word and then its pieces.
type wordPieces struct {
	*tokenizer
	ids   []int32
	word  []byte // the normalised word so far
	chars int
}

// add normalises one character (its decomposition without accents, in lower
// case) and appends it to the word. Decomposing each character by itself is
// enough: the marks that Unicode would reorder are the ones dropped.
func (w *wordPieces) add(r rune) {
	if r < utf8.RuneSelf {
		w.addNormal(unicode.ToLower(r))
		return
	}
	var source, decomposed [32]byte
	for _, d := range string(norm.NFD.Append(decomposed[:0], utf8.AppendRune(source[:0], r)...)) {
		if !unicode.Is(unicode.Mn, d) {
			w.addNormal(unicode.ToLower(d))
		}
	}
}

func (w *wordPieces) addNormal(r rune) {
	if isPunctuation(r) {
		w.endWord()
		defer w.endWord()
	}
	w.chars++
	if w.chars <= maxWordChars {
		w.word = utf8.AppendRune(w.word, r)
	}
}

// endWord appends the word's pieces, each the longest that fits, or [UNK] if
// any part of it has none.
func (w *wordPieces) endWord() {
	word, chars, before := w.word, w.chars, len(w.ids)
	w.word, w.chars = w.word[:0], 0
	if chars > maxWordChars {
		w.ids = append(w.ids, unknownID)
		return
	}
	pieces := w.starts
	for len(word) > 0 {
		id, size := longestPiece(pieces, word[:min(len(word), w.longest)])
		if size == 0 {
			w.ids = append(w.ids[:before], unknownID)
			return
		}
		w.ids = append(w.ids, id)
		word, pieces = word[size:], w.inner
	}
}

// longestPiece returns the id and the bytes of the longest prefix of word that
// is a piece, or size 0.
func longestPiece(pieces map[string]int32, word []byte) (id int32, size int) {
	for size := len(word); size > 0; size-- {
		if id, ok := pieces[string(word[:size])]; ok {
			return id, size
		}
	}
	return 0, 0
}

// isControl reports the characters that vanish; U+000B and U+0085, which are
// white space elsewhere, are among them.
func isControl(r rune) bool {
	return r != '\t' && r != '\n' && r != '\r' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co)
}

// isPunctuation counts every ASCII symbol, as BERT does ("$" and "+" too).
func isPunctuation(r rune) bool {
	return '!' <= r && r <= '/' || ':' <= r && r <= '@' || '[' <= r && r <= '`' || '{' <= r && r <= '~' || unicode.IsPunct(r)
}

// isChinese reports the ideographs that are words of their own. The gap up to
// U+2B920 is the reference tokenizer's.
func isChinese(r rune) bool {
	return 0x4E00 <= r && r <= 0x9FFF || 0x3400 <= r && r <= 0x4DBF || 0xF900 <= r && r <= 0xFAFF ||
		0x20000 <= r && r <= 0x2A6DF || 0x2A700 <= r && r <= 0x2B73F || 0x2B740 <= r && r <= 0x2B81F ||
		0x2B920 <= r && r <= 0x2CEAF || 0x2F800 <= r && r <= 0x2FA1F
}
