package builtin

import (
	"slices"
	"strings"
	"unicode"
)

// word is one word of a turn with the punctuation around it.
type word struct {
	lead, core, trail string
}

func (w word) String() string { return w.lead + w.core + w.trail }

// key is the word as the word lists have it.
func (w word) key() string { return strings.ToLower(strings.ReplaceAll(w.core, "’", "'")) }

func splitWords(text string) []word {
	var out []word
	for _, field := range strings.Fields(text) {
		isCore := func(r rune) bool {
			return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) || strings.ContainsRune("+#_$%&/@", r)
		}
		start := strings.IndexFunc(field, isCore)
		if start < 0 { // a dash, a smiley: it belongs to the word before
			if len(out) > 0 {
				out[len(out)-1].trail += " " + field
			}
			continue
		}
		end := strings.LastIndexFunc(field, isCore)
		end += len(string(firstRune(field[end:])))
		out = append(out, word{field[:start], field[start:end], field[end:]})
	}
	return out
}

func joinWords(words []word) string {
	parts := make([]string, len(words))
	for i, w := range words {
		parts[i] = w.String()
	}
	return strings.Join(parts, " ")
}

// phrase is a noun phrase: words[start:end] of a turn, with its article.
type phrase struct {
	start, end int
	score      float64
}

const maxTopicWords = 6

// topicOf is the noun phrase that a question is about, with its article and in
// its own spelling; "" if there is none.
func topicOf(text string) string {
	words := splitWords(text)
	if i := lastSentence(words); i > 0 {
		if p, ok := bestPhrase(words[i:]); ok {
			return phraseText(words[i:], p)
		}
	}
	p, ok := bestPhrase(words)
	if !ok {
		return ""
	}
	return phraseText(words, p)
}

// lastSentence is where the last sentence of the words begins.
func lastSentence(words []word) int {
	for i := len(words) - 2; i >= 0; i-- {
		if strings.ContainsAny(words[i].trail, "?!.") {
			return i + 1
		}
	}
	return 0
}

func phraseText(words []word, p phrase) string {
	end := min(p.end, p.start+maxTopicWords+1)
	picked := slices.Clone(words[p.start:end])
	picked[0].lead, picked[len(picked)-1].trail = "", ""
	text := joinWords(picked)
	if article := picked[0].key(); p.start == 0 && isArticle(article) {
		text = strings.ToLower(text[:1]) + text[1:]
	}
	return text
}

// bestPhrase prefers names, then what comes first.
func bestPhrase(words []word) (phrase, bool) {
	var best phrase
	found := false
	for i, p := range phrases(words) {
		p.score -= 0.3 * float64(i)
		if !found || p.score > best.score {
			best, found = p, true
		}
	}
	return best, found
}

// phrases are the noun phrases of a turn. Without a parser, they are what is
// left between the words that cannot be part of one; "of" and "and" join two.
func phrases(words []word) []phrase {
	var out []phrase
	for i := 0; i < len(words); {
		end := contentRun(words, i)
		if end == i {
			i++
			continue
		}
		start := i
		if onlyGeneric(words[start:end]) || end == start+1 && isParticiple(words[start].core) { // "the ways of": the topic comes after
			i = end
			continue
		}
		for end < len(words) && joins(words, end) {
			next := end + 1
			if next < len(words) && isArticle(words[next].key()) {
				next++
			}
			runEnd := contentRun(words, next)
			if runEnd == next {
				break
			}
			end = runEnd
		}
		p := phrase{start: start, end: end, score: salience(words, start, end)}
		if start > 0 && isArticle(words[start-1].key()) && words[start-1].trail == "" {
			p.start--
		}
		out = append(out, p)
		i = end
	}
	return out
}

func isParticiple(s string) bool { return len(s) > 5 && strings.HasSuffix(s, "ed") && !isName(s) }

// joins says whether the word at i links the phrase before it to one after.
func joins(words []word, i int) bool {
	if words[i-1].trail != "" {
		return false
	}
	switch words[i].key() {
	case "of", "and", "or", "vs", "versus", "&":
		return true
	}
	return false
}

// contentRun is the end of the run of words from start on that may be a noun
// phrase; start itself if there is none.
func contentRun(words []word, start int) int {
	i := start
	for i < len(words) && isNominal(words, i) {
		if i > start && isGenericNoun(words[i].key()) && i+1 < len(words) && words[i+1].key() == "of" {
			break // "is insurance part of the contract"
		}
		i++
		if words[i-1].trail != "" {
			break
		}
	}
	return i
}

