package main

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// screen shows one turn to a person: the answer and its sources go to out,
// what happens on the way to notes.
type screen struct {
	out, notes io.Writer
	style      style // of out
	side       style // of notes
	files      bool  // sources that are files are of this machine

	open    bool // a line of notes has begun
	whole   bool // nothing failed on the way
	sources []gjson.Result
	flagged []gjson.Result
	marks   marks
}

func newScreen(out, notes io.Writer, files bool) *screen {
	s := &screen{out: out, notes: notes, style: newStyle(out), side: newStyle(notes), files: files, whole: true}
	s.marks.show = s.mark
	return s
}

func (s *screen) watcher() watcher {
	return watcher{rewriting: s.rewriting, rewritten: s.rewritten, retrieved: s.retrieved, degraded: s.degraded, delta: s.delta, flagged: s.flag}
}

func (s *screen) rewriting(delta string) {
	if !s.open {
		s.open = true
		fmt.Fprint(s.notes, s.side.dim("query: "))
	}
	fmt.Fprint(s.notes, s.side.cyan(oneLine(delta)))
}

func (s *screen) rewritten(query string) {
	if !s.open { // a rewrite that came in one piece
		s.rewriting(query)
	}
	s.endLine()
}

func (s *screen) endLine() {
	if s.open {
		s.open = false
		fmt.Fprintln(s.notes)
	}
}

func (s *screen) degraded(what string) {
	s.endLine()
	s.whole = false
	fmt.Fprintln(s.notes, s.side.yellow("warning:"), clean(what))
}

func (s *screen) retrieved(r *reply) {
	s.endLine()
	s.sources = r.sources
	if n := len(r.sources); n > 0 {
		fmt.Fprintln(s.notes, s.side.dim(fmt.Sprintf("found %s in %d ms", count(n, "passage"), r.ms)))
	}
}

func (s *screen) delta(text string) {
	text = clean(text)
	if s.style.on {
		text = s.marks.add(text)
	}
	fmt.Fprint(s.out, text)
}

func (s *screen) flag(link gjson.Result) { s.flagged = append(s.flagged, link) }

func (s *screen) mark(text string, n int) string {
	for _, source := range s.sources {
		if source.Get("n").Int() == int64(n) {
			return s.style.link(s.style.cyan(text), s.target(source))
		}
	}
	return text
}

func (s *screen) target(source gjson.Result) string {
	return linkTarget(source.Get("link").String(), source.Get("url").String(), s.files)
}

// end ends the answer and lists its sources.
func (s *screen) end() error {
	if s.style.on {
		fmt.Fprint(s.out, s.marks.rest())
	}
	if _, err := fmt.Fprintln(s.out); err != nil {
		return err
	}
	for _, link := range s.flagged {
		fmt.Fprintln(s.notes, s.side.yellow("warning:"), "the", link.Get("kind").Str, strconv.Quote(link.Get("url").Str), "in the answer is from passages", link.Get("sources").Raw)
	}
	if len(s.sources) == 0 {
		if s.whole {
			fmt.Fprintln(s.notes, "no sources were found: `ragproxy index SOURCE` adds some")
		}
		return nil
	}
	fmt.Fprintln(s.out)
	return s.list()
}

// list writes "[1] title  link" a line.
func (s *screen) list() error {
	for _, source := range s.sources {
		if _, err := fmt.Fprintln(s.out, s.line(source)); err != nil {
			return err
		}
	}
	return nil
}

func (s *screen) line(source gjson.Result) string {
	link := source.Get("link").String()
	if u, err := url.PathUnescape(link); err == nil && strings.HasPrefix(link, "urn:") {
		link = u // to be read; a page's address stays one that can be opened
	}
	number := fmt.Sprintf("[%d]", source.Get("n").Int())
	name := title(source.Get("title").String(), source.Get("id").String())
	target := s.target(source)
	return s.style.cyan(number) + " " + s.style.link(s.style.bold(name), target) + "  " + s.style.link(s.style.dim(clean(link)), target)
}

// printSources writes "[1] title  link" a line, undecorated.
func printSources(w io.Writer, sources []gjson.Result) error {
	return (&screen{out: w, sources: sources}).list()
}

func oneLine(text string) string { return strings.ReplaceAll(clean(text), "\n", " ") }

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
