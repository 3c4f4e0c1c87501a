package load

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/ragproxy/ragproxy/index"
)

// writer puts a document's text together from parts, and marks where they
// begin.
type writer struct {
	limit   int64 // bytes of text
	hidden  bool  // text that is not shown is kept
	pieces  []string
	size    int64 // of the pieces in bytes
	runes   int
	over    bool // there was more text
	outline outline
	marks   []index.Mark
}

// newWriter returns a writer for a document that is unpacked: its text is far
// smaller than what it is packed in, or it is a bomb.
func newWriter(opts Options) writer {
	return writer{limit: max(opts.MaxBytes/4, 1), hidden: opts.KeepHidden}
}

// add adds a text, with a gap before it unless it is the first, and returns
// the character at which it begins; false if there is nothing to add, or no
// room for it.
func (w *writer) add(gap, text string) (start int, ok bool) {
	text = clean(strings.TrimSpace(text))
	if w.size == 0 {
		gap = ""
	}
	size := w.size + int64(len(gap)+len(text))
	if w.over = w.over || size > w.limit; w.over || text == "" {
		return 0, false
	}
	w.pieces = append(w.pieces, gap, text)
	w.size = size
	start = w.runes + len(gap)
	w.runes = start + utf8.RuneCountInString(text)
	return start, true
}

// part adds a text after an empty line; meta holds from it on.
func (w *writer) part(text string, meta map[string]any) {
	if start, ok := w.add("\n\n", text); ok {
		w.marks = addMark(w.marks, start, meta)
	}
}

// heading adds a heading of a level, from 1, after an empty line.
func (w *writer) heading(level int, text string) {
	text = collapse(text)
	if start, ok := w.add("\n\n", text); ok {
		w.marks = addMark(w.marks, start, map[string]any{"heading": w.outline.enter(level, clean(text))})
	}
}

// into puts the text and the marks into a document. More text than the limit
// is an error.
func (w *writer) into(doc index.Document) (index.Document, error) {
	if err := w.err(); err != nil {
		return doc, err
	}
	doc.Text, doc.Marks = strings.Join(w.pieces, ""), w.marks
	return doc, nil
}

// err is not nil if there was more text than the limit.
func (w *writer) err() error {
	if w.over {
		return fmt.Errorf("has more than %d bytes of text, a quarter of load.max_bytes", w.limit)
	}
	return nil
}

// maxMarks is the most marks of a document. Only hostile files have more.
const maxMarks = 20_000

// addMark adds a mark; the last that there may be says nothing.
func addMark(marks []index.Mark, start int, meta map[string]any) []index.Mark {
	switch len(marks) {
	case maxMarks:
		return marks
	case maxMarks - 1:
		meta = nil
	}
	return append(marks, index.Mark{Start: start, Meta: meta})
}
