package load

import (
	"context"
	"encoding/xml"
	"errors"
	"strconv"
	"strings"

	"github.com/ragproxy/ragproxy/index"
)

// loadODT takes the paragraphs of an OpenDocument text as loadDOCX does those
// of a Word file. Format: OASIS OpenDocument 1.3, part 3.
func loadODT(_ context.Context, in input, opts Options) (index.Document, error) {
	a, err := openArchive(in, opts)
	if err != nil {
		return index.Document{}, err
	}
	w := odtWalk{writer: newWriter(opts)}
	found, err := a.walk("content.xml", w.token)
	switch {
	case err != nil:
		return index.Document{}, err
	case !found:
		return index.Document{}, errors.New("not an OpenDocument file: it has no content in it")
	}
	p, err := a.properties("meta.xml")
	if err != nil {
		return index.Document{}, err
	}
	if p.title == "" {
		p.title = w.title
	}
	return w.into(in.titled(p.title, p.meta()))
}

// odtWalk follows the paragraphs of a text.
type odtWalk struct {
	writer
	title string // the first heading

	line  strings.Builder
	open  int // paragraphs and headings: text outside of them is none
	level int
	lists int
	cells int
	rows  string // the gap before the table's next row
	skip  int    // elements whose text is none of the document's
}

func (w *odtWalk) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		if odtLeftOut(t.Name.Local) {
			w.skip++
		}
		if w.skip == 0 {
			w.start(t)
		}
	case xml.CharData:
		if w.open > 0 && w.skip == 0 {
			w.spaced(string(t))
		}
	case xml.EndElement:
		if w.skip == 0 {
			w.end(t.Name.Local)
		}
		if odtLeftOut(t.Name.Local) {
			w.skip--
		}
	}
	return w.err()
}

// odtLeftOut are deleted text, remarks, and what a list of the headings
// repeats.
func odtLeftOut(name string) bool {
	switch name {
	case "tracked-changes", "annotation", "table-of-content", "note-citation", "forms":
		return true
	}
	return false
}

// spaced writes text, whose runs of white space are one space.
func (w *odtWalk) spaced(text string) {
	words := collapse(text)
	if text != "" && (words == "" || strings.TrimLeft(text, " \t\r\n") != text) && !strings.HasSuffix(w.line.String(), " ") {
		w.line.WriteByte(' ')
	}
	if words == "" {
		return
	}
	w.line.WriteString(words)
	if strings.TrimRight(text, " \t\r\n") != text {
		w.line.WriteByte(' ')
	}
}

func (w *odtWalk) start(e xml.StartElement) {
	switch e.Name.Local {
	case "p", "h":
		w.open++
		if w.level = 0; e.Name.Local == "h" {
			w.level = 1
			if n, err := strconv.Atoi(attribute(e, "outline-level")); err == nil && n > 0 {
				w.level = n
			}
		}
	case "s": // many spaces
		w.line.WriteByte(' ')
	case "tab":
		w.line.WriteByte('\t')
	case "line-break":
		w.line.WriteByte('\n')
	case "list":
		w.lists++
	case "table":
		if w.cells == 0 {
			w.rows = "\n\n"
		}
	case "table-cell":
		w.cells++
	case "note-body": // a footnote, in the middle of its paragraph
		w.line.WriteString(" (")
	}
}

func (w *odtWalk) end(name string) {
	switch name {
	case "p", "h":
		if w.open--; w.open > 0 || w.cells > 0 {
			w.line.WriteByte(' ')
			return
		}
		w.paragraph()
	case "list":
		w.lists--
	case "table-cell":
		w.cells--
		w.line.WriteByte('\t')
	case "table-row":
		if w.cells == 0 {
			w.add(w.rows, rowOf(&w.line))
			w.rows = "\n"
		}
	case "note-body":
		line := strings.TrimRight(w.line.String(), " ")
		w.line.Reset()
		w.line.WriteString(line + ") ")
	}
}

// paragraph ends one.
func (w *odtWalk) paragraph() {
	text := strings.TrimSpace(w.line.String())
	switch {
	case text == "":
	case w.level > 0:
		if w.title == "" {
			w.title = collapse(text)
		}
		w.heading(w.level, text)
	case w.lists > 0:
		w.add("\n", "- "+text)
	default:
		w.add("\n\n", text)
	}
	w.line.Reset()
	w.level = 0
}
