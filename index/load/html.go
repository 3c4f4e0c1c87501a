package load

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"

	"github.com/ragproxy/ragproxy/index"
)

// loadHTML takes the elements with the classes of the options or those that
// their selector takes, or else the main content. The title is the page's, or
// the file's name; the marks are the path of headings.
func loadHTML(_ context.Context, in input, opts Options) (index.Document, error) {
	body, err := readAll(in.body, opts.MaxBytes)
	if err != nil {
		return index.Document{}, err
	}
	page, err := decode(body, in.charset)
	if err != nil {
		return index.Document{}, err
	}
	// A stray NUL in a page does no harm (browsers drop it too).
	if strings.Contains(page, "\x00") && !strings.HasPrefix(http.DetectContentType(body), "text/") {
		return index.Document{}, errBinary
	}
	page = clean(page)
	switch {
	case opts.KeepHidden:
	case len(opts.Classes) > 0:
		page = wordlessHTML(page)
	default:
		page = visibleHTML(page)
	}
	p := pageProperties(page)
	doc := in.titled(p.title, p.meta())
	var headings []heading
	if doc.Text, headings, err = pageText(page, in.url, opts); err != nil {
		return index.Document{}, err
	}
	doc.Marks = headingMarks(doc.Text, headings)
	return doc, nil
}

// pageText is the part of a page that the options ask for.
func pageText(page, address string, opts Options) (string, []heading, error) {
	if len(opts.Classes) > 0 {
		text, headings, found := classText(page, opts.Classes)
		if !found {
			return "", nil, fmt.Errorf("no element has the class %s", strings.Join(opts.Classes, " or "))
		}
		return text, headings, nil
	}
	if opts.Select != "" {
		return selectText(page, opts.Select)
	}
	base, _ := url.Parse(address)
	text, headings := mainText(page, base)
	return text, headings, nil
}

// pageProperties are the text of the first <title>, and the author and the
// date that <meta> elements say before the body begins.
func pageProperties(page string) properties {
	var p properties
	z := html.NewTokenizer(strings.NewReader(page))
	for head := true; head || p.title == ""; {
		token := z.Next()
		if token == html.ErrorToken {
			break
		}
		if token != html.StartTagToken && token != html.SelfClosingTagToken {
			continue
		}
		switch tag, _ := z.TagName(); string(tag) {
		case "body":
			head = false
		case "meta":
			if head {
				p.metaElement(z)
			}
		case "title":
			if p.title == "" && token == html.StartTagToken && z.Next() == html.TextToken {
				p.title = collapse(string(z.Text()))
			}
			head = head && p.title != ""
		}
	}
	return p
}

// metaElement takes what a <meta> says under one of the names in use.
func (p *properties) metaElement(z *html.Tokenizer) {
	name, content := "", ""
	for more := true; more; {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "name", "property", "itemprop":
			name = strings.ToLower(string(value))
		case "content":
			content = collapse(string(value))
		}
	}
	switch name {
	case "author", "article:author", "dc.creator", "dcterms.creator", "citation_author":
		p.author = cmp.Or(p.author, content)
	case "date", "article:published_time", "datepublished", "dc.date", "dcterms.date", "dcterms.created", "citation_publication_date":
		p.date = cmp.Or(p.date, content)
	}
}
