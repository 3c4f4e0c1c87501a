package builtin

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
)

const (
	disclosure = "(Sentences picked by ragproxy's builtin demo upstream; it is not a language model.)"

	maxSentences  = 3
	maxSentence   = 350 // characters
	maxList       = 500 // the same for a list, which loses whole items
	maxQuestion   = 2000
	minCoverage   = 0.34 // of the question's weight, for a sentence to count as an answer
	minShareOfTop = 0.6  // of the best sentence's score and coverage, for a further sentence
	minDefinition = 0.75 // the same for definitions, of which one is enough
	sameThing     = 0.75 // share of the shorter sentence's terms that makes two the same
)

// reply answers the last user turn from the passages in the messages.
func reply(messages []message) string {
	passages, turns := readMessages(messages)
	if len(turns) == 0 {
		return "I don't know: there is no question in the messages.\n\n" + disclosure
	}
	// A follow-up is as hard to match as it is to search.
	q := rewrite(turns)
	if len(passages) == 0 {
		return "I don't know: no passages came with the question, and I can only quote passages.\n\n" + disclosure
	}
	chosen := choose(q, passages)
	if len(chosen) == 0 {
		return "I don't know: none of the passages that were found says something about this.\n\n" + disclosure
	}
	var b strings.Builder
	for i, u := range chosen {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s [%d]", shorten(u), u.n)
	}
	return b.String() + "\n\n" + disclosure
}

func shorten(u unit) string {
	if !u.list {
		return clip(u.text, maxSentence)
	}
	short := clip(u.text, maxList)
	if i := strings.LastIndex(short, "; "); short != u.text && i > 0 {
		return short[:i] + "; …"
	}
	return short
}

// readMessages separates the passages from what the user said.
func readMessages(messages []message) ([]passage, []string) {
	var all []passage
	var turns []string
	marker := ""
	for _, m := range messages {
		if m.role == "assistant" || m.role == "tool" || m.role == "function" {
			continue
		}
		found, spans, mark := findPassages(m.text, marker)
		all, marker = append(all, found...), mark
		if m.role != "user" {
			continue
		}
		text := m.text
		if len(spans) > 0 {
			text = beside(m.text, spans)
		}
		if strings.TrimSpace(text) != "" {
			turns = append(turns, text)
		}
	}
	return all, turns
}

// beside is the user's question in a message that also holds the passages: it
// stands after them or before them, perhaps next to instructions.
func beside(text string, spans []span) string {
	after := strings.TrimSpace(text[spans[len(spans)-1].end:])
	if after != "" {
		return asked(after, false)
	}
	return asked(strings.TrimSpace(text[:spans[0].start]), true)
}

// asked is the paragraph that asks something; without one it is the first
// paragraph or the whole text.
func asked(text string, first bool) string {
	paragraphs := strings.Split(text, "\n\n")
	for _, p := range slices.Backward(paragraphs) {
		if strings.ContainsAny(p, "?？") {
			return strings.TrimSpace(p)
		}
	}
	if first {
		return paragraphs[0]
	}
	return text
}

// scored is a unit on its way to being chosen.
type scored struct {
	unit
	terms    map[string]bool
	coverage float64
	score    float64
}

