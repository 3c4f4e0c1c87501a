package load

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// host is a server of pages that writes down what it is asked for.
type host struct {
	*httptest.Server
	pages map[string]string // path: body; a status such as "404" or a place such as "-> /x" too
	mu    sync.Mutex
	asked []string
}

func newHost(t *testing.T, pages map[string]string) *host {
	t.Helper()
	h := &host{pages: pages}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.asked = append(h.asked, r.URL.RequestURI())
	h.mu.Unlock()
	body, ok := h.pages[r.URL.RequestURI()]
	body = strings.ReplaceAll(body, "HOST", h.URL)
	place, moved := strings.CutPrefix(body, "-> ")
	status := 0
	if len(body) == 3 {
		status, _ = strconv.Atoi(body)
	}
	switch {
	case !ok:
		http.NotFound(w, r)
	case moved:
		http.Redirect(w, r, place, http.StatusFound)
	case status > 0:
		w.WriteHeader(status)
	case strings.HasPrefix(body, "\x89PNG"):
		w.Header().Set("Content-Type", "image/png")
		fmt.Fprint(w, body)
	default:
		if strings.HasPrefix(body, "<p>") || strings.HasPrefix(body, "<meta") || strings.HasPrefix(body, "<base") {
			w.Header().Set("Content-Type", "text/html")
		}
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(body)))
		if r.Header.Get("If-None-Match") == w.Header().Get("ETag") {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, body)
	}
}

// crawled is what a crawl of a host's path yields, its paths only.
func (h *host) crawled(t *testing.T, path string, opts Options) (docs, skipped, failures []string) {
	t.Helper()
	opts.AllowPrivate = true
	if opts.Delay == 0 {
		opts.Delay = -1
	}
	opts.Skipped = func(path, reason string) { skipped = append(skipped, path+": "+reason) }
	all, failures := loadAll(t, h.URL+path, opts)
	for _, doc := range all {
		docs = append(docs, doc.ID)
	}
	for _, list := range [][]string{docs, skipped, failures} {
		for i := range list {
			list[i] = strings.ReplaceAll(list[i], h.URL, "")
		}
	}
	return docs, skipped, failures
}

func TestCrawl(t *testing.T) {
	h := newHost(t, map[string]string{
		"/robots.txt":         "User-agent: other\nDisallow: /\n\nUser-agent: ragproxy\nDisallow: /docs/private\nAllow: /docs/private/open\n",
		"/docs/":              `<title>T</title><p>Text.<a href="a#x">a</a><a href="/docs/a#y">a</a><a href=b/>b</a><a href="../out">out</a><a href="http://elsewhere.example.com/docs/">far</a><a href="mailto:x@example.com">mail</a><a href="private/x">p</a><a href="private/open">o</a><a href=gone>g</a><a href=pic.png>pic</a><a href=broken>broken</a><a rel="nofollow" href=unwanted>no</a><a href=away>away</a><a href=moved>moved</a><a href="a?q=1">q</a><a href=blank>blank</a><a href=noindex>n</a>`,
		"/docs/a":             `<p>A.<a href="/docs/">home</a><a href=deep>deep</a>`,
		"/docs/a?q=1":         `<p>Q.`,
		"/docs/b/":            `<base href="/docs/base/"><p>B.<a href=x>x</a>`,
		"/docs/base/x":        "plain text",
		"/docs/deep":          `<p>Deep.<a href=deeper>deeper</a>`,
		"/docs/deeper":        "deeper",
		"/docs/private/x":     "no",
		"/docs/private/open":  "yes",
		"/docs/pic.png":       "\x89PNG",
		"/docs/broken":        "500",
		"/docs/away":          "-> /out",
		"/docs/moved":         "-> /docs/b/",
		"/docs/blank":         "<p> ",
		"/docs/noindex":       `<meta name=robots content="noindex"><p>N.<a href=from-noindex>f</a>`,
		"/docs/from-noindex":  `<meta name=robots content="nofollow"><p>F.<a href=never>f</a>`,
		"/docs/unwanted":      "no",
		"/docs/never":         "no",
		"/docs/private/hide":  "no",
		"/out":                "no",
		"/docs/b/unlinked":    "no",
		"/docs/private/other": "no",
	})
	docs, skipped, failures := h.crawled(t, "/docs/", Options{Depth: 2})
	if diff := cmp.Diff([]string{"/docs/", "/docs/a", "/docs/b/", "/docs/private/open", "/docs/a?q=1", "/docs/deep", "/docs/base/x", "/docs/from-noindex"}, docs); diff != "" {
		t.Errorf("documents (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"/docs/private/x: not allowed by robots.txt", "/docs/gone: status 404 Not Found",
		`/docs/pic.png: cannot read content of type "image/png" (pic.png); supported: ` + formatNames(),
		"/docs/away: leads out of the site, to /out", "/docs/blank: no text", "/docs/noindex: its author wants it in no index (noindex)",
	}, skipped); diff != "" {
		t.Errorf("skipped (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/docs/broken: load /docs/broken: status 500 Internal Server Error"}, failures); diff != "" {
		t.Errorf("errors (-want +got)\n%s", diff)
	}
	for _, path := range []string{"/docs/unwanted", "/docs/never", "/docs/deeper", "/docs/private/x"} {
		if slices.Contains(h.asked, path) {
			t.Errorf("asked for %s", path)
		}
	}
}

