package builtin

import (
	"regexp"
	"strings"
)

// question is what a turn asks, as far as choosing sentences needs it.
type question struct {
	terms   map[string]bool
	focus   map[string]bool // the terms of its noun phrase
	generic map[string]bool // terms that say how, not what: "ways", "common"
	kind    kind
	subject []string // of a definition
}

type kind int

const (
	other kind = iota
	definition
	enumeration
	reason
	quantity
)

var (
	definitionForm = regexp.MustCompile(`(?i)^(?:so |and |but |ok,? |please )*(?:what(?:'s|’s| is| are| was| were)|who(?:'s| is| was)|define|explain|describe|what does|what do)\s+(.+?)(?:\s+(?:mean|stand for|about))?[\s?.!]*$`)
	reasonForm     = regexp.MustCompile(`(?i)\b(?:why|reason|what for|how come)\b`)
	quantityForm   = regexp.MustCompile(`(?i)^(?:and |so |but )?(?:how (?:many|much|long|big|large|fast|often|far|old)|when|what (?:year|size|value|number))\b`)
	enumerated     = regexp.MustCompile(`(?i)\b(?:ways|types|kinds|sorts|forms|methods|approaches|examples|steps|stages|parts|components|techniques|strategies|options|flags|metrics|elements|levels|things|list|tools)\b`)
)

func parseQuestion(text string) question {
	if !mostlyLatin(text) {
		for _, w := range questionWords() {
			text = strings.ReplaceAll(text, w, " ")
		}
	}
	q := question{terms: termSet(text), focus: termSet(topicOf(text)), generic: map[string]bool{}}
	for _, word := range strings.Fields(text) {
		if isGenericNoun(bare(word)) || isWeakWord(bare(word)) {
			q.generic[term(bare(word))] = true
		}
	}
	delete(q.terms, term("many"))
	delete(q.terms, term("much"))
	if m := definitionForm.FindStringSubmatch(strings.TrimSpace(text)); m != nil {
		q.subject = terms(m[1])
	}
	switch {
	case quantityForm.MatchString(text): // before "steps": how many steps?
		q.kind = quantity
	case enumerated.MatchString(text):
		q.kind = enumeration
	case reasonForm.MatchString(text):
		q.kind = reason
	case len(q.subject) > 0 && len(q.subject) <= 4:
		q.kind = definition
	}
	return q
}

// bare is a word in lower case without the punctuation around it.
func bare(word string) string {
	word = strings.ToLower(strings.ReplaceAll(word, "’", "'"))
	return strings.Trim(word, `.,;:!?"'()[]“”‘…*`)
}

// isWeakWord: adjectives and verbs of questions that say little by themselves.
func isWeakWord(word string) bool {
	switch word {
	case "common", "typical", "usual", "main", "important", "best", "good", "better", "different", "various", "popular",
		"use", "used", "using", "work", "works", "working", "need", "needed", "needs", "make", "makes", "happen", "happens",
		"know", "want", "way", "new", "first", "many", "much", "long", "big", "often", "take", "takes", "help", "helps":
		return true
	}
	return false
}

// isGenericNoun: nouns that ask for an aspect of something named elsewhere
// ("the advantages" of what?).
func isGenericNoun(word string) bool {
	switch word {
	case "way", "ways", "type", "types", "kind", "kinds", "sort", "sorts", "form", "forms", "method", "methods",
		"approach", "approaches", "technique", "techniques", "strategy", "strategies", "option", "options",
		"example", "examples", "step", "steps", "stage", "stages", "part", "parts", "component", "components",
		"advantage", "advantages", "disadvantage", "disadvantages", "benefit", "benefits", "drawback", "drawbacks",
		"pro", "pros", "con", "cons", "limit", "limits", "limitation", "limitations", "problem", "problems",
		"difference", "differences", "alternative", "alternatives", "detail", "details", "reason", "reasons",
		"use", "uses", "case", "cases", "cost", "costs", "purpose", "definition", "meaning", "point", "points",
		"idea", "ideas", "concept", "concepts", "thing", "things", "topic", "topics", "process", "processes",
		"risk", "risks", "challenge", "challenges", "effect", "effects", "history", "result", "results",
		"list", "overview", "summary", "one", "ones", "name", "names", "price", "author", "inventor", "info", "information":
		return true
	}
	return false
}
