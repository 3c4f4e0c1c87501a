package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// maxQueue is how many addresses a crawl keeps in mind.
const maxQueue = 200_000

// crawl is one Load of a URL: the page itself, and the pages that it leads to,
// breadth first. Those are asked for politely: as robots.txt wants it, one
// after the other, with a pause between. What is gone (404, 410), of no
// readable type or not wanted by its author is passed over; what fails
// otherwise is an error, and the crawl goes on.
type crawl struct {
	*web
	opts   Options
	yield  func(index.Document, error) bool
	seen   map[string]bool
	queue  []step
	scope  *url.URL // its host, and below its folder
	rules  *robots  // nil until a second page is asked for
	pages  int      // asked for, the first one included
	beyond int      // not asked for: too many
}

// step is an address to load.
type step struct {
	address *url.URL
	depth   int  // links away from the first page
	sitemap bool // one of a sitemap index
}

func (c *crawl) run(ctx context.Context) {
	in := input{id: c.id, url: c.id}
	c.seen[normal(c.address)] = true
	p, err := c.fetch.get(ctx, c.address, c.opts.Known(c.id))
	if err == nil && p.unchanged {
		err = ErrUnchanged
	}
	if err != nil && !errors.Is(err, ErrUnchanged) {
		c.yield(in.document(), in.failed(err))
		return
	}
	c.pages = 1
	c.scope = p.final
	c.seen[normal(p.final)] = true
	if err == nil && isSitemap(p) {
		c.pages = 0
		c.scope = &url.URL{Scheme: p.final.Scheme, Host: p.final.Host, Path: "/"}
		if !c.takeSitemap(in, p, true) {
			return
		}
	} else if !c.take(ctx, in, p, 0) {
		return
	}
	for len(c.queue) > 0 {
		next := c.queue[0]
		c.queue = c.queue[1:]
		if !next.sitemap && c.pages >= c.opts.MaxPages {
			c.beyond++
			continue
		}
		if !c.visit(ctx, next) {
			return
		}
	}
	if c.beyond > 0 {
		c.opts.Skipped(c.id, fmt.Sprintf("%d more pages: load.max_pages (%d) were loaded", c.beyond, c.opts.MaxPages))
	}
}

// visit loads a page that the first one led to, and says whether to go on.
func (c *crawl) visit(ctx context.Context, s step) bool {
	id := s.address.String()
	in := input{id: id, url: id}
	if c.rules == nil {
		rules, err := c.readRobots(ctx)
		if err != nil { // RFC 9309, 2.3.1.4: then nothing may be taken
			c.yield(in.document(), in.failed(fmt.Errorf("read robots.txt: %w", err)))
			return false
		}
		c.rules = rules
	}
	if !c.rules.allow(s.address) {
		c.opts.Skipped(id, "not allowed by robots.txt")
		return true
	}
	if err := pause(ctx, max(c.opts.Delay, c.rules.delay)); err != nil {
		return c.yield(in.document(), in.failed(err))
	}
	c.pages++
	p, err := c.fetch.get(ctx, s.address, c.opts.Known(id))
	var status statusError
	var other errUnsupported
	switch {
	case errors.As(err, &status) && (status.code == http.StatusNotFound || status.code == http.StatusGone), errors.As(err, &other):
		c.opts.Skipped(id, err.Error())
		return true
	case err != nil:
		more := c.yield(in.document(), in.failed(err))
		return more && ctx.Err() == nil
	}
	if p.moved {
		final := normal(p.final)
		switch {
		case !c.inScope(p.final):
			c.opts.Skipped(id, "leads out of the site, to "+withoutUser(p.final))
			return true
		case c.seen[final]:
			return true
		case !c.rules.allow(p.final):
			c.opts.Skipped(id, "leads to "+final+", which is not allowed by robots.txt")
			return true
		}
		c.seen[final] = true
		in.id, in.url = final, final
	}
	if s.sitemap {
		c.pages--
		return c.takeSitemap(in, p, false)
	}
	return c.take(ctx, in, p, s.depth)
}

// take yields a page's documents and queues its links.
func (c *crawl) take(ctx context.Context, in input, p *page, depth int) bool {
	if p.unchanged {
		c.follow(p.visit.Links, depth)
		return c.yield(in.document(), in.failed(ErrUnchanged))
	}
	if c.opts.Depth > 0 {
		var wish authorsWish
		p.visit.Links, wish = c.links(p)
		c.follow(p.visit.Links, depth)
		if wish.noIndex && depth > 0 {
			c.opts.Skipped(in.id, "its author wants it in no index (noindex)")
			return true
		}
	}
	blank, more := c.load(ctx, in, p, c.opts, c.yield)
	if blank != nil && c.pages == 1 && len(c.queue) == 0 {
		return c.yield(in.document(), in.failed(blank))
	}
	if blank != nil {
		c.opts.Skipped(in.id, blank.Error())
	}
	return more
}

// follow queues the links of a page, if they are not too far away.
func (c *crawl) follow(links []string, depth int) {
	if depth >= c.opts.Depth {
		return
	}
	for _, link := range links {
		if address, err := url.Parse(link); err == nil && c.inScope(address) {
			c.enqueue(step{address: address, depth: depth + 1})
		}
	}
}

func (c *crawl) enqueue(s step) {
	if key := normal(s.address); !c.seen[key] && len(c.seen) < maxQueue {
		c.seen[key] = true
		c.queue = append(c.queue, s)
	}
}

// inScope says whether an address is on the same host (with either scheme, if
// the ports are the usual ones), at or below the folder of the first page.
func (c *crawl) inScope(u *url.URL) bool {
	if checkAddress(u) != nil || !sameHost(u, c.scope) {
		return false
	}
	folder := c.scope.EscapedPath()
	folder = folder[:strings.LastIndexByte(folder, '/')+1]
	return strings.HasPrefix(path.Clean("/"+u.EscapedPath())+"/", cmpFolder(folder))
}

// cmpFolder is a folder's path, which is "/" where a URL has none.
func cmpFolder(folder string) string {
	if folder == "" {
		return "/"
	}
	return folder
}

func sameHost(a, b *url.URL) bool {
	if origin(a) == origin(b) {
		return true
	}
	_, hostA, _ := strings.Cut(origin(a), "://")
	_, hostB, _ := strings.Cut(origin(b), "://")
	return hostA == hostB && a.Port() == "" && b.Port() == ""
}

// normal is a URL as pages are told apart by: scheme and host in lower case,
// without the usual port, credentials and fragment.
func normal(u *url.URL) string {
	n := *u
	n.Scheme, n.Host, _ = strings.Cut(origin(u), "://")
	n.User, n.Fragment, n.RawFragment = nil, "", ""
	if n.Path == "" {
		n.Path = "/"
	}
	return n.String()
}

// pause waits; below 0 not at all.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
