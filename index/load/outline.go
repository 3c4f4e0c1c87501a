package load

import (
	"strings"
	"unicode/utf8"

	"github.com/ragproxy/ragproxy/index"
)

// maxHeading is how many bytes of a heading stand in a path.
const maxHeading = 300

// outline follows the headings of a text.
type outline struct {
	levels []int
	titles []string
}

// enter takes a heading of a level, from 1, and returns the path to it:
// "Guide > Install > On Linux".
func (o *outline) enter(level int, title string) string {
	if len(title) > maxHeading {
		title = strings.ToValidUTF8(title[:maxHeading], "") + "…"
	}
	for len(o.levels) > 0 && o.levels[len(o.levels)-1] >= level {
		o.levels, o.titles = o.levels[:len(o.levels)-1], o.titles[:len(o.titles)-1]
	}
	o.levels, o.titles = append(o.levels, level), append(o.titles, title)
	return strings.Join(o.titles, " > ")
}

// heading is one of a text that was found by its bytes.
type heading struct {
	start, end int // of its text, in bytes; end is 0 until it is known
	lead       int // bytes of its line before the text: "## "
	level      int // from 1
}

// headingLevel is the level of HTML's h1 to h6; 0 for any other element.
func headingLevel(tag string) int {
	if len(tag) == 2 && tag[0] == 'h' && '1' <= tag[1] && tag[1] <= '6' {
		return int(tag[1] - '0')
	}
	return 0
}

// headingMarks marks a text at its headings, which are in their order.
func headingMarks(text string, headings []heading) []index.Mark {
	var marks []index.Mark
	var o outline
	bytes, runes := 0, 0
	for _, h := range headings {
		runes += utf8.RuneCountInString(text[bytes : h.start-h.lead])
		bytes = h.start - h.lead
		end := min(h.end, h.start+4*maxHeading, len(text)) // a heading that is never closed ends nowhere
		if title := collapse(strings.ToValidUTF8(text[h.start:max(h.start, end)], "")); title != "" {
			marks = addMark(marks, runes, map[string]any{"heading": o.enter(h.level, title)})
		}
	}
	return marks
}
