package builtin

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxTurns       = 20  // the latest; topics do not live longer
	maxRewriteTurn = 400 // bytes; a longer turn says what it is about
)

// rewrite makes the last turn a question that stands alone, by the words of
// the turns before it. It is English by rules; for scripts other than Latin it
// only adds the words of the turn before to a short one. A turn that stands
// alone, or that it cannot make sense of, comes back as it is.
func rewrite(turns []string) string {
	if len(turns) == 0 {
		return ""
	}
	turns = turns[max(0, len(turns)-maxTurns):]
	var h history
	for _, turn := range turns[:len(turns)-1] {
		h.add(strings.TrimSpace(turn))
	}
	text, _ := h.resolve(strings.TrimSpace(turns[len(turns)-1]))
	return text
}

// history is what the turns so far are about.
type history struct {
	question string // the latest, standing alone
	topic    string // its noun phrase, perhaps inherited
	action   string // "parse a file" of "how do I parse a file?"
}

func (h *history) add(turn string) {
	if len(turn) > maxRewriteTurn {
		turn = clip(turn, maxRewriteTurn)
	}
	text, topic := h.resolve(turn)
	if topic != "" {
		h.topic = topic
	}
	if len(splitWords(text)) > 0 && topic+h.topic != "" {
		h.question = text
	}
	if m := actionForm.FindStringSubmatch(text); m != nil {
		h.action = m[1]
	} else if topic != "" {
		h.action = ""
	}
}

var (
	actionForm = regexp.MustCompile(`(?i)^(?:and |but |so )?how (?:do|can|could|should|would|to)(?: (?:i|you|we|one|people))? (.+?)[\s?.!]*$`)
	// "is it possible to": this it stands for nothing.
	emptyIt = regexp.MustCompile(`(?i)\b(?:is|was|isn't|would|will) it (?:be )?(?:\w+ )?(?:possible|necessary|true|better|worth|safe|hard|easy|ok|okay|important|useful|normal|legal|common|required|recommended|best|enough|a good idea)(?: \w+)? (?:to|that|if|for|when|\w+ing)\b` +
		`|\bit(?:'s| is| was) (?:\w+ )?(?:possible|necessary|true|better|worth|safe|hard|easy|ok|okay|important|useful|normal|common|best|enough) (?:to|that|if)\b` +
		`|\b(?:does|did|will|would) it take (?:\w+ ){0,4}to\b|\b(?:make|makes|making|made|find) it (?:\w+ )?(?:possible|easy|hard|easier|harder|difficult)\b`)
)

// resolve gives the turn standing alone, and its topic if it brings a new one.
func (h *history) resolve(turn string) (text, topic string) {
	if !mostlyLatin(turn) {
		return h.resolveOther(turn)
	}
	if h.topic == "" || len(turn) > maxRewriteTurn {
		return turn, topicOf(turn)
	}
	words, joined := trimFillers(splitWords(turn))
	if len(words) == 0 {
		return turn, ""
	}
	for _, form := range []func([]word) (string, string, bool){h.bareQuestion, h.whatAbout, h.fragment, h.pronoun, h.aspect} {
		if text, topic, ok := form(words); ok {
			return capitalise(text), topic
		}
	}
	if joined || len(words) <= 2 && strings.HasSuffix(turn, "?") {
		if isNounPhrase(words) && !slices.ContainsFunc(words, func(w word) bool { return strings.Contains(h.topic, w.core) }) {
			return capitalise(h.beside(joinWords(words))), topicOf("about " + joinWords(words))
		}
	}
	return turn, topicOf(turn)
}

// trimFillers drops "ok, thanks. And" from the beginning; joined says that
// there was an "and" or the like.
func trimFillers(words []word) (rest []word, joined bool) {
	for i, w := range words {
		switch key := w.key(); {
		case key == "and" || key == "or" || key == "but" || key == "so" || key == "also" || key == "then":
			joined = true
		case isFiller(key), key == "you" && i > 0 && words[i-1].key() == "thank", key == "i" && i+1 < len(words) && words[i+1].key() == "see",
			key == "got" && i+1 < len(words) && words[i+1].key() == "it", key == "it" && i > 0 && words[i-1].key() == "got":
		default:
			return words[i:], joined
		}
	}
	return nil, joined
}

// bareQuestion: "why?", "how so?", "when exactly?"
func (h *history) bareQuestion(words []word) (string, string, bool) {
	asks := words[0].key()
	for _, w := range words[1:] {
		switch w.key() {
		case "so", "not", "come", "exactly", "is", "that", "else", "precisely", "then":
		default:
			return "", "", false
		}
	}
	previous := trimQuestion(h.question)
	first := ""
	if w := splitWords(previous); len(w) > 0 {
		first = w[0].key()
	}
	switch asks {
	case "why", "how", "when", "where":
		if isAuxiliary(first) { // "does it matter?" - "why?"
			return asks + " " + strings.ToLower(previous[:1]) + previous[1:] + "?", "", true
		}
		if asks == "how" {
			return "how does " + h.topic + " work?", "", true
		}
	case "who", "which", "what":
		if len(words) > 1 && words[1].key() == "is" { // "what is that?" has a pronoun to resolve
			return "", "", false
		}
	default:
		return "", "", false
	}
	if len(words) > 1 && words[len(words)-1].key() == "else" {
		return asks + " else about " + h.topic + "?", "", true
	}
	return asks + " " + h.topic + "?", "", true
}

