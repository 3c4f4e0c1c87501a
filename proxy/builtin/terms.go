package builtin

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/words"
)

// terms are the words of a text that carry meaning, stemmed, in order, with
// repetitions. Scripts without spaces give pairs of neighbouring characters.
func terms(text string) []string {
	var out []string
	var previous rune // the unspaced character before this token, if any
	paired := false
	flush := func() {
		if previous != 0 && !paired && !unicode.Is(unicode.Hiragana, previous) {
			out = append(out, string(previous))
		}
		previous, paired = 0, false
	}
	tokens := words.FromString(text)
	for tokens.Next() {
		token := tokens.Value()
		r := firstRune(token)
		if !isUnspaced(r) {
			flush()
			if t := term(token); t != "" {
				out = append(out, t)
			}
			continue
		}
		// Two Hiragana are grammar far more often than a word.
		hiragana := unicode.Is(unicode.Hiragana, previous) && unicode.Is(unicode.Hiragana, r)
		if previous != 0 && !hiragana {
			out = append(out, string(previous)+string(r))
		}
		previous, paired = r, previous != 0
	}
	flush()
	return out
}

// term is the stem of one word, "" for a stop word and for what is no word.
func term(token string) string {
	if r := firstRune(token); !unicode.IsLetter(r) && !unicode.IsNumber(r) {
		return ""
	}
	word := strings.ToLower(token)
	word = strings.TrimSuffix(strings.TrimSuffix(strings.ReplaceAll(word, "’", "'"), "'s"), "'")
	if isStopWord(word) {
		return ""
	}
	return stem(word)
}

// stem cuts English endings so that "decompose" meets "decomposition". It is
// rougher than Porter's: a wrong match costs little here. Words that are not
// plain Latin letters stay as they are.
func stem(word string) string {
	for _, r := range word {
		if r < 'a' || r > 'z' {
			return word
		}
	}
	for _, ending := range []string{
		"itions", "ations", "ition", "ation", "ments", "ings", "ions", "ment", "ies", "ing", "ion", "ers",
		"als", "al", "ed", "er", "ly", "es", "e", "y", "s",
	} {
		base, cut := strings.CutSuffix(word, ending)
		if !cut {
			continue
		}
		if len(base) < 3 || len(ending) > 1 && len(base) < 4 || strings.HasPrefix(ending, "al") && len(base) < 5 {
			continue
		}
		if ending == "s" && strings.HasSuffix(base, "s") { // "less" is no plural
			return word
		}
		return undouble(base)
	}
	return word
}

func undouble(word string) string {
	n := len(word)
	if n > 3 && word[n-1] == word[n-2] && !strings.ContainsRune("lsz", rune(word[n-1])) {
		return word[:n-1]
	}
	return word
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// isUnspaced says whether r belongs to a script written without spaces whose
// characters uax29 gives one by one.
func isUnspaced(r rune) bool {
	return r > 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

func isStopWord(word string) bool {
	switch word {
	case "a", "an", "the", "and", "or", "but", "if", "of", "in", "on", "at", "to", "for", "from", "by", "with", "as",
		"into", "about", "than", "then", "so", "such", "not", "no", "do", "does", "did", "done", "doing", "is", "are",
		"was", "were", "be", "been", "being", "am", "has", "have", "had", "having", "can", "could", "will", "would",
		"shall", "should", "may", "might", "must", "i", "me", "my", "we", "us", "our", "you", "your", "he", "him",
		"his", "she", "her", "it", "its", "they", "them", "their", "this", "that", "these", "those", "there", "here",
		"what", "which", "who", "whom", "whose", "when", "where", "why", "how", "some", "any", "all", "each", "both",
		"more", "most", "other", "only", "own", "same", "very", "just", "also", "too", "out", "up", "down", "over",
		"again", "once", "tell", "please", "give", "explain", "describe", "let", "get", "got", "between",
		"mean", "means", "s", "t", "don't", "doesn't", "isn't", "aren't", "can't", "what's", "it's", "i'm", "let's",
		"ist", "sind", "ein", "eine", "einen", "der", "das", "wie": // German, as far as they mean nothing in English
		return true
	}
	return false
}

func termSet(text string) map[string]bool {
	set := map[string]bool{}
	for _, t := range terms(text) {
		set[t] = true
	}
	return set
}
