package builtin

import (
	"slices"
	"strings"
)

// pronoun puts the topic in the place of the first word that points back.
func (h *history) pronoun(words []word) (string, string, bool) {
	joined := joinWords(words)
	empty := emptyIt.MatchString(joined)
	asks := strings.Contains(joined, "?")
	if !asks && isStatement(words) {
		return "", "", false
	}
	for i, w := range words {
		if !isAnaphor(w.key()) || asks && !inQuestion(words, i) || !pointsBack(words, i) {
			continue
		}
		if empty && strings.HasPrefix(w.key(), "it") {
			empty = false
			continue
		}
		// A name before it is what comes next: "does HNSW use it?"
		topic := ""
		if p, ok := bestPhrase(words[:i]); ok && hasName(words, p) {
			topic = phraseText(words[:i], p)
		}
		return joinWords(h.substitute(words, i)), topic, true
	}
	return "", "", false
}

func hasName(words []word, p phrase) bool {
	for i := p.start; i < p.end; i++ {
		if i > 0 && isName(words[i].core) {
			return true
		}
	}
	return false
}

// isStatement: "That was not my question" asks nothing.
func isStatement(words []word) bool {
	switch words[0].key() {
	case "i", "i'm", "that", "that's", "this", "thought":
		return true
	}
	return false
}

// inQuestion says whether the sentence around the word at i ends in a
// question mark.
func inQuestion(words []word, i int) bool {
	for _, w := range words[i:] {
		if strings.ContainsAny(w.trail, ".?!") {
			return strings.Contains(w.trail, "?")
		}
	}
	return false
}

// substitute replaces the pointing word at i, with its noun if it has one.
func (h *history) substitute(words []word, i int) []word {
	w, end, begin := words[i], i+1, i
	text := h.topic
	switch key := w.key(); {
	case key == "its" || key == "their" || key == "his" || key == "her" && i+1 < len(words) && w.trail == "" && !isStopWord(words[i+1].key()):
		text = possessive(h.topic)
	case strings.HasSuffix(key, "'s"):
		text += " is"
	case strings.HasSuffix(key, "'re"):
		text += " are"
	case isDemonstrative(key) && hasNoun(words, i):
		end = h.nounEnd(words, i+1)
		text = h.named(w, words[i+1:end])
		w.trail = words[end-1].trail
	case i > 0 && words[i-1].key() == "do" && h.action != "":
		begin, text = i-1, h.action
	}
	out := slices.Clone(words[:begin])
	out = append(out, word{words[begin].lead, text, w.trail})
	return append(out, words[end:]...)
}

// nounEnd is the end of the noun after a demonstrative: up to a word that is
// known to be one, else the first word.
func (h *history) nounEnd(words []word, start int) int {
	known := termSet(h.topic)
	for i := start; i < contentRun(words, start); i++ {
		if key := words[i].key(); known[term(key)] || isGenericNoun(key) || isOneThing(key) {
			return i + 1
		}
	}
	return start + 1
}

// named is the topic in the place of "this method" or "this library".
func (h *history) named(pointer word, nouns []word) string {
	nouns = slices.Clone(nouns)
	last := &nouns[len(nouns)-1]
	last.trail = ""
	key := last.key()
	switch {
	case termSet(h.topic)[term(key)], isOneThing(key):
		return h.topic
	case isGenericNoun(key): // "those steps"
		return "the " + joinWords(nouns) + " of " + h.topic
	}
	return pointer.core + " " + joinWords(nouns) + " (" + h.topic + ")"
}

func possessive(s string) string {
	if strings.HasSuffix(s, "s") {
		return s + "'"
	}
	return s + "'s"
}

// pointsBack says whether the anaphor at i means something from an earlier
// turn, and not something named in this one.
func pointsBack(words []word, i int) bool {
	if isDemonstrative(words[i].key()) && !demonstrates(words, i) {
		return false
	}
	boundary := false
	switch words[i].key() {
	case "its", "their", "his", "her": // "does bleve keep its files": no clause in between is needed
		boundary = true
	}
	for j := i - 1; j >= 0; j-- {
		w := words[j]
		if strings.ContainsAny(w.trail, ",;:.?!") || isClauseWord(w.key()) {
			boundary = true
		}
		if boundary && isNominal(words, j) && !isGenericNoun(w.key()) && !isFollowUp(w.key()) {
			return false
		}
	}
	return true
}

// demonstrates tells "how does that work" from "the tools that work".
func demonstrates(words []word, i int) bool {
	if hasNoun(words, i) {
		nouns := phrase{start: i + 1, end: contentRun(words, i+1)}
		if isTime(words[i+1].key()) || hasName(words, nouns) { // "this year", "this Go module"
			return false
		}
	}
	if words[i].key() != "that" || i == 0 || i == len(words)-1 {
		return true
	}
	before := words[i-1].key()
	return isPreposition(before) || isAuxiliary(before) || isQuestionWord(before) || words[i].trail != "" ||
		before == "about" || before == "of" || before == "like" || before == "to" || before == "than" || before == "and"
}

// hasNoun says whether the demonstrative at i belongs to the word after it.
func hasNoun(words []word, i int) bool {
	return i+1 < len(words) && words[i].trail == "" && isNominal(words, i+1)
}

func isAnaphor(key string) bool {
	switch key {
	case "it", "its", "it's", "itself", "they", "them", "their", "theirs", "they're", "he", "him", "his", "he's", "she", "her",
		"hers", "she's", "this", "that", "these", "those", "that's":
		return true
	}
	return false
}

func isDemonstrative(key string) bool {
	return key == "this" || key == "that" || key == "these" || key == "those"
}

func isClauseWord(key string) bool {
	switch key {
	case "and", "but", "if", "when", "because", "so", "while", "or", "what", "how", "where", "who", "which", "whether", "why", "that", "before", "after", "than", "once", "until":
		return true
	}
	return false
}

func isTime(key string) bool {
	switch key {
	case "year", "week", "month", "day", "days", "morning", "time", "evening", "century", "moment":
		return true
	}
	return false
}

// isOneThing: nouns that only stand for what was named before.
func isOneThing(key string) bool {
	switch key {
	case "approach", "method", "technique", "concept", "idea", "thing", "things", "topic", "process", "strategy", "one", "ones", "term":
		return true
	}
	return false
}
