package load

import (
	"bytes"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/html"
)

// visibleHTML is a page less the text that a browser does not show: that of
// elements with the attribute hidden, and of those that a style attribute, or a
// simple rule of the page's own, hides, makes too small to read, puts off the
// screen or paints in its background's colour. All tags stay, so what is
// visible is read as it was before. Scripts and comments are the readers' matter.
//
// Not taken for hidden: closed <details>, aria-hidden, what other files' styles
// or scripts hide, and text for screen readers where the page's own rules hide
// it under one of the usual names (sr-only, visually-hidden).
func visibleHTML(page string) string { return without(page, hiddenRanges(page, false)) }

// wordlessHTML is visibleHTML, but hidden text without a letter or digit stays.
// Many blogs have a hidden "#" in every heading, which is a part of the text
// that the origin's loader takes from a page by class; it can order nothing.
func wordlessHTML(page string) string {
	words := slices.DeleteFunc(hiddenRanges(page, false), func(s span) bool {
		return strings.IndexFunc(html.UnescapeString(page[s.from:s.to]), func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }) < 0
	})
	return without(page, words)
}

// span is a range of bytes, [from, to).
type span struct{ from, to int }

func without(s string, cut []span) string {
	if len(cut) == 0 {
		return s
	}
	var b strings.Builder
	at := 0
	for _, c := range cut {
		b.WriteString(s[at:c.from])
		at = c.to
	}
	b.WriteString(s[at:])
	return b.String()
}

// hiddenRanges are the texts, and with comments the comments, of a page that
// are not shown, in order.
func hiddenRanges(page string, comments bool) []span {
	w := newHiddenWalk(pageRules(page))
	var cut []span
	at := 0
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		token := z.Next()
		raw := z.Raw()
		from, to := at, at+len(raw)
		at = to
		switch token {
		case html.ErrorToken:
			return cut
		case html.TextToken:
			if w.hidden() {
				cut = append(cut, span{from, to})
			}
		case html.CommentToken:
			if comments {
				cut = append(cut, span{from, to})
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			plain := !w.rules.any() && w.look().back == "" && !mayHide(raw)
			tag, more := z.TagName()
			name := string(tag)
			var e element
			if !plain && more {
				e = readElement(z)
			}
			w.start(name, e, token == html.SelfClosingTagToken)
		case html.EndTagToken:
			tag, _ := z.TagName()
			w.end(string(tag))
		}
	}
}

// mayHide says whether a start tag can have an attribute that hides.
func mayHide(tag []byte) bool {
	for _, word := range []string{"style", "hidden", "color", "STYLE", "HIDDEN", "COLOR", "Style", "Hidden", "Color"} {
		if bytes.Contains(tag, []byte(word)) {
			return true
		}
	}
	return false
}

// element is what is looked at of a start tag.
type element struct {
	hidden         bool
	id, class      string
	style          string
	color, bgcolor string
}

func readElement(z *html.Tokenizer) element {
	var e element
	for more := true; more; {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "hidden":
			e.hidden = !strings.EqualFold(string(value), "until-found") // a search in the page finds that
		case "id":
			e.id = string(value)
		case "class":
			e.class = string(value)
		case "style":
			if e.style == "" { // the first one counts
				e.style = string(value)
			}
		case "color":
			e.color = string(value)
		case "bgcolor":
			e.bgcolor = string(value)
		}
	}
	return e
}

// hiddenWalk follows the open elements of a page as a browser would open and
// close them, as far as that matters: HTML Living Standard, 13.2.6.
type hiddenWalk struct {
	rules     rules
	stack     []openElement
	names     []string // by number
	numbers   map[string]int32
	open      []int32 // how often a name is in stack, by its number
	looks     []look
	known     map[look]int32
	lingering map[string]int // hidden <b> and the like that something around them closed: browsers open them again
	lingers   int
}

// openElement is small: a page can open millions.
type openElement struct{ name, look int32 }

func newHiddenWalk(r rules) *hiddenWalk {
	return &hiddenWalk{
		rules: r, names: []string{"?"}, numbers: map[string]int32{}, open: []int32{0},
		looks: []look{{}}, known: map[look]int32{{}: 0}, lingering: map[string]int{},
	}
}

// maxNames bounds the names of elements that are told apart.
const maxNames = 10_000

// number of a name; 0 stands for those that are too many.
func (w *hiddenWalk) number(name string) int32 {
	n, ok := w.numbers[name]
	if !ok && len(w.names) < maxNames {
		n = int32(len(w.names))
		w.numbers[name] = n
		w.names, w.open = append(w.names, name), append(w.open, 0)
	}
	return n
}

