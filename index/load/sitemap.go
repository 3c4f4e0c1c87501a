package load

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"
)

// Limits of sitemaps (sitemaps.org allows 50,000 addresses in one).
const (
	maxSitemapURLs = 50_000
	maxSitemaps    = 500
)

// isSitemap says whether a page is a sitemap, by its first element.
func isSitemap(p *page) bool {
	head := bytes.TrimLeft(bytes.TrimPrefix(p.body, []byte("\xef\xbb\xbf")), " \t\r\n")
	if !bytes.HasPrefix(head, []byte("<?xml")) && !bytes.HasPrefix(head, []byte("<urlset")) &&
		!bytes.HasPrefix(head, []byte("<sitemapindex")) && !bytes.HasPrefix(head, []byte("<!--")) {
		return false
	}
	kind := ""
	_ = walkXML(bytes.NewReader(head), func(t xml.Token) error {
		if e, ok := t.(xml.StartElement); ok {
			kind = e.Name.Local
			return errFound
		}
		return nil
	})
	return kind == "urlset" || kind == "sitemapindex"
}

var errFound = errors.New("found")

// takeSitemap queues the pages of a sitemap, and if it is the first one also
// the sitemaps of an index. Addresses on other hosts are passed over, as the
// protocol wants it.
func (c *crawl) takeSitemap(in input, p *page, first bool) bool {
	pages, maps, err := sitemapURLs(p.body)
	if err != nil {
		return c.yield(in.document(), in.failed(err))
	}
	for i, list := range [][]string{pages, maps} {
		for _, text := range list {
			address, err := p.final.Parse(text)
			switch {
			case err != nil || !c.inScope(address):
				c.opts.Skipped(clean(text), "in a sitemap, but not on its host")
			case i == 0:
				address.Fragment, address.RawFragment, address.User = "", "", nil
				c.enqueue(step{address: address})
			case first:
				c.enqueue(step{address: address, sitemap: true})
			default:
				c.opts.Skipped(clean(text), "a sitemap in a sitemap that is in an index")
			}
		}
	}
	return true
}

// sitemapURLs are the addresses of pages and of further sitemaps.
func sitemapURLs(body []byte) (pages, maps []string, err error) {
	var inside, text string
	isLoc := false
	err = walkXML(bytes.NewReader(body), func(t xml.Token) error {
		switch t := t.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "url", "sitemap":
				inside = t.Name.Local
			}
			// image:loc and the like are in other name spaces
			isLoc, text = t.Name.Local == "loc" && !strings.Contains(t.Name.Space, "google"), ""
		case xml.CharData:
			if isLoc && len(text) < maxLinkLength {
				text += string(t)
			}
		case xml.EndElement:
			if loc := strings.TrimSpace(text); isLoc && loc != "" {
				switch {
				case inside == "url" && len(pages) < maxSitemapURLs:
					pages = append(pages, loc)
				case inside == "sitemap" && len(maps) < maxSitemaps:
					maps = append(maps, loc)
				}
			}
			isLoc = false
		}
		return nil
	})
	return pages, maps, err
}
