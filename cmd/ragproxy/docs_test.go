package main

import (
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// project is the project's folder, seen from this package.
const project = "../.."

// page is one Markdown file, taken apart.
type page struct {
	name   string // from the project's folder, with slashes
	prose  string // without code blocks
	spans  []string
	blocks []block
}

// block is a fenced or an indented code block. info is what stands behind the
// fence, "" for an indented one.
type block struct {
	line   int
	fenced bool
	info   string
	text   string
}

// documentation are all pages that people read.
func documentation(t *testing.T) []page {
	t.Helper()
	var pages []page
	err := fs.WalkDir(os.DirFS(project), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(name, ".") && name != ".":
			return fs.SkipDir
		case d.IsDir() && name != "." && name != "docs" && !strings.HasPrefix(name, "docs/"):
			return fs.SkipDir
		case path.Ext(name) == ".md":
			source, err := os.ReadFile(filepath.Join(project, filepath.FromSlash(name)))
			pages = append(pages, readPage(name, string(source)))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 10 {
		t.Fatalf("got %d pages: the walk misses some", len(pages))
	}
	return pages
}

var (
	fence    = regexp.MustCompile("^(```+)\\s*(.*)$")
	codeSpan = regexp.MustCompile("(?s)(?:``(.+?)``|`([^`]+)`)")
)

func readPage(name, source string) page {
	p := page{name: name}
	var prose strings.Builder
	lines := strings.Split(source, "\n")
	blank := true
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if m := fence.FindStringSubmatch(line); m != nil {
			b := block{line: i + 2, fenced: true, info: m[2]}
			for i++; i < len(lines) && !strings.HasPrefix(lines[i], m[1]); i++ {
				b.text += lines[i] + "\n"
			}
			p.blocks, blank = append(p.blocks, b), true
			continue
		}
		if blank && strings.HasPrefix(line, "    ") {
			b := block{line: i + 1}
			for ; i < len(lines) && (strings.HasPrefix(lines[i], "    ") || strings.TrimSpace(lines[i]) == ""); i++ {
				b.text += strings.TrimPrefix(lines[i], "    ") + "\n"
			}
			i--
			p.blocks = append(p.blocks, b)
			continue
		}
		prose.WriteString(line + "\n")
		blank = strings.TrimSpace(line) == ""
	}
	p.prose = prose.String()
	for _, paragraph := range strings.Split(p.prose, "\n\n") {
		for _, m := range codeSpan.FindAllStringSubmatch(paragraph, -1) {
			p.spans = append(p.spans, strings.ReplaceAll(m[1]+m[2], "\n", " "))
		}
	}
	return p
}

var (
	inlineLink  = regexp.MustCompile(`\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)`)
	linkDefined = regexp.MustCompile(`(?m)^\[[^\]]+\]:\s+(\S+)`)
	htmlLink    = regexp.MustCompile(`(?:src|href|srcset)="([^"]+)"`)
	bareURL     = regexp.MustCompile(`\bhttps?://[^\s<>()\[\]"'` + "`" + `|]+`)
	ourPath     = regexp.MustCompile(`^(?:cmd|config|docs|index|internal|proxy|retrieval|testdata|\.ci)/[\w./-]*$`)
)

// TestDocLinks holds every link, anchor and path of the documentation to what
// is there. Addresses elsewhere are read, not asked.
func TestDocLinks(t *testing.T) {
	links := 0
	for _, p := range documentation(t) {
		prose := codeSpan.ReplaceAllString(p.prose, "``")
		for _, pattern := range []*regexp.Regexp{inlineLink, linkDefined, htmlLink} {
			for _, m := range pattern.FindAllStringSubmatch(prose, -1) {
				links++
				checkLink(t, p.name, m[1])
			}
		}
		for _, address := range bareURL.FindAllString(prose, -1) {
			checkLink(t, p.name, strings.TrimRight(address, ".,;:"))
		}
		for _, span := range p.spans {
			if ourPath.MatchString(span) {
				checkLink(t, "README.md", span)
			}
		}
	}
	if links < 25 {
		t.Errorf("got %d links: the check misses some", links)
	}
}

func checkLink(t *testing.T, from, link string) {
	t.Helper()
	u, err := url.Parse(link)
	switch {
	case err != nil:
		t.Errorf("%s: link %q: %v", from, link, err)
		return
	case u.Scheme == "http" || u.Scheme == "https":
		if u.Hostname() == "" {
			t.Errorf("%s: link %q has no host", from, link)
		}
		return
	case u.Scheme != "" || u.Host != "" || path.IsAbs(u.Path):
		t.Errorf("%s: link %q is neither a relative one nor a web address", from, link)
		return
	}
	name := from
	if u.Path != "" {
		name = path.Join(path.Dir(from), u.Path)
	}
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		t.Errorf("%s: link %q leaves the project", from, link)
		return
	}
	at := filepath.Join(project, filepath.FromSlash(name))
	if _, err := os.Stat(at); err != nil {
		t.Errorf("%s: link %q leads to nothing: %v", from, link, err)
		return
	}
	if u.Fragment == "" {
		return
	}
	source, err := os.ReadFile(at)
	if err != nil {
		t.Errorf("%s: link %q: %v", from, link, err)
		return
	}
	if !anchors(readPage(name, string(source)))[u.Fragment] {
		t.Errorf("%s: link %q: %s has no such heading", from, link, name)
	}
}

var heading = regexp.MustCompile(`(?m)^#{1,6}\s+(.+?)\s*#*$`)

// anchors are the names that GitHub gives a page's headings.
func anchors(p page) map[string]bool {
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(p.prose, -1) {
		text := inlineLink.ReplaceAllStringFunc(m[1], func(link string) string { return link[1:strings.IndexByte(link, ']')] })
		name := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, text)
		for n := 1; all[name]; n++ {
			if next := name + "-" + strconv.Itoa(n); !all[next] {
				name = next
			}
		}
		all[name] = true
	}
	return all
}

// TestAnchors is GitHub's rule on headings that are easy to get wrong.
func TestAnchors(t *testing.T) {
	got := anchors(readPage("x.md", "# A `b_c` d: e/f\n\n## [Link](x.md) here\n\n## Twice\n\n## Twice\n\n```\n# no heading\n```\n\n## Ärger, 2 & 3\n"))
	for _, want := range []string{"a-b_c-d-ef", "link-here", "twice", "twice-1", "ärger-2--3"} {
		if !got[want] {
			t.Errorf("got %v, want %s among them", got, want)
		}
	}
	if len(got) != 5 {
		t.Errorf("got %v, want 5", got)
	}
}
