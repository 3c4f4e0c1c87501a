package load

import (
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// Limits of what is taken of a page's links.
const (
	maxLinks      = 5000
	maxLinkLength = 2000
)

// authorsWish is what a page says to crawlers in <meta name="robots">.
type authorsWish struct{ noIndex, noFollow bool }

// links are the addresses in scope that an HTML page links to, each once and
// in their order.
func (c *crawl) links(p *page) ([]string, authorsWish) {
	var wish authorsWish
	f, err := formatByContent(p.contentType, p.final.Path, p.body)
	if err != nil || f.name != "html" {
		return nil, wish
	}
	text, err := decode(p.body, p.contentType)
	if err != nil {
		return nil, wish
	}
	var all []string
	seen := map[string]bool{}
	base := p.final
	z := html.NewTokenizer(strings.NewReader(text))
	for token := z.Next(); token != html.ErrorToken && len(all) < maxLinks; token = z.Next() {
		if token != html.StartTagToken && token != html.SelfClosingTagToken {
			continue
		}
		switch t := z.Token(); t.Data {
		case "base":
			if u, err := base.Parse(strings.TrimSpace(value(t, "href"))); err == nil {
				base = u
			}
		case "meta":
			if strings.EqualFold(value(t, "name"), "robots") {
				wish.add(value(t, "content"))
			}
		case "a", "area":
			if u := c.link(base, t); u != "" && !seen[u] {
				seen[u] = true
				all = append(all, u)
			}
		}
	}
	if wish.noFollow {
		return nil, wish
	}
	return all, wish
}

func (w *authorsWish) add(content string) {
	for word := range strings.SplitSeq(strings.ToLower(content), ",") {
		switch strings.TrimSpace(word) {
		case "noindex":
			w.noIndex = true
		case "nofollow":
			w.noFollow = true
		case "none":
			w.noIndex, w.noFollow = true, true
		}
	}
}

// link is where a link leads to, "" if it is not to be followed.
func (c *crawl) link(base *url.URL, t html.Token) string {
	href := strings.TrimSpace(value(t, "href"))
	if href == "" || len(href) > maxLinkLength || strings.Contains(strings.ToLower(value(t, "rel")), "nofollow") {
		return ""
	}
	u, err := base.Parse(href)
	if err != nil || !c.inScope(u) {
		return ""
	}
	return normal(u)
}

// value is that of an element's attribute.
func value(t html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