func (w *hiddenWalk) lookNumber(l look) int32 {
	n, ok := w.known[l]
	if !ok {
		n = int32(len(w.looks))
		w.looks = append(w.looks, l)
		w.known[l] = n
	}
	return n
}

func (w *hiddenWalk) look() look {
	if len(w.stack) == 0 {
		return look{}
	}
	return w.looks[w.stack[len(w.stack)-1].look]
}

func (w *hiddenWalk) hidden() bool { return w.lingers > 0 || w.look().hides() }

func (w *hiddenWalk) start(name string, e element, selfClosed bool) {
	w.implied(name)
	if isVoid(name) || selfClosed && (w.within("svg") || w.within("math")) {
		return
	}
	l := w.look()
	if e != (element{}) {
		l = l.with(e, w.rules, name == "html" || name == "body") // scripts show pages that begin hidden
	}
	n := w.number(name)
	w.stack = append(w.stack, openElement{n, w.lookNumber(l)})
	w.open[n]++
}

// maxWalk bounds how far down an element is looked for, so that a page with
// very many open elements takes no more than linear time.
const maxWalk = 512

// find is the place of an open element, -1 if there is none above a barrier.
func (w *hiddenWalk) find(name string, barrier func(string) bool) int {
	n := w.number(name)
	if w.open[n] == 0 {
		return -1
	}
	for i := len(w.stack) - 1; i >= max(0, len(w.stack)-maxWalk); i-- {
		switch open := w.stack[i].name; {
		case open == n:
			return i
		case barrier(w.names[open]):
			return -1
		}
	}
	return -1
}

func (w *hiddenWalk) within(name string) bool {
	return w.find(name, func(string) bool { return false }) >= 0
}

// implied closes what a start tag closes without saying so.
func (w *hiddenWalk) implied(name string) {
	switch name {
	case "li":
		w.close("li", func(n string) bool { return n == "ul" || n == "ol" || scope(n) })
	case "dt", "dd":
		stop := func(n string) bool { return n == "dl" || scope(n) }
		w.close("dt", stop)
		w.close("dd", stop)
	case "option":
		w.close("option", special)
	case "td", "th", "tr", "tbody", "thead", "tfoot":
		table := func(n string) bool { return n == "table" || n == "template" }
		for _, open := range []string{"td", "th"} {
			w.close(open, table)
		}
		if name != "td" && name != "th" {
			w.close("tr", table)
		}
	}
	if special(name) && !isVoid(name) && !inTable(name) || name == "hr" {
		w.close("p", func(n string) bool { return n == "button" || scope(n) })
	}
}

func (w *hiddenWalk) close(name string, barrier func(string) bool) {
	if i := w.find(name, barrier); i >= 0 {
		w.pop(i, "")
	}
}

// pop takes off all from i; by is the name of the end tag that does it.
func (w *hiddenWalk) pop(i int, by string) {
	seen := i == 0 || !w.looks[w.stack[i-1].look].hides()
	for _, open := range w.stack[i:] {
		w.open[open.name]--
		if name := w.names[open.name]; seen && name != by && formatting(name) && w.looks[open.look].hides() {
			w.lingering[name]++
			w.lingers++
		}
	}
	w.stack = w.stack[:i]
}

func (w *hiddenWalk) end(name string) {
	if w.lingering[name] > 0 {
		w.lingering[name]--
		w.lingers--
		return
	}
	barrier := special
	switch {
	case name == "body" || name == "html":
		return // what follows is taken for a part of it
	case special(name):
		barrier = scope
		if inTable(name) || name == "table" {
			barrier = func(n string) bool { return n == "table" || n == "template" }
		}
	}
	if i := w.find(name, barrier); i >= 0 {
		w.pop(i, name)
	}
}

// scope: end tags do not reach beyond these.
func scope(name string) bool {
	switch name {
	case "applet", "caption", "html", "table", "td", "th", "marquee", "object", "template":
		return true
	}
	return false
}

func inTable(name string) bool {
	switch name {
	case "td", "th", "tr", "tbody", "thead", "tfoot", "caption", "colgroup":
		return true
	}
	return false
}

// special: end tags of others do not close these.
func special(name string) bool {
	switch name {
	case "address", "article", "aside", "blockquote", "body", "button", "center", "dd", "details", "dialog", "dir", "div", "dl", "dt", "fieldset",
		"figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "html", "iframe", "li", "listing",
		"main", "menu", "nav", "noscript", "object", "ol", "p", "pre", "search", "section", "select", "summary", "table", "tbody", "td",
		"template", "tfoot", "th", "thead", "title", "tr", "ul":
		return true
	}
	return false
}

func formatting(name string) bool {
	switch name {
	case "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u":
		return true
	}
	return false
}
