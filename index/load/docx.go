package load

import (
	"context"
	"encoding/xml"
	"errors"
	"strconv"
	"strings"

	"github.com/ragproxy/ragproxy/index"
)

// loadDOCX takes the paragraphs of a Word file: one line each, headings and
// tables apart, the cells of a row parted by tabs, footnotes at the end.
// Headings are known by their style; the marks are the path of headings.
// Format: ECMA-376, part 1, 17.
func loadDOCX(_ context.Context, in input, opts Options) (index.Document, error) {
	a, err := openArchive(in, opts)
	if err != nil {
		return index.Document{}, err
	}
	root, err := a.relations("")
	if err != nil {
		return index.Document{}, err
	}
	body := related(root, "officeDocument", "word/document.xml")
	parts, err := a.relations(body)
	if err != nil {
		return index.Document{}, err
	}
	w := docxWalk{writer: newWriter(opts)}
	if w.styles, err = docxStyles(a, related(parts, "styles", "word/styles.xml")); err != nil {
		return index.Document{}, err
	}
	for i, name := range []string{body, related(parts, "footnotes", ""), related(parts, "endnotes", "")} {
		found, err := a.walk(name, w.token)
		if err != nil {
			return index.Document{}, err
		}
		if i == 0 && !found {
			return index.Document{}, errors.New("not a Word file: it has no document in it")
		}
	}
	p, err := a.properties(related(root, "core-properties", "docProps/core.xml"))
	if err != nil {
		return index.Document{}, err
	}
	if p.title == "" {
		p.title = w.title
	}
	return w.into(in.titled(p.title, p.meta()))
}

// docxStyle is what matters of a paragraph's style.
type docxStyle struct {
	level  int // of a heading; 0 for none
	bullet bool
	hidden bool
}

// docxStyles are the styles of a file by their id: what people see as
// "Heading 1" has another id in every language, but one name. A title has the
// level 1 too.
func docxStyles(a *archive, part string) (map[string]docxStyle, error) {
	styles := map[string]docxStyle{}
	id := ""
	_, err := a.walk(part, func(t xml.Token) error {
		e, ok := t.(xml.StartElement)
		if !ok {
			return nil
		}
		style := styles[id]
		switch e.Name.Local {
		case "style":
			id = attribute(e, "styleId")
			return nil
		case "name":
			name := strings.ToLower(attribute(e, "val"))
			if number, ok := strings.CutPrefix(name, "heading "); ok {
				style.level, _ = strconv.Atoi(number)
			} else if name == "title" {
				style.level = 1
			}
		case "outlineLvl": // of a style of the user's own; 9 is body text
			if n, err := strconv.Atoi(attribute(e, "val")); err == nil && style.level == 0 && n < 9 {
				style.level = n + 1
			}
		case "numPr":
			style.bullet = true
		case "vanish":
			style.hidden = on(e)
		default:
			return nil
		}
		styles[id] = style
		return nil
	})
	return styles, err
}

// docxWalk follows the paragraphs of a Word part.
type docxWalk struct {
	writer
	styles map[string]docxStyle
	title  string // the first heading

	line     strings.Builder
	style    docxStyle // of the paragraph
	rows     string    // the gap before the table's next row
	inText   bool
	inRun    bool
	vanished bool // the run is hidden text
	cells    int  // open tables' cells: a paragraph in one is a part of its row
	fallback int  // open mc:Fallback: what is said there was said before
}

func (w *docxWalk) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		if t.Name.Local == "Fallback" {
			w.fallback++
		}
		w.start(t)
	case xml.CharData:
		if w.inText && w.fallback == 0 && (!w.vanished && !w.style.hidden || w.hidden) {
			w.line.Write(t)
		}
	case xml.EndElement:
		w.end(t.Name.Local)
	}
	return w.err()
}

func (w *docxWalk) start(e xml.StartElement) {
	switch e.Name.Local {
	case "p":
		if w.line.Len() > 0 && w.cells == 0 { // a text box inside of a paragraph
			w.paragraph()
		}
	case "pStyle":
		w.style = w.styles[attribute(e, "val")]
	case "numPr":
		w.style.bullet = true
	case "r":
		w.inRun, w.vanished = true, false
	case "rStyle":
		w.vanished = w.inRun && w.styles[attribute(e, "val")].hidden
	case "vanish": // outside of a run it is that of the paragraph's mark
		if w.inRun {
			w.vanished = on(e)
		}
	case "tbl":
		if w.cells == 0 {
			w.rows = "\n\n"
		}
	case "t":
		w.inText = true
	case "tab", "ptab":
		if len(e.Attr) == 0 || e.Name.Local == "ptab" { // with attributes it is the place of a tab stop
			w.line.WriteByte('\t')
		}
	case "br", "cr":
		w.line.WriteByte('\n')
	case "noBreakHyphen":
		w.line.WriteByte('-')
	case "tc":
		w.cells++
	}
}

func (w *docxWalk) end(name string) {
	switch name {
	case "Fallback":
		w.fallback--
	case "t":
		w.inText = false
	case "r":
		w.inRun, w.vanished = false, false
	case "p":
		if w.cells == 0 {
			w.paragraph()
		} else {
			w.line.WriteByte(' ')
		}
	case "tc":
		w.cells--
		w.line.WriteByte('\t')
	case "tr":
		if w.cells == 0 {
			w.add(w.rows, rowOf(&w.line))
			w.rows, w.style = "\n", docxStyle{}
		}
	}
}

// on is the value of a property that is on unless it says otherwise.
func on(e xml.StartElement) bool {
	switch attribute(e, "val") {
	case "0", "false", "off":
		return false
	}
	return true
}

// paragraph ends one.
func (w *docxWalk) paragraph() {
	text := strings.TrimSpace(w.line.String())
	switch {
	case text == "":
	case w.style.level > 0:
		if w.title == "" {
			w.title = collapse(text)
		}
		w.heading(w.style.level, text)
	case w.style.bullet:
		w.add("\n", "- "+text)
	default:
		w.add("\n\n", text)
	}
	w.line.Reset()
	w.style = docxStyle{}
}

// rowOf takes a table's row, whose cells end in tabs, out of a line.
func rowOf(line *strings.Builder) string {
	cells := strings.Split(line.String(), "\t")
	line.Reset()
	for i, cell := range cells {
		cells[i] = strings.TrimSpace(cell)
	}
	return strings.Trim(strings.Join(cells, "\t"), "\t ")
}