func isNominal(words []word, i int) bool {
	key := words[i].key()
	if isStopWord(key) || isAnaphor(key) || isFiller(key) || isClauseWord(key) || isPreposition(key) || isAuxiliary(key) ||
		key == "vs" || key == "versus" {
		return false
	}
	if isName(words[i].core) && i > 0 {
		return true
	}
	if key == "store" || key == "stores" { // "a vector store" far more often than "they store"
		return i > 0 && !isVerbMarker(words[i-1].key())
	}
	return !isVerb(key) && !isWeakWord(key) && !afterVerbMarker(words, i)
}

// afterVerbMarker: "to install", "do I install": the word at i is a verb.
func afterVerbMarker(words []word, i int) bool {
	if i == 0 || !isVerbMarker(words[i-1].key()) {
		return false
	}
	return words[i-1].key() != "to" || i == 1 || isVerbalTo(words[i-2].key())
}

func onlyGeneric(words []word) bool {
	return !slices.ContainsFunc(words, func(w word) bool { return !isGenericNoun(w.key()) })
}

// salience is high for names and for what comes after "the ways of", low for
// a circumstance ("in Java").
func salience(words []word, start, end int) float64 {
	score := 0.3 * float64(min(end-start, 3))
	before := start - 1
	if before >= 0 && isArticle(words[before].key()) {
		before--
	}
	switch {
	case before >= 0 && words[before].key() == "of":
		score += 2
	case before >= 0 && isPreposition(words[before].key()):
		score -= 2
	}
	for i := start; i < end; i++ {
		core := words[i].core
		if isName(core) && (i > 0 || len(core) > 1 && strings.ToUpper(core) == core) {
			return score + 2
		}
	}
	return score
}

// isName: capitals or digits, which mean something in the middle of a turn.
func isName(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return unicode.IsUpper(r) || unicode.IsDigit(r) }) >= 0
}

func isArticle(key string) bool { return key == "a" || key == "an" || key == "the" }

func isVerbMarker(key string) bool {
	switch key {
	case "i", "you", "we", "they", "to", "it", "let's", "please":
		return true
	}
	return false
}

// isVerbalTo: "how to", "want to" stand before a verb; "compared to" does not.
func isVerbalTo(key string) bool {
	switch key {
	case "how", "want", "need", "way", "ways", "like", "have", "able", "possible", "used", "going", "best", "easy", "hard", "try", "trying", "better":
		return true
	}
	return false
}

// isFiller: words around a question that are no part of it.
func isFiller(key string) bool {
	switch key {
	case "ok", "okay", "thanks", "thank", "great", "cool", "nice", "yes", "yeah", "no", "right", "sure", "hi", "hello",
		"hey", "well", "hmm", "oh", "ah", "interesting", "alright", "perfect", "sorry", "actually", "really", "exactly",
		"understood", "gotcha", "see", "now", "maybe", "else", "another", "briefly", "short", "simply", "wow", "course", "end", "general", "everyone", "people", "someone":
		return true
	}
	return false
}

// isVerb: common verbs of questions, which separate noun phrases.
func isVerb(key string) bool {
	switch key {
	case "affect", "affects", "improve", "improves", "reduce", "increase", "handle", "handles", "differ", "differs",
		"compare", "compares", "compared", "choose", "pick", "run", "runs", "change", "changes", "cause", "causes",
		"find", "finds", "keep", "keeps", "return", "returns", "support", "supports", "depend",
		"depends", "become", "go", "goes", "come", "comes", "look", "looks", "show", "write", "wrote", "written", "read",
		"invent", "invented", "create", "created", "discuss", "recommend", "suggest", "define", "summarize", "summarise",
		"tell", "call", "called", "add", "remove", "allow", "allows", "prevent", "start", "stop", "build", "learn",
		"understand", "think", "say", "said", "consist", "consists", "contain", "contains", "require", "requires",
		"matter", "matters", "apply", "applies", "solve", "decide", "provide", "provides", "live", "lives", "die", "died",
		"talk", "talking", "elaborate", "continue", "expand", "clarify", "translate", "there":
		return true
	}
	return false
}
