package load

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"strings"

	"github.com/ragproxy/ragproxy/index"
)

// loadPPTX takes the slides of a PowerPoint file in the order in which they
// are shown, each with the speaker's notes behind it. A slide is marked with
// its number ("slide", from 1) and its title ("heading").
// Format: ECMA-376, part 1, 19.
func loadPPTX(ctx context.Context, in input, opts Options) (index.Document, error) {
	a, err := openArchive(in, opts)
	if err != nil {
		return index.Document{}, err
	}
	root, err := a.relations("")
	if err != nil {
		return index.Document{}, err
	}
	slides, err := pptxSlides(a, related(root, "officeDocument", "ppt/presentation.xml"))
	if err != nil {
		return index.Document{}, err
	}
	w := newWriter(opts)
	first := ""
	for i, name := range slides {
		if err := cmp.Or(ctx.Err(), w.err()); err != nil {
			return index.Document{}, err
		}
		title, text, err := pptxSlide(a, name)
		if err != nil {
			return index.Document{}, err
		}
		meta := map[string]any{"slide": i + 1}
		if title != "" {
			meta["heading"] = title
		}
		if first == "" {
			first = title
		}
		w.part(text, meta)
	}
	p, err := a.properties(related(root, "core-properties", "docProps/core.xml"))
	if err != nil {
		return index.Document{}, err
	}
	if p.title == "" || p.title == "PowerPoint Presentation" {
		p.title = first
	}
	return w.into(in.titled(p.title, p.meta()))
}

// pptxSlides are the names of the slides' parts: the presentation lists their
// ids, and its relations say which parts these are.
func pptxSlides(a *archive, presentation string) ([]string, error) {
	parts, err := a.relations(presentation)
	if err != nil {
		return nil, err
	}
	var slides []string
	seen := map[string]bool{}
	found, err := a.walk(presentation, func(t xml.Token) error {
		e, ok := t.(xml.StartElement)
		if !ok || e.Name.Local != "sldId" {
			return nil
		}
		for _, attr := range e.Attr { // r:id; the id without a namespace is another
			if part := parts[attr.Value].target; attr.Name.Space != "" && attr.Name.Local == "id" && part != "" && !seen[part] {
				seen[part] = true
				slides = append(slides, part)
			}
		}
		return nil
	})
	if err == nil && !found {
		err = errors.New("not a PowerPoint file: it has no presentation in it")
	}
	return slides, err
}

// pptxSlide is a slide's title and all of its text, with its notes.
func pptxSlide(a *archive, name string) (title, text string, err error) {
	slide := pptxWalk{}
	if _, err = a.walk(name, slide.token); err != nil {
		return "", "", err
	}
	parts, err := a.relations(name)
	if err != nil {
		return "", "", err
	}
	notes := pptxWalk{notes: true}
	if part := related(parts, "notesSlide", ""); part != "" {
		if _, err = a.walk(part, notes.token); err != nil {
			return "", "", err
		}
	}
	text = slide.text.String()
	if said := strings.TrimSpace(notes.text.String()); said != "" {
		text += "\nNotes: " + said
	}
	return collapse(slide.title), text, nil
}

// pptxWalk follows the shapes of a slide or of its notes.
type pptxWalk struct {
	notes bool // take only the body: the rest repeats the slide, or counts

	text  strings.Builder
	title string

	line   strings.Builder
	holder string // the kind of placeholder that the shape is, "" for none
	cells  int
	inText bool
}

func (w *pptxWalk) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		switch t.Name.Local {
		case "sp", "graphicFrame":
			w.holder = ""
		case "ph":
			if w.holder = attribute(t, "type"); w.holder == "" {
				w.holder = "obj"
			}
		case "t":
			w.inText = true
		case "br":
			w.line.WriteByte('\n')
		case "tc":
			w.cells++
		}
	case xml.CharData:
		if w.inText {
			w.line.Write(t)
		}
	case xml.EndElement:
		w.end(t.Name.Local)
	}
	return nil
}

func (w *pptxWalk) end(name string) {
	switch {
	case name == "t":
		w.inText = false
	case name == "tc":
		w.cells--
		w.line.WriteByte('\t')
	case name == "p" && w.cells > 0:
		w.line.WriteByte(' ')
	case name == "p", name == "tr":
		line := rowOf(&w.line)
		if line == "" || w.leftOut() {
			return
		}
		if w.title == "" && (w.holder == "title" || w.holder == "ctrTitle") {
			w.title = line
		}
		w.text.WriteString(line + "\n")
	}
}

// leftOut are the slide's number, its date and its footer, and of a page of
// notes all but the notes.
func (w *pptxWalk) leftOut() bool {
	switch w.holder {
	case "sldNum", "dt", "ftr", "hdr":
		return true
	case "body":
		return false
	}
	return w.notes
}
