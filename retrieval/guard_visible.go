package retrieval

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Characters that a reader does not see, but a model does.
const (
	zwsp      = '\u200B'
	zwnj      = '\u200C'
	zwj       = '\u200D'
	cgj       = '\u034F' // combining grapheme joiner
	blackFlag = '\U0001F3F4'
)

// visible is text without what a reader cannot see: controls, bidirectional
// controls, zero-width characters, soft hyphens, tag characters, variation
// selectors that select nothing (UAX #31 and UTS #39 name the classes). All
// line ends become \n. What writing needs stays: joiners in Arabic, Indic and
// emoji sequences, break marks in Thai, Khmer, Lao and Myanmar, the selectors of emoji and
// of Han variants, the three flags that are spelt with tags. Linear in len(s).
func visible(s string) string {
	if onlyPlain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	prev := rune(0) // the last one kept
	for i := 0; i < len(s); {
		if n := flagLen(s[i:]); n > 0 {
			b.WriteString(s[i : i+n])
			i, prev = i+n, blackFlag
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		next, _ := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\r' && next == '\n':
			continue
		case r == '\r' || r == '\v' || r == '\f' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			r = '\n'
		case unseen(r) && !needed(prev, r, next):
			continue
		}
		b.WriteRune(r)
		prev = r
	}
	return b.String()
}

func onlyPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x7F || c < ' ' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// unseen says whether r shows nothing by itself: Unicode's
// Default_Ignorable_Code_Point, and controls and non-characters.
func unseen(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < utf8.RuneSelf || unicode.IsControl(r):
		return unicode.IsControl(r)
	case unicode.Is(unicode.Prepended_Concatenation_Mark, r) || 0x13430 <= r && r <= 0x1343F: // Arabic and Egyptian signs that do show
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point)
}

// needed says whether writing needs the unseen r between prev and next. No
// two unseen characters in a row are needed: nothing can be spelt with them.
func needed(prev, r, next rune) bool {
	switch {
	case r == '\u115F' || r == '\u1160': // fillers of old Hangul
		return hangulJamo(prev) || hangulJamo(next)
	case unseen(prev) && !(prev == '\uFE0F' && r == zwj):
		return false
	case r == zwj && pictures(next) && (pictures(prev) || prev == '\uFE0F' || unicode.Is(unicode.Sk, prev)):
		return true
	case r == zwj || r == zwnj:
		return joins(prev)
	case r == zwsp:
		return unspaced(prev) && unspaced(next)
	case r == cgj:
		return unicode.Is(unicode.M, prev)
	case r == '\uFE0E' || r == '\uFE0F':
		return unicode.In(prev, unicode.S, unicode.P, unicode.Nd) && !(prev < utf8.RuneSelf && next != '\u20E3')
	case '\uFE00' <= r && r <= '\uFE02':
		return unicode.In(prev, unicode.Han, unicode.Sm, unicode.Myanmar, unicode.Phags_Pa)
	case 0xE0100 <= r && r <= 0xE01EF:
		return unicode.Is(unicode.Han, prev)
	case '\u180B' <= r && r <= '\u180F':
		return unicode.Is(unicode.Mongolian, prev)
	}
	return false
}

// pictures says whether r can stand in an emoji sequence.
func pictures(r rune) bool {
	return unicode.Is(unicode.So, r) || r == '\u2194' || 0x1F3FB <= r && r <= 0x1F3FF
}

// joins says whether r is of a script whose letters change by joiners.
func joins(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M) &&
		!unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Hebrew, unicode.Inherited, unicode.Common)
}

// unspaced says whether r is of a script that is written without spaces and
// marks words by ZWSP.
func unspaced(r rune) bool {
	return unicode.In(r, unicode.Thai, unicode.Khmer, unicode.Lao, unicode.Myanmar, unicode.Tibetan)
}

func hangulJamo(r rune) bool {
	return 0x1100 <= r && r <= 0x11FF && r != '\u115F' && r != '\u1160'
}

// flagLen is the length of a flag of England, Scotland or Wales at the
// beginning of s, the only emoji that tag characters are in use for.
func flagLen(s string) int {
	if !strings.HasPrefix(s, string(blackFlag)) {
		return 0
	}
	for _, name := range []string{"gbeng", "gbsct", "gbwls"} {
		tags := string(blackFlag)
		for _, c := range name {
			tags += string(0xE0000 + c)
		}
		if tags += "\U000E007F"; strings.HasPrefix(s, tags) {
			return len(tags)
		}
	}
	return 0
}
