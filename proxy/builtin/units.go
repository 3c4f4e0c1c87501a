package builtin

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/sentences"
)

// unit is one thing that an answer may quote: a sentence, a list item, or a
// list with the sentence that announces it.
type unit struct {
	text    string
	heading string // the nearest heading above, within the passage
	n       int    // the passage's number
	rank    int    // the passage's place among the passages, from 0
	pos     int    // place within the passage
	list    bool   // announced list, the whole of it
	item    bool   // one item of a list
	cut     bool   // the chunk begins or ends in the middle of it
}

const (
	maxPassageText = 20_000 // bytes; a chunk is a thousand or so
	terminals      = ".!?。！？…"
)

// unitReader cuts one passage; its fields are the state between two lines.
type unitReader struct {
	passage   passage
	rank      int
	units     []unit
	heading   string
	paragraph string
	items     []string
	intro     int // index of the unit that announces items, -1 if none does
}

// units cuts a passage into what can be quoted from it: no headings, tables
// or code.
func units(p passage, rank int) []unit {
	r := &unitReader{passage: p, rank: rank, intro: -1}
	text := p.text
	if len(text) > maxPassageText {
		text = text[:maxPassageText]
	}
	lines := strings.Split(strings.ToValidUTF8(text, ""), "\n")
	fenced := false
	for i, raw := range lines {
		line := strings.TrimSpace(raw)
		if strings.HasPrefix(line, "```") || strings.HasPrefix(line, "~~~") {
			fenced = !fenced
			r.flush()
			continue
		}
		if fenced {
			continue
		}
		next := ""
		if i+1 < len(lines) {
			next = strings.TrimSpace(lines[i+1])
		}
		r.line(raw, line, next)
	}
	r.flush()
	r.markCuts()
	return r.units
}

var bullet = regexp.MustCompile(`^(?:[-*+•–]|\d{1,3}[.)]|\(\d{1,2}\))\s+`)

func (r *unitReader) line(raw, line, next string) {
	switch {
	case line == "":
		r.endParagraph()
	case strings.Trim(line, "-=*_ ") == "" || strings.HasPrefix(line, "|"): // rules and tables
		r.flush()
	case strings.HasPrefix(line, "#"):
		r.flush()
		r.heading = strings.TrimSpace(strings.Trim(line, "#"))
	case bullet.MatchString(line):
		r.endParagraph()
		r.items = append(r.items, bullet.ReplaceAllString(line, ""))
	case len(r.items) > 0 && continuesItem(raw, r.items[len(r.items)-1]):
		r.items[len(r.items)-1] += " " + line
	case r.isUnmarkedItem(line):
		r.endParagraph()
		r.items = append(r.items, line)
	case r.paragraph == "" && isHeading(line, next):
		r.flush()
		if !strings.HasPrefix(raw, "    ") { // else it is code
			r.heading = line
		}
	case r.paragraph != "" && continues(r.paragraph, line):
		r.paragraph += " " + line
	default:
		r.flush()
		r.paragraph = line
	}
}

// isHeading: a short line that is no sentence and does not run on.
func isHeading(line, next string) bool {
	return !endsIn(line, terminals+":：;；,，、") && utf8.RuneCountInString(line) <= 60 &&
		len(strings.Fields(line)) <= 10 && !unicode.IsLower(firstRune(next))
}

// continues says whether line is the rest of a hard-wrapped paragraph.
func continues(paragraph, line string) bool {
	const narrow = 40 // nobody wraps prose below this width
	return !endsIn(paragraph, terminals+":：") && (len(paragraph) >= narrow || unicode.IsLower(firstRune(line)))
}

func continuesItem(raw, item string) bool {
	indented := strings.HasPrefix(raw, "  ") || strings.HasPrefix(raw, "\t")
	return indented && !endsIn(item, terminals+";")
}

// isUnmarkedItem: the text of an HTML list has no bullets, only lines that
// end in semicolons after a line that ends in a colon.
func (r *unitReader) isUnmarkedItem(line string) bool {
	if len(r.items) > 0 {
		return endsIn(r.items[len(r.items)-1], ";；")
	}
	announced := endsIn(r.paragraph, ":：") || r.paragraph == "" && r.intro >= 0
	return announced && endsIn(line, ";；")
}

func endsIn(s, runes string) bool {
	s = strings.TrimRight(s, `"'”’»)]』」`)
	last, size := utf8.DecodeLastRuneInString(s)
	return size > 0 && strings.ContainsRune(runes, last)
}

// flush ends the paragraph and the list before something else begins.
func (r *unitReader) flush() {
	r.endParagraph()
	r.endList()
}