// choose returns the one to three units that answer best, the best first and
// the others in the order of the passages.
func choose(text string, passages []passage) []unit {
	q := parseQuestion(clip(text, maxQuestion))
	candidates := scoreAll(q, passages)
	slices.SortStableFunc(candidates, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	if len(candidates) > 100 {
		candidates = candidates[:100]
	}
	share := minShareOfTop
	if q.kind == definition {
		share = minDefinition
	}
	var chosen []scored
	for _, c := range candidates {
		if c.coverage < minCoverage {
			continue
		}
		if len(chosen) > 0 && (c.score < share*chosen[0].score || c.coverage < minShareOfTop*chosen[0].coverage) {
			continue
		}
		if !slices.ContainsFunc(chosen, func(o scored) bool { return overlap(c.terms, o.terms) >= sameThing }) {
			chosen = append(chosen, c)
		}
		if len(chosen) == maxSentences {
			break
		}
	}
	if len(chosen) > 2 {
		slices.SortFunc(chosen[1:], func(a, b scored) int { return cmp.Or(a.rank-b.rank, a.pos-b.pos) })
	}
	var out []unit
	for _, c := range chosen {
		out = append(out, c.unit)
	}
	return out
}

func scoreAll(q question, passages []passage) []scored {
	var all []scored
	frequency := map[string]int{}
	for rank, p := range passages {
		for _, u := range units(p, rank) {
			s := scored{unit: u, terms: termSet(u.text)}
			for t := range s.terms {
				frequency[t]++
			}
			all = append(all, s)
		}
	}
	weights, total := weigh(q, frequency, len(all))
	if total == 0 {
		return nil
	}
	for i := range all {
		s := &all[i]
		context := termSet(s.heading + " " + passages[s.rank].title)
		near := 0.0
		for _, t := range slices.Sorted(maps.Keys(weights)) { // sorted: sums of floats depend on the order
			switch {
			case s.terms[t]:
				s.coverage += weights[t] / total
			case context[t]:
				near += weights[t] / total
			}
		}
		s.score = s.coverage + 0.4*near + fit(q, s.unit)
		s.coverage += 0.4 * near
	}
	return all
}

// weigh gives each term of the question its rarity among the units.
func weigh(q question, frequency map[string]int, n int) (map[string]float64, float64) {
	weights, total := map[string]float64{}, 0.0
	for _, t := range slices.Sorted(maps.Keys(q.terms)) {
		w := math.Log(1 + float64(n+1)/float64(frequency[t]+1))
		switch {
		case q.generic[t]:
			w /= 3
		case q.focus[t]:
			w *= 1.6
		}
		weights[t] = w
		total += w
	}
	return weights, total
}

func overlap(a, b map[string]bool) float64 {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(a) == 0 {
		return 1
	}
	shared := 0
	for t := range a {
		if b[t] {
			shared++
		}
	}
	return float64(shared) / float64(len(a))
}

var (
	leansBack = regexp.MustCompile(`^(?i:it|its|this|that|these|those|they|their|he|she|both|such|but|also|so|however|there it)\b`)
	numbered  = regexp.MustCompile(`\(1\).*\(2\)|(?i)\bfirst\b.*\bsecond\b`)
	counted   = regexp.MustCompile(`(?i)\b(?:two|three|four|five|six|seven|several)\b`)
	because   = regexp.MustCompile(`(?i)\b(?:because|since|so that|therefore|reason|hence|which is why|due to)\b`)
	digits    = regexp.MustCompile(`\d`)
)

// fit is how well a unit's form suits the question, about -1 to 1.
func fit(q question, u unit) float64 {
	score := -0.03 * float64(min(u.rank, 5)) // the passages come best first
	if u.cut {
		score -= 0.5
	}
	if strings.HasSuffix(u.text, "?") || strings.HasSuffix(u.text, "？") {
		score -= 0.5
	}
	if leansBack.MatchString(u.text) {
		score -= 0.2
	}
	if u.item {
		score -= 0.25
	}
	if len(u.text) < 30 {
		score -= 0.2
	}
	switch q.kind {
	case definition:
		score += definingForm(q.subject, u.text)
	case enumeration:
		score += enumeratingForm(u)
	case reason:
		score += bonus(because.MatchString(u.text), 0.2)
	case quantity:
		score += bonus(digits.MatchString(u.text), 0.15)
	}
	return score
}

func bonus(holds bool, value float64) float64 {
	if holds {
		return value
	}
	return 0
}

func enumeratingForm(u unit) float64 {
	score := bonus(u.list || numbered.MatchString(u.text), 0.4)
	score += bonus(counted.MatchString(u.text), 0.1)
	return score + bonus(strings.Count(u.text, ",")+strings.Count(u.text, ";")+strings.Count(u.text, "、") >= 2, 0.1)
}

// definingForm rewards a sentence that begins with the subject, more if it
// goes on as definitions do, and "..., memory, which is ...".
func definingForm(subject []string, text string) float64 {
	const early = 3 // words before the subject: "In Go, a ..."
	best := 0.0
	if first := terms(text); len(first) > 0 && slices.Contains(subject, first[0]) {
		best = 0.3
	}
	fields := strings.Fields(text)
	last := map[string]int{} // where a term of the subject was seen
	for i, field := range fields {
		for _, t := range terms(field) {
			last[t] = i
		}
		if !allWithin(subject, last, i-len(subject)) {
			continue
		}
		switch {
		case i < len(subject)+early && defines(fields[i+1:]):
			return 0.5
		case strings.HasSuffix(field, ",") && relative.MatchString(strings.Join(fields[i+1:min(len(fields), i+3)], " ")):
			best = 0.3
		}
	}
	return best
}

var relative = regexp.MustCompile(`^(?:which|who) (?:is|are|means)`)

func allWithin(subject []string, last map[string]int, from int) bool {
	return !slices.ContainsFunc(subject, func(t string) bool {
		at, seen := last[t]
		return !seen || at < from
	})
}

// defines: "is a", "means"; not "is often" or "is slow".
func defines(next []string) bool {
	if len(next) < 2 {
		return false
	}
	switch bare(next[0]) {
	case "means", "mean", "refers", "refer", "describes", "denotes", "stands", "consists", "sind", "ist":
		return true
	case "is", "was", "are", "were":
		switch bare(next[1]) {
		case "a", "an", "the", "one", "any", "what", "whatever", "when", "that":
			return true
		}
		return len(next) > 3 && strings.HasPrefix(bare(next[0]), "are") && (bare(next[2]) == "that" || bare(next[2]) == "which")
	}
	return false
}