// whatAbout: "what about memory?"
func (h *history) whatAbout(words []word) (string, string, bool) {
	if len(words) < 3 || words[1].key() != "about" || words[0].key() != "what" && words[0].key() != "how" {
		return "", "", false
	}
	thing := words[2:]
	if len(thing) > 6 || slices.ContainsFunc(thing, func(w word) bool { return isAnaphor(w.key()) }) {
		return "", "", false
	}
	if text, _, ok := h.fragment(thing); ok { // "what about in Python?"
		return text, "", true
	}
	// With a word before it, a capital at its beginning counts as a name's.
	return h.beside(joinWords(thing)), topicOf("about " + joinWords(thing)), true
}

// beside asks about a further thing without losing the topic.
func (h *history) beside(thing string) string {
	return "what about " + trimQuestion(thing) + " and " + h.topic + "?"
}

// fragment: "in Python?" asks the question before with another circumstance.
func (h *history) fragment(words []word) (string, string, bool) {
	first := words[0].key()
	if !isPreposition(first) || len(words) < 2 || len(words) > 6 {
		return "", "", false
	}
	for _, w := range words {
		if isQuestionWord(w.key()) || isAuxiliary(w.key()) || isAnaphor(w.key()) {
			return "", "", false
		}
	}
	base := splitWords(trimQuestion(h.question))
	for i := len(base) - 2; i > 0; i-- { // "sort a list in Java" loses its "in Java"
		if base[i].key() == first && len(base)-i <= 4 {
			base = base[:i]
			break
		}
	}
	return joinWords(base) + " " + trimQuestion(joinWords(words)) + "?", "", true
}

// aspect: "what are the advantages?", "more examples": of the topic.
func (h *history) aspect(words []word) (string, string, bool) {
	last := "" // the last word with any meaning
	for _, w := range words {
		key := w.key()
		switch {
		case isGenericNoun(key), isWeakWord(key), isFollowUp(key):
			last = key
		case isStopWord(key), isFiller(key):
		default:
			return "", "", false
		}
	}
	text := trimQuestion(joinWords(words))
	if last == "" && len(words) > 1 && words[0].key() == "how" && (words[1].key() == "many" || words[1].key() == "much") {
		last = words[1].key()
	}
	link := "for"
	switch {
	case last == "" || isFollowUp(last):
		link = "about"
		if words[len(words)-1].key() == "mean" {
			link = "by"
		}
	case strings.HasPrefix(last, "difference") && strings.Contains(h.topic, " and "):
		link = "between"
	case isGenericNoun(last) && words[len(words)-1].key() == last:
		link = "of"
	}
	mark := ""
	if isQuestionWord(words[0].key()) || isAuxiliary(words[0].key()) || strings.HasSuffix(joinWords(words), "?") {
		mark = "?"
	}
	return text + " " + link + " " + h.topic + mark, "", true
}

func trimQuestion(s string) string { return strings.TrimRight(s, " ?.!,;:") }

func capitalise(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if isName(firstWord(s)) { // "nDCG" stays
		return s
	}
	return string(unicode.ToUpper(r)) + s[size:]
}

// isNounPhrase: a fragment without anything that would make it a sentence.
func isNounPhrase(words []word) bool {
	if len(words) > 5 {
		return false
	}
	return !slices.ContainsFunc(words, func(w word) bool {
		key := w.key()
		return isQuestionWord(key) || isAuxiliary(key) || isVerb(key) || isVerbMarker(key) || isFollowUp(key)
	})
}

func isQuestionWord(key string) bool {
	switch key {
	case "what", "what's", "which", "who", "whom", "whose", "who's", "when", "where", "why", "how", "how's":
		return true
	}
	return false
}

func isAuxiliary(key string) bool {
	switch key {
	case "is", "are", "was", "were", "do", "does", "did", "can", "could", "will", "would", "should", "shall", "may",
		"might", "must", "has", "have", "had", "isn't", "aren't", "doesn't", "don't", "can't", "won't", "didn't", "wasn't", "weren't", "couldn't", "shouldn't", "wouldn't":
		return true
	}
	return false
}

func isPreposition(key string) bool {
	switch key {
	case "in", "for", "with", "on", "at", "from", "by", "without", "under", "since", "using", "via", "during", "before", "after":
		return true
	}
	return false
}

// isFollowUp: verbs that ask for more of the same.
func isFollowUp(key string) bool {
	switch key {
	case "elaborate", "continue", "expand", "clarify", "summarize", "summarise", "simplify", "rephrase", "further", "go", "deeper", "detail":
		return true
	}
	return false
}