// Without a depth a page is all there is, and robots.txt is not asked for.
func TestCrawlDepth(t *testing.T) {
	h := newHost(t, map[string]string{"/": `<p>0<a href=1>`, "/1": `<p>1<a href=2>`, "/2": `<p>2<a href=3>`, "/3": `<p>3`})
	for depth, want := range [][]string{{"/"}, {"/", "/robots.txt", "/1"}, {"/", "/robots.txt", "/1", "/2"}} {
		h.asked = nil
		docs, _, _ := h.crawled(t, "/", Options{Depth: depth})
		if diff := cmp.Diff(want, h.asked); diff != "" || len(docs) != depth+1 {
			t.Errorf("depth %d: got %q, asked (-want +got)\n%s", depth, docs, diff)
		}
	}
}

func TestCrawlMaxPages(t *testing.T) {
	var links strings.Builder
	pages := map[string]string{}
	for i := range 20 {
		fmt.Fprintf(&links, "<a href=/%d>", i)
		pages[fmt.Sprintf("/%d", i)] = "text"
	}
	pages["/"] = "<p>start" + links.String()
	docs, skipped, _ := newHost(t, pages).crawled(t, "/", Options{Depth: 1, MaxPages: 5})
	if len(docs) != 5 || !cmp.Equal(skipped, []string{": 16 more pages: load.max_pages (5) were loaded"}) && !cmp.Equal(skipped, []string{"/: 16 more pages: load.max_pages (5) were loaded"}) {
		t.Errorf("got %q and skipped %q, want 5 pages and 16 left", docs, skipped)
	}
}

// A host that cannot say what it allows allows nothing.
func TestRobotsErrors(t *testing.T) {
	h := newHost(t, map[string]string{"/": `<p>0<a href=1>`, "/1": "text", "/robots.txt": "503"})
	docs, _, failures := h.crawled(t, "/", Options{Depth: 1})
	if !cmp.Equal(docs, []string{"/"}) || len(failures) != 1 || !strings.Contains(failures[0], "read robots.txt: status 503") {
		t.Errorf("got %q and errors %q, want the first page and the reason", docs, failures)
	}
}

