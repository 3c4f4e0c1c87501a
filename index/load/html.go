package load

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"

	"github.com/ragproxy/ragproxy/index"
)

// loadHTML takes the elements with the classes of the options, or else the
// main content. The title is the page's, or the file's name.
func loadHTML(in input, opts Options) (index.Document, error) {
	body, err := readAll(in.body, opts.MaxBytes)
	if err != nil {
		return index.Document{}, err
	}
	page, err := decode(body, in.charset)
	if err != nil {
		return index.Document{}, err
	}
	// A stray NUL in a page does no harm (browsers drop it too).
	if bytes.IndexByte([]byte(page), 0) >= 0 && !strings.HasPrefix(http.DetectContentType(body), "text/") {
		return index.Document{}, errBinary
	}
	doc := index.Document{ID: in.id, URL: in.url, Title: pageTitle(page)}
	if doc.Title == "" {
		doc.Title = in.name
	}
	if len(opts.Classes) == 0 {
		address, _ := url.Parse(in.url)
		doc.Text = mainText(page, address)
		return doc, nil
	}
	text, found := classText(page, opts.Classes)
	if !found {
		return index.Document{}, fmt.Errorf("no element has the class %s", strings.Join(opts.Classes, " or "))
	}
	doc.Text = text
	return doc, nil
}

// pageTitle is the text of the first <title>, "" if there is none.
func pageTitle(page string) string {
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return ""
		case html.StartTagToken:
			if name, _ := z.TagName(); string(name) != "title" {
				continue
			}
			if z.Next() == html.TextToken {
				return collapse(string(z.Text()))
			}
			return ""
		}
	}
}
