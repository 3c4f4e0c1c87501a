package load

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	readability "codeberg.org/readeck/go-readability"
	"golang.org/x/net/html"
)

// Limits of the search for the main content, which looks at every element
// again for each element around it: a page with more is taken whole. Pages of
// people have a tenth of this; a page at the limit takes about two seconds.
const (
	maxReadableBytes = 8 << 20
	maxReadableDepth = 1_000_000 // the depths of all nodes together
	maxOpen          = 1000      // elements that a page leaves open
	maxTags          = 400_000
)

// mainText is the text of a page that a reader wants: the article that
// Readability finds, or, where it finds nothing or less than a quarter of the
// text, all of the body without scripts and navigation.
func mainText(page string, address *url.URL) (string, []heading) {
	whole, headings := blockText(page, true)
	if strings.TrimSpace(whole) == "" { // all of it inside a <nav>, say
		whole, headings = blockText(page, false)
	}
	article, err := article(page, address)
	if err != nil {
		return whole, headings
	}
	text, own := blockText(article, false)
	if 4*utf8.RuneCountInString(text) < utf8.RuneCountInString(whole) {
		return whole, headings
	}
	return text, own
}

// article is the HTML of a page's main content. A page that is too much for
// the library is an error: over 512 nested elements (html.Parse), over the
// limits above, and whatever makes it panic.
func article(page string, address *url.URL) (content string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("find main content: %v", r)
		}
	}()
	if len(page) > maxReadableBytes {
		return "", fmt.Errorf("find main content: page of %d bytes", len(page))
	}
	tree, err := parseHTML(page)
	if err != nil {
		return "", err
	}
	if depths(tree) > maxReadableDepth {
		return "", errors.New("find main content: page too deep")
	}
	p := readability.NewParser()
	found, err := p.ParseAndMutate(tree, address)
	return found.Content, err
}

// parseHTML is html.Parse, but for pages that would take it much time and
// memory: with very many elements, and those that end in its error of too many
// elements inside each other, because it opens a <b> that was never closed again
// in every paragraph.
func parseHTML(page string) (*html.Node, error) {
	open, all := 0, 0
	z := html.NewTokenizer(strings.NewReader(page))
	for token := z.Next(); token != html.ErrorToken && open <= maxOpen; token = z.Next() {
		if token != html.StartTagToken && token != html.EndTagToken {
			continue
		}
		if all++; all > maxTags {
			return nil, fmt.Errorf("parse page: more than %d tags", maxTags)
		}
		switch tag, _ := z.TagName(); string(tag) {
		case "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u", "span", "div":
			if token == html.StartTagToken {
				open++
			} else if open > 0 {
				open--
			}
		}
	}
	if open > maxOpen {
		return nil, fmt.Errorf("parse page: more than %d elements are never closed", maxOpen)
	}
	tree, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return nil, fmt.Errorf("parse page: %w", err)
	}
	return tree, nil
}

// depths is the sum of the depths of all nodes.
func depths(root *html.Node) int {
	sum, depth := 0, 0
	for n := root; n != nil; {
		sum += depth
		if n.FirstChild != nil {
			n, depth = n.FirstChild, depth+1
			continue
		}
		for n != nil && n.NextSibling == nil {
			n, depth = n.Parent, depth-1
		}
		if n != nil {
			n = n.NextSibling
		}
	}
	return sum
}

// blockText is the text of HTML with its blocks on lines of their own and
// paragraphs parted by an empty line; white space in <pre> stays as it is.
// With readable the parts of a page that are no content are left out too.
func blockText(page string, readable bool) (string, []heading) {
	var w blockWriter
	hidden := map[string]int{} // open elements that are left out
	depth := 0
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		token := z.Next()
		switch token {
		case html.ErrorToken:
			w.closeHeading()
			return w.text.String(), w.headings
		case html.TextToken:
			if depth == 0 {
				w.write(string(z.Text()))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			tag, _ := z.TagName()
			name := string(tag)
			if leftOut(name, readable) && token == html.StartTagToken {
				hidden[name]++
				depth++
			}
			if depth == 0 {
				w.tag(name, true)
			}
		case html.EndTagToken:
			tag, _ := z.TagName()
			name := string(tag)
			if hidden[name] > 0 {
				hidden[name]--
				depth--
			} else if depth == 0 {
				w.tag(name, false)
			}
		}
	}
}

func leftOut(name string, readable bool) bool {
	switch name {
	case "script", "style", "template", "noscript", "title", "iframe", "svg", "math", "object", "noframes", "noembed":
		return true
	case "nav", "aside", "footer", "button", "select", "dialog", "textarea":
		return readable
	}
	return false
}

// gap is what has to stand before the next text.
type gap int

const (
	none gap = iota
	space
	tab
	line
	paragraph
)

// blockWriter writes text and the gaps between.
type blockWriter struct {
	text   strings.Builder
	gap    gap
	pre    int  // open <pre> elements
	fresh  bool // nothing was written since <pre>, which swallows a line break
	bullet bool

	headings []heading
	level    int // of the heading whose text is to come
}

func (w *blockWriter) tag(name string, opens bool) {
	if level := headingLevel(name); level > 0 {
		w.closeHeading()
		if opens {
			w.level = level
		}
	}
	switch name {
	case "p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "dl", "table", "section", "article", "main",
		"header", "figure", "hr", "form", "fieldset", "details", "address", "body":
		w.part(paragraph)
	case "pre":
		w.part(paragraph)
		w.fresh = opens
		if opens {
			w.pre++
		} else if w.pre > 0 {
			w.pre--
		}
	case "div", "tr", "dt", "dd", "figcaption", "caption", "summary", "option", "legend", "nav", "aside", "footer":
		w.part(line)
	case "br":
		if w.pre > 0 {
			w.write("\n")
		} else {
			w.part(line)
		}
	case "li":
		w.part(line)
		w.bullet = opens
	case "td", "th":
		w.part(tab)
	}
}

func (w *blockWriter) part(g gap) { w.gap = max(w.gap, g) }

func (w *blockWriter) write(s string) {
	if w.pre > 0 {
		if w.fresh {
			s = strings.TrimPrefix(s, "\n")
		}
		if w.fresh = false; s != "" {
			w.begin()
			w.text.WriteString(s)
		}
		return
	}
	words := strings.Fields(s)
	if len(words) == 0 {
		if s != "" {
			w.part(space)
		}
		return
	}
	if strings.TrimLeft(s, " \t\r\n\f") != s {
		w.part(space)
	}
	w.begin()
	w.text.WriteString(strings.Join(words, " "))
	if strings.TrimRight(s, " \t\r\n\f") != s {
		w.part(space)
	}
}

// begin writes the gap, which no text begins with.
func (w *blockWriter) begin() {
	if w.text.Len() > 0 {
		w.text.WriteString([]string{"", " ", "\t", "\n", "\n\n"}[w.gap])
	}
	if w.level > 0 && len(w.headings) < maxMarks {
		w.headings = append(w.headings, heading{start: w.text.Len(), level: w.level})
	}
	w.level = 0
	if w.bullet {
		w.text.WriteString("- ")
	}
	w.gap, w.bullet = none, false
}

// closeHeading ends the heading that is open, if there is one.
func (w *blockWriter) closeHeading() {
	w.level = 0
	if last := len(w.headings) - 1; last >= 0 && w.headings[last].end == 0 {
		w.headings[last].end = w.text.Len()
	}
}