func TestRobots(t *testing.T) {
	const text = "\ufeffUser-agent: *\nDisallow: /\n\nUser-Agent: RagProxy # us\nUser-agent: other\r\nCrawl-delay: 3\nDisallow: /*.pdf$\nDisallow: /tmp*/x\nAllow: /tmp1/x\n" +
		"Disallow: /q?\nSitemap: /s\n\nUser-agent: nobody\nDisallow: /free\n\nuser-agent: ragproxy\ndisallow: /caf%c3%a9\nDisallow:\nnonsense\nallow: /*/a*/b$\nDisallow: /*/a\n"
	for _, agent := range []string{"ragproxy", "ragproxy/1.2 (+https://example.com)"} {
		rules := parseRobots([]byte(text), agent)
		for path, want := range map[string]bool{
			"/": true, "/a.pdf": false, "/a.pdf?x": true, "/tmp2/x": false, "/tmp2/x/y": false, "/tmp1/x": true, "/q?a=1": false, "/q": true, "/free": true,
			"/caf%C3%A9": false, "/caf%C3%A9/x": false, "/cafe": true, "/x/a": false, "/x/a1/b": true, "/x/a1/b2": false, "": true,
		} {
			if got := rules.allow(mustParse(t, "http://h"+path)); got != want {
				t.Errorf("%s: got allowed=%v, want %v", path, got, want)
			}
		}
		if rules.delay != 3*time.Second {
			t.Errorf("got delay %v, want 3s", rules.delay)
		}
	}
	if parseRobots([]byte(text), "someone").allow(mustParse(t, "http://h/")) {
		t.Error("got it allowed, want the rules for *")
	}
	if got := parseRobots([]byte("User-agent: *\nCrawl-delay: 100000"), "x").delay; got != maxRobotsDelay {
		t.Errorf("got delay %v, want the longest allowed", got)
	}
	if !parseRobots([]byte("<html>not found</html>"), "x").allow(mustParse(t, "http://h/")) {
		t.Error("got it refused, want no rules of a page that is none")
	}
}

// The pause between two pages is ours or the host's, and ends with the run.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if err := pause(t.Context(), 3*time.Second); err != nil || time.Since(begin) != 3*time.Second {
			t.Errorf("got error %v after %v, want 3s", err, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := pause(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 4*time.Second {
			t.Errorf("got error %v after %v, want the deadline", err, time.Since(begin))
		}
	})
}

func TestSitemap(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, `<urlset><url><loc>`+"/packed"+`</loc></url></urlset>`)
	z.Close()
	h := newHost(t, map[string]string{
		"/sitemap.xml": `<?xml version="1.0" encoding="UTF-8"?><!-- made by hand --><sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
			<sitemap><loc>HOST/one.xml</loc><lastmod>2024-01-01</lastmod></sitemap><sitemap><loc> HOST/two.xml.gz </loc></sitemap><sitemap><loc>HOST/gone.xml</loc></sitemap></sitemapindex>`,
		"/one.xml": `<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
			<url><loc>HOST/a?x=1&amp;y=2#z</loc><image:image><image:loc>HOST/pic</image:loc></image:image></url><url><loc>HOST/b</loc></url><url><loc>HOST/b</loc></url>
			<url><loc>https://elsewhere.example.com/</loc></url><url><loc>HOST/no</loc></url><url><loc>:</loc></url></urlset>`,
		"/two.xml.gz": packed.String(),
		"/a?x=1&y=2":  "<p>A<a href=/linked>", "/b": "B", "/packed": "P", "/linked": "L", "/pic": "no",
		"/robots.txt": "User-agent: *\nDisallow: /no\n",
	})
	docs, skipped, failures := h.crawled(t, "/sitemap.xml", Options{})
	if diff := cmp.Diff([]string{"/a?x=1&y=2", "/b", "/packed"}, docs); diff != "" || failures != nil {
		t.Errorf("got errors %q, documents (-want +got)\n%s", failures, diff)
	}
	if diff := cmp.Diff([]string{
		"https://elsewhere.example.com/: in a sitemap, but not on its host", ":: in a sitemap, but not on its host",
		"/gone.xml: status 404 Not Found", "/no: not allowed by robots.txt",
	}, skipped); diff != "" {
		t.Errorf("skipped (-want +got)\n%s", diff)
	}
	if docs, _, _ := h.crawled(t, "/one.xml", Options{Depth: 1, MaxPages: 3}); !cmp.Equal(docs, []string{"/a?x=1&y=2", "/b", "/linked"}) {
		t.Errorf("got %q, want the pages and what they link to", docs)
	}
}

