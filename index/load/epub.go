package load

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/ragproxy/ragproxy/index"
)

// loadEPUB takes the chapters of a book in the order of its spine. The marks
// are the path of headings, or the chapter's title where it has none.
// Format: EPUB 3.3, W3C.
func loadEPUB(ctx context.Context, in input, opts Options) (index.Document, error) {
	a, err := openArchive(in, opts)
	if err != nil {
		return index.Document{}, err
	}
	if a.parts["META-INF/rights.xml"] != nil {
		return index.Document{}, errors.New("encrypted: the book is protected against reading (DRM)")
	}
	book, err := epubPackage(a)
	if err != nil {
		return index.Document{}, err
	}
	chapters, err := epubSpine(a, book)
	if err != nil {
		return index.Document{}, err
	}
	w := newWriter(opts)
	for _, name := range chapters {
		if err := cmp.Or(ctx.Err(), w.err()); err != nil {
			return index.Document{}, err
		}
		if err := epubChapter(&w, a, name); err != nil {
			return index.Document{}, err
		}
	}
	p, err := a.properties(book)
	if err != nil {
		return index.Document{}, err
	}
	return w.into(in.titled(p.title, p.meta()))
}

// epubPackage is the name of the part that says what the book is made of.
func epubPackage(a *archive) (string, error) {
	name := ""
	_, err := a.walk("META-INF/container.xml", func(t xml.Token) error {
		if e, ok := t.(xml.StartElement); ok && e.Name.Local == "rootfile" && name == "" {
			name = partName("", attribute(e, "full-path"))
		}
		return nil
	})
	if err == nil && a.parts[name] == nil {
		err = errors.New("not an EPUB file: it has no package in it")
	}
	return name, err
}

// epubSpine are the names of the chapters' parts, each once.
func epubSpine(a *archive, book string) ([]string, error) {
	manifest := map[string]string{}
	var spine []string
	_, err := a.walk(book, func(t xml.Token) error {
		e, ok := t.(xml.StartElement)
		if !ok {
			return nil
		}
		switch e.Name.Local {
		case "item":
			if href, err := url.PathUnescape(attribute(e, "href")); err == nil && attribute(e, "properties") != "nav" {
				manifest[attribute(e, "id")] = partName(path.Dir(book), href)
			}
		case "itemref":
			id := attribute(e, "idref")
			if name := manifest[id]; name != "" && attribute(e, "linear") != "no" {
				spine = append(spine, name)
				delete(manifest, id)
			}
		}
		return nil
	})
	return spine, err
}

// epubChapter adds a chapter.
func epubChapter(w *writer, a *archive, name string) error {
	r, err := a.part(name)
	if r == nil || err != nil {
		return err
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	page, err := decode(body, "application/xhtml+xml")
	if err != nil {
		return err
	}
	page = clean(page)
	if !w.hidden {
		page = visibleHTML(page)
	}
	text, headings := blockText(page, false)
	lead := utf8.RuneCountInString(text) - utf8.RuneCountInString(strings.TrimLeft(text, " \t\r\n"))
	start, ok := w.add("\n\n", text)
	if !ok {
		return nil
	}
	marks := headingMarks(text, headings)
	if title := pageProperties(page).title; title != "" && (len(marks) == 0 || marks[0].Start > lead) {
		w.marks = addMark(w.marks, start, map[string]any{"heading": title})
	}
	for _, m := range marks {
		w.marks = addMark(w.marks, start+max(0, m.Start-lead), m.Meta)
	}
	return nil
}
