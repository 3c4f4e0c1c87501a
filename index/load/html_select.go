package load

import (
	"fmt"
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// selectText is the text of the elements that a CSS selector takes, one below
// the other; of those inside each other the outer one. A page with more than
// 512 elements inside each other is an error.
func selectText(page, selector string) (string, []heading, error) {
	wanted, err := cascadia.ParseGroup(selector)
	if err != nil {
		return "", nil, fmt.Errorf("parse selector %q: %w", selector, err)
	}
	tree, err := parseHTML(page)
	if err != nil {
		return "", nil, err
	}
	var kept strings.Builder
	found := false
	for n := tree; n != nil; {
		if n.Type == html.ElementNode && wanted.Match(n) {
			found = true
			kept.WriteString("<div>")
			if err := html.Render(&kept, n); err != nil {
				return "", nil, fmt.Errorf("write element: %w", err)
			}
			kept.WriteString("</div>")
			n = after(n)
			continue
		}
		if n.FirstChild != nil {
			n = n.FirstChild
			continue
		}
		n = after(n)
	}
	if !found {
		return "", nil, fmt.Errorf("no element is taken by the selector %q", selector)
	}
	text, headings := blockText(kept.String(), false)
	return text, headings, nil
}

// after is the node that follows a node and all that is inside of it.
func after(n *html.Node) *html.Node {
	for n != nil && n.NextSibling == nil {
		n = n.Parent
	}
	if n == nil {
		return nil
	}
	return n.NextSibling
}
