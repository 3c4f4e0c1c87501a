package main

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// style decorates what people read on a terminal; the zero value leaves text
// as it is.
type style struct{ on bool }

// newStyle is for what goes to w. NO_COLOR (no-color.org) and TERM=dumb turn
// it off, CLICOLOR_FORCE (bixense.com/clicolors) turns it on for pipes, too.
func newStyle(w any) style {
	if os.Getenv("NO_COLOR") != "" {
		return style{}
	}
	if force := os.Getenv("CLICOLOR_FORCE"); force != "" && force != "0" {
		return style{on: true}
	}
	f, ok := w.(*os.File)
	return style{on: ok && isTerminal(f) && os.Getenv("TERM") != "dumb" && takesEscapes(f)}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// The sixteen colours' numbers (ECMA-48, SGR) look right on light and dark.
func (s style) bold(text string) string   { return s.sgr("1", text) }
func (s style) dim(text string) string    { return s.sgr("2", text) }
func (s style) red(text string) string    { return s.sgr("31", text) }
func (s style) green(text string) string  { return s.sgr("32", text) }
func (s style) yellow(text string) string { return s.sgr("33", text) }
func (s style) cyan(text string) string   { return s.sgr("36", text) }

func (s style) sgr(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// link makes text a hyperlink (OSC 8), which terminals that do not know it
// show as text. target "" is none.
func (s style) link(text, target string) string {
	if !s.on || target == "" {
		return text
	}
	return "\x1b]8;;" + escapeTarget(target) + "\x1b\\" + text + "\x1b]8;;\x1b\\"
}

// escapeTarget leaves bytes 32 to 126 only, as OSC 8 wants it.
func escapeTarget(target string) string {
	var b strings.Builder
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// clean takes out what could steer a terminal: a page or a model may have
// written it. Line feeds and tabs stay.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

// linkTarget is what a source's link opens: a web page, or a file if files are
// of this machine and it is still there; else "".
func linkTarget(link, address string, files bool) string {
	if webAddress(link) != nil {
		return link
	}
	if address == "" || !files || strings.HasPrefix(link, "urn:") {
		return ""
	}
	path, err := filepath.Abs(filepath.FromSlash(address))
	if err != nil {
		return ""
	}
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive's letter is no host
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// marks finds the answer's [n], though they come in pieces, and has them shown.
type marks struct {
	held string // may become a mark
	show func(mark string, n int) string
}

const openMark = len("[100") // the longest

func (m *marks) add(delta string) string {
	text := m.held + delta
	m.held = ""
	var b strings.Builder
	for {
		at := strings.IndexByte(text, '[')
		if at < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:at])
		text = text[at:]
		end := 1
		n := 0
		for end < min(len(text), openMark) && text[end] >= '0' && text[end] <= '9' {
			n = 10*n + int(text[end]-'0')
			end++
		}
		switch {
		case end == len(text):
			m.held = text
			return b.String()
		case end > 1 && end < len(text) && text[end] == ']':
			end++
			b.WriteString(m.show(text[:end], n))
		default:
			b.WriteString(text[:end])
		}
		text = text[end:]
	}
}

// rest gives what was held and became no mark.
func (m *marks) rest() string {
	held := m.held
	m.held = ""
	return held
}

// title is what a source is called.
func title(own, id string) string { return clean(cmp.Or(own, id)) }