// A page that did not change is not sent again, and its links are still known.
func TestUnchanged(t *testing.T) {
	h := newHost(t, map[string]string{"/": `<p>0<a href=1><a href=2>`, "/1": `<p>1<a href=3>`, "/2": "2", "/3": "3"})
	visits := map[string]Visit{}
	load := func() (docs, unchanged []string) {
		h.asked = nil
		all, failures := 0, []string{}
		loader, err := Open(h.URL+"/", Options{AllowPrivate: true, Depth: 3, Delay: -1,
			Known:   func(id string) Visit { return visits[id] },
			Visited: func(id string, v Visit) { visits[id] = v }})
		if err != nil {
			t.Fatal(err)
		}
		for doc, err := range loader.Load(t.Context()) {
			id := strings.TrimPrefix(doc.ID, h.URL)
			switch all++; {
			case errors.Is(err, ErrUnchanged):
				unchanged = append(unchanged, id)
			case err != nil:
				failures = append(failures, err.Error())
			default:
				docs = append(docs, id)
			}
		}
		if len(failures) > 0 || all != 4 {
			t.Errorf("got errors %q and %d documents, want 4", failures, all)
		}
		return docs, unchanged
	}
	if docs, unchanged := load(); len(docs) != 4 || unchanged != nil {
		t.Errorf("got %q and unchanged %q, want all loaded", docs, unchanged)
	}
	if got := visits[h.URL+"/1"]; !cmp.Equal(got, Visit{ETag: `"14"`, Links: []string{h.URL + "/3"}}) {
		t.Errorf("got visit %+v", got)
	}
	h.pages["/2"] = "two"
	docs, unchanged := load()
	if !cmp.Equal(docs, []string{"/2"}) || !cmp.Equal(unchanged, []string{"/", "/1", "/3"}) {
		t.Errorf("got %q and unchanged %q, want /2 loaded again", docs, unchanged)
	}
}

func TestNormal(t *testing.T) {
	for in, want := range map[string]string{
		"HTTP://Ann:x@Host.Example:80/a/../b?q=1#f": "http://host.example/a/../b?q=1", "https://h:443": "https://h/", "https://h:8443/x": "https://h:8443/x", "http://[::1]:80/": "http://[::1]/",
	} {
		if got := normal(mustParse(t, in)); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func FuzzSitemap(f *testing.F) {
	f.Add([]byte(`<urlset><url><loc>a</loc></url></urlset>`))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><sitemapindex><sitemap><loc>&a;`))
	f.Fuzz(func(t *testing.T, body []byte) {
		pages, maps, _ := sitemapURLs(body)
		if len(pages) > maxSitemapURLs || len(maps) > maxSitemaps {
			t.Errorf("got %d and %d addresses", len(pages), len(maps))
		}
		isSitemap(&page{body: body})
	})
}

func FuzzRobots(f *testing.F) {
	f.Add([]byte("User-agent: *\nDisallow: /*a$\nCrawl-delay: 1e9\n"), "/a?b")
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		rules := parseRobots(body, "ragproxy")
		if rules.delay > maxRobotsDelay {
			t.Errorf("got delay %v", rules.delay)
		}
		u := *mustParse(t, "http://h/")
		u.Path = path
		rules.allow(&u)
	})
}

func FuzzLinks(f *testing.F) {
	f.Add(`<base href="//x/"><a href="a/../b">x</a><a href="http://h:80/c#d">`)
	f.Add(`<meta name=robots content="none, noindex"><area href="?q">`)
	f.Fuzz(func(t *testing.T, body string) {
		start := mustParse(t, "http://h/docs/")
		c := crawl{scope: start}
		links, _ := c.links(&page{final: start, contentType: "text/html", body: []byte(body)})
		for _, link := range links {
			if u := mustParse(t, link); u.Host != "h" || !strings.HasPrefix(u.EscapedPath(), "/docs/") || u.Fragment != "" || u.User != nil {
				t.Errorf("got link %q out of scope", link)
			}
		}
		if sorted := slices.Collect(maps.Keys(set(links))); len(sorted) != len(links) {
			t.Errorf("got %q, want each once", links)
		}
	})
}

func set(list []string) map[string]bool {
	all := map[string]bool{}
	for _, s := range list {
		all[s] = true
	}
	return all
}