func (r *unitReader) endParagraph() {
	if r.paragraph == "" {
		return
	}
	r.endList()
	for _, s := range splitSentences(clean(r.paragraph)) {
		r.add(unit{text: s})
	}
	if endsIn(r.paragraph, ":：") && len(r.units) > 0 {
		r.intro = len(r.units) - 1
	}
	r.paragraph = ""
}

func (r *unitReader) endList() {
	if r.intro >= 0 && len(r.items) > 1 {
		parts := make([]string, len(r.items))
		for i, item := range r.items {
			parts[i] = strings.TrimRight(clean(item), " .;,")
		}
		intro := &r.units[r.intro]
		end := "."
		if endsIn(r.items[len(r.items)-1], ";；,") { // the chunk ends before the list does
			end = "; …"
		}
		intro.text += " " + strings.Join(parts, "; ") + end
		intro.list = true
	}
	for _, item := range r.items {
		item = strings.TrimRight(clean(item), " ;,")
		if item != "" && !endsIn(item, terminals) {
			item += "."
		}
		r.add(unit{text: capitalise(item), item: true})
	}
	r.items, r.intro = nil, -1
}

func (r *unitReader) add(u unit) {
	if u.text == "" {
		return
	}
	u.heading, u.n, u.rank, u.pos = r.heading, r.passage.n, r.rank, len(r.units)
	r.units = append(r.units, u)
}

// markCuts finds what is not whole: a first unit that begins in lower case, a
// last one that does not end, an announcement of what does not follow.
func (r *unitReader) markCuts() {
	if len(r.units) == 0 {
		return
	}
	first, last := &r.units[0], &r.units[len(r.units)-1]
	opensText := strings.HasPrefix(strings.TrimLeft(r.passage.text, " \n\t"), firstWord(first.text))
	if opensText && beginsCut(first.text) && !termSet(r.passage.title)[term(firstWord(first.text))] {
		first.cut = true
	}
	if !endsIn(last.text, terminals) {
		last.cut = true
	}
	for i, u := range r.units {
		if endsIn(u.text, ":：") { // announces what is not here
			r.units[i].cut = true
		}
	}
}

// beginsCut: names like nDCG and k1 may begin a sentence.
func beginsCut(s string) bool {
	word := firstWord(s)
	plain := strings.IndexFunc(word, func(r rune) bool { return unicode.IsUpper(r) || unicode.IsDigit(r) }) < 0
	return plain && unicode.IsLower(firstRune(word)) || strings.ContainsRune(",;:.)]!?。，、", firstRune(s))
}

func firstWord(s string) string {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i]
	}
	return s
}

var (
	link     = regexp.MustCompile(`!?\[([^\[\]]*)\]\([^()\s]*\)`)
	citation = regexp.MustCompile(`\s?\[\d+(?:\s*[,–-]\s*\d+)*\]`)
	markup   = strings.NewReplacer("**", "", "__", "", "`", "")
)

// clean drops inline Markdown and the text's own citation marks, which would
// be taken for ours.
func clean(s string) string {
	s = link.ReplaceAllString(s, "$1")
	s = citation.ReplaceAllString(s, "")
	return strings.Join(strings.Fields(markup.Replace(s)), " ")
}

// splitSentences cuts by UAX #29 and mends the cuts that it makes after
// abbreviations.
func splitSentences(text string) []string {
	var out []string
	open := false // the last of out goes on
	tokens := sentences.FromString(text)
	for tokens.Next() {
		s := strings.TrimSpace(tokens.Value())
		if s == "" {
			continue
		}
		first := firstRune(s)
		if len(out) > 0 && (open || unicode.IsLower(first) || strings.ContainsRune(",;:)]", first)) {
			out[len(out)-1] += " " + s
		} else {
			out = append(out, s)
		}
		open = endsInAbbreviation(s)
	}
	return out
}

func endsInAbbreviation(s string) bool {
	word := s[strings.LastIndexAny(s, " (")+1:]
	switch strings.ToLower(word) {
	case "e.g.", "i.e.", "vs.", "cf.", "al.", "dr.", "mr.", "mrs.", "ms.", "prof.", "st.", "no.", "fig.", "eq.", "approx.", "jr.":
		return true
	}
	if len(word) != 2 || word[1] != '.' {
		return false
	}
	return unicode.IsUpper(rune(word[0])) || unicode.IsDigit(rune(word[0])) && word == s // an initial, a list's number
}

// clip shortens text to at most max characters, at a word's end.
func clip(text string, max int) string {
	runes := []rune(text)
	if len(runes) <= max {
		return text
	}
	short := string(runes[:max-1])
	if i := strings.LastIndexByte(short, ' '); i > len(short)/2 {
		short = short[:i]
	}
	return strings.TrimRight(short, " ,;:.") + "…"
}
