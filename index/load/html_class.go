package load

import (
	"bytes"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	xhtml "golang.org/x/net/html"
)

// classText is the text of the elements whose whole class attribute is one of
// classes, and whether there is such an element. It is the text that
// LangChain's WebBaseLoader gives with
//
//	bs_kwargs={"parse_only": SoupStrainer(class_=classes)}
//
// that is BeautifulSoup(page, "html.parser").get_text() of bs4 4.15, which
// knows nothing of HTML's rules of what may be where: a tag that is never
// closed lasts until one around it is.
func classText(page string, classes []string) (text string, headings []heading, found bool) {
	w := classWalk{classes: classes, open: map[string]int{}, closed: map[string]int{}}
	z := xhtml.NewTokenizer(strings.NewReader(page))
	z.AllowCDATA(true)
	rawText := false // the text to come is that of a script or style
	for {
		token := z.Next()
		switch token {
		case xhtml.ErrorToken:
			w.flush()
			return w.text.String(), w.headings, w.found
		case xhtml.TextToken:
			if section, ok := bytes.CutPrefix(z.Raw(), []byte("<![CDATA[")); ok && !rawText {
				w.cdata(bytes.TrimSuffix(section, []byte("]]>")))
			} else {
				w.data(z.Raw())
			}
		case xhtml.StartTagToken, xhtml.SelfClosingTagToken:
			raw := string(z.Raw())
			name, class, slash := startTag(z)
			selfClosed := token == xhtml.SelfClosingTagToken && !(slash && strings.IndexByte("\"' \t\r\n\f", raw[len(raw)-3]) < 0)
			// html.parser takes only these two for raw text.
			rawText = !selfClosed && (name == "script" || name == "style")
			if !rawText {
				z.NextIsNotRawText()
			}
			w.start(name, class, selfClosed)
		case xhtml.EndTagToken:
			name, _ := z.TagName()
			rawText = false
			w.end(string(name))
		default: // a comment or a declaration parts the text around it
			w.flush()
		}
	}
}

// startTag reads a start tag: its name, the last of its class attributes, and
// whether the last attribute's value ends in a slash (which, if it has no
// quotes, the tokenizer also takes for the end of a self-closing tag).
func startTag(z *xhtml.Tokenizer) (name, class string, slash bool) {
	tag, more := z.TagName()
	name = string(tag)
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		if string(key) == "class" {
			class = string(value)
		}
		slash = bytes.HasSuffix(value, []byte("/"))
	}
	return name, class, slash
}

// classWalk follows the kept elements through a page. Its fields are what
// bs4 keeps while it builds its tree.
type classWalk struct {
	classes []string
	found   bool
	stack   []string
	open    map[string]int // how often a name is in stack
	silent  int            // how many of stack have text that is no content
	verbal  int            // how many of stack keep their white space
	closed  map[string]int // void elements whose end tag means nothing
	run     strings.Builder
	text    strings.Builder

	headings []heading
}

func (w *classWalk) start(name, class string, selfClosed bool) {
	w.flush()
	if len(w.stack) == 0 && !slices.Contains(w.classes, class) {
		return
	}
	w.found = true
	switch {
	case selfClosed:
	case isVoid(name):
		w.closed[name]++
	default:
		w.push(name)
	}
}

func (w *classWalk) end(name string) {
	if w.closed[name] > 0 { // </br>: its <br> was the whole element
		w.closed[name]--
		return
	}
	w.flush()
	for w.open[name] > 0 {
		if w.pop() == name {
			return
		}
	}
}

func (w *classWalk) push(name string) {
	w.stack = append(w.stack, name)
	w.open[name]++
	w.silent += silent(name)
	w.verbal += verbal(name)
	if level := headingLevel(name); level > 0 && len(w.headings) < maxMarks {
		w.headings = append(w.headings, heading{start: w.text.Len(), level: level})
	}
}

func (w *classWalk) pop() string {
	name := w.stack[len(w.stack)-1]
	w.stack = w.stack[:len(w.stack)-1]
	w.open[name]--
	w.silent -= silent(name)
	w.verbal -= verbal(name)
	if last := len(w.headings) - 1; last >= 0 && headingLevel(name) > 0 && w.headings[last].end == 0 {
		w.headings[last].end = w.text.Len()
	}
	return name
}

// data adds to the run of text.
func (w *classWalk) data(raw []byte) {
	if len(w.stack) > 0 && w.silent == 0 {
		unescape(&w.run, string(raw))
	}
}

// cdata is a run of its own, and is content wherever it stands.
func (w *classWalk) cdata(section []byte) {
	w.flush()
	if len(w.stack) == 0 {
		return
	}
	w.run.Write(section)
	silent := w.silent
	w.silent = 0
	w.flush()
	w.silent = silent
}

// flush ends the run of text: one of only white space becomes one character.
func (w *classWalk) flush() {
	run := w.run.String()
	w.run.Reset()
	if run == "" || w.silent > 0 {
		return
	}
	if w.verbal == 0 && strings.Trim(run, " \n\t\f\r") == "" {
		if strings.Contains(run, "\n") {
			run = "\n"
		} else {
			run = " "
		}
	}
	w.text.WriteString(run)
}

func isVoid(name string) bool {
	switch name {
	case "area", "base", "br", "col", "embed", "hr", "img", "input", "keygen", "link", "menuitem", "meta", "param",
		"source", "track", "wbr", "basefont", "bgsound", "command", "frame", "image", "isindex", "nextid", "spacer":
		return true
	}
	return false
}

func silent(name string) int {
	switch name {
	case "script", "style", "template", "rt", "rp":
		return 1
	}
	return 0
}

func verbal(name string) int {
	if name == "pre" || name == "textarea" {
		return 1
	}
	return 0
}

// unescape writes text with its character references resolved.
func unescape(w *strings.Builder, text string) {
	for {
		i := strings.IndexByte(text, '&')
		if i < 0 {
			w.WriteString(text)
			return
		}
		w.WriteString(text[:i])
		value, n := reference(text[i:])
		w.WriteString(value)
		text = text[i+n:]
	}
}

var characterReference = regexp.MustCompile(`^&(?:#([0-9]+)|#[xX]([0-9a-fA-F]+)|([a-zA-Z][-.a-zA-Z0-9]*));?`)

// reference resolves the character reference at the head of text, which
// begins with an ampersand, and returns how many bytes it takes. As in bs4 a
// name is all of the letters, digits, dashes and dots, and needs no semicolon;
// an unknown one stays but loses its semicolon.
func reference(text string) (string, int) {
	m := characterReference.FindStringSubmatch(text)
	switch {
	case m == nil:
		return "&", 1
	case m[3] == "":
		if rest := text[len(m[0]):]; rest != "" && strings.IndexByte("abcdefABCDEF", rest[0]) >= 0 && m[0] == "&#"+m[1] {
			return "&", 1 // hexadecimal digits after a decimal number
		}
		return numeric(m[1], m[2]), len(m[0])
	}
	value := html.UnescapeString("&" + m[3] + ";")
	if strings.HasSuffix(value, ";") && m[3] != "semi" { // unknown, or only its beginning is known
		value = "&" + m[3]
	}
	return value, len(m[0])
}

// numeric is the character of a number; one that is none is U+FFFD.
func numeric(decimal, hex string) string {
	digits, base := decimal, 10
	if hex != "" {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > utf8.MaxRune {
		return "\uFFFD"
	}
	return html.UnescapeString("&#" + strconv.FormatUint(n, 10) + ";") // knows Windows-1252
}
