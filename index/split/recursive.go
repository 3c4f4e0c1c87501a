// Package split cuts a document's text into pieces small enough to embed.
//
// Start at [NewRecursive]:
//
//	s, err := split.NewRecursive(split.Options{Size: 1000, Overlap: 200})
//	pieces := s.Split(text)
//
// Sizes and offsets count characters, that is Unicode code points, not bytes.
package split

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ragproxy/ragproxy/index"
)

// Options says how large the pieces are, in characters.
type Options struct {
	Size    int // the most that a piece holds, at least 1
	Overlap int // the most that a piece repeats of the one before it, 0 <= Overlap < Size
}

// Recursive splits at paragraphs, lines, words and at last anywhere, taking
// the coarsest separator that a text holds and going on to the next for the
// parts that are still too long. Its pieces and their offsets are those of
// RecursiveCharacterTextSplitter(chunk_size, chunk_overlap,
// add_start_index=True) in Python's langchain-text-splitters 1.1, with one
// difference: an overlap as large as the size is refused.
//
// A Recursive never changes and is safe for concurrent use.
type Recursive struct {
	size, overlap int
}

var _ index.Splitter = (*Recursive)(nil)

// NewRecursive returns a splitter; options outside their ranges are an error
// that names the setting.
func NewRecursive(o Options) (*Recursive, error) {
	if o.Size < 1 {
		return nil, fmt.Errorf("chunk_size is %d, must be at least 1", o.Size)
	}
	if o.Overlap < 0 {
		return nil, fmt.Errorf("chunk_overlap is %d, must not be negative", o.Overlap)
	}
	if o.Overlap >= o.Size {
		return nil, fmt.Errorf("chunk_overlap (%d) must be smaller than chunk_size (%d)", o.Overlap, o.Size)
	}
	return &Recursive{size: o.Size, overlap: o.Overlap}, nil
}

// Name is "recursive-<size>-<overlap>".
func (r *Recursive) Name() string { return fmt.Sprintf("recursive-%d-%d", r.size, r.overlap) }

// Split returns the pieces in the order of the text. White space at the ends
// of a piece is dropped, and so is a piece of nothing else, except that with
// Size 1 every character is a piece as it is.
//
// Start is where the piece's text is first found at or after the end of the
// piece before, less the overlap. Where a text repeats itself that may be an
// earlier place than the one the piece was cut from, but it always holds the
// same text: piece.Text is the characters [Start, End) of the text.
//
// In a text that is not valid UTF-8 every wrong byte counts, and is returned,
// as one U+FFFD. The time is linear in the text and the pieces.
func (r *Recursive) Split(text string) []index.Piece {
	if !utf8.ValidString(text) {
		text = string([]rune(text))
	}
	var pieces []index.Piece
	at := finder{text: text}
	previous := 0 // end of the piece before, in characters
	r.cut(part{end: len(text)}, text, []string{"\n\n", "\n", " ", ""}, func(p part) {
		chunk := text[p.start:p.end]
		start := at.find(chunk, previous-r.overlap)
		previous = start + utf8.RuneCountInString(chunk)
		pieces = append(pieces, index.Piece{Text: chunk, Start: start, End: previous})
	})
	return pieces
}

// part is text[start:end], in bytes, of chars characters.
type part struct{ start, end, chars int }

// cut emits the spans of the pieces of the given span of text.
func (r *Recursive) cut(span part, text string, separators []string, emit func(part)) {
	separator, finer := choose(text[span.start:span.end], separators)
	m := merger{text: text, size: r.size, overlap: r.overlap, emit: emit}
	for start := span.start; start < span.end; {
		end := start + next(text[start:span.end], separator)
		p := part{start, end, utf8.RuneCountInString(text[start:end])}
		start = end
		switch {
		case p.chars < r.size:
			m.add(p)
		case len(finer) == 0:
			m.flush()
			emit(p)
		default:
			m.flush()
			r.cut(p, text, finer, emit)
		}
	}
	m.flush()
}

// choose returns the first separator that text holds and those after it.
func choose(text string, separators []string) (string, []string) {
	for i, s := range separators {
		if strings.Contains(text, s) { // any text holds ""
			return s, separators[i+1:]
		}
	}
	return "", nil
}

// next is the length in bytes of the first part of text, which is not empty:
// up to the next separator, which begins the part after it.
func next(text, separator string) int {
	if separator == "" {
		_, n := utf8.DecodeRuneInString(text)
		return n
	}
	skip := 0
	if strings.HasPrefix(text, separator) {
		skip = len(separator)
	}
	if i := strings.Index(text[skip:], separator); i >= 0 {
		return skip + i
	}
	return len(text)
}

// merger joins neighbouring parts to pieces of at most size characters, each
// beginning with the last parts of the one before, as far as they fit into
// the overlap.
type merger struct {
	text          string
	size, overlap int
	emit          func(part)
	parts         []part // the piece so far
	total         int    // its characters
}

func (m *merger) add(p part) {
	if m.total+p.chars > m.size && len(m.parts) > 0 {
		m.join()
		for m.total > m.overlap || (m.total+p.chars > m.size && m.total > 0) {
			m.total -= m.parts[0].chars
			m.parts = m.parts[1:]
		}
	}
	m.parts = append(m.parts, p)
	m.total += p.chars
}

func (m *merger) flush() {
	m.join()
	m.parts, m.total = m.parts[:0], 0
}

func (m *merger) join() {
	if len(m.parts) == 0 {
		return
	}
	start, end := m.parts[0].start, m.parts[len(m.parts)-1].end
	trimmed := strings.TrimLeftFunc(m.text[start:end], isSpace)
	start = end - len(trimmed)
	trimmed = strings.TrimRightFunc(trimmed, isSpace)
	if trimmed != "" {
		m.emit(part{start: start, end: start + len(trimmed)})
	}
}

// isSpace is what Python's str.strip takes for white space, which has four
// separators more than unicode.IsSpace.
func isSpace(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }

// finder keeps its place in a text, in bytes and in characters, so that a
// search near the last one costs no count from the beginning.
type finder struct {
	text  string
	bytes int
	chars int
}

// find is Python's text.find(chunk, max(0, from)), in characters. A chunk
// always occurs there: it was cut at or after from, and what is found for the
// chunk before it lies no later than where that one was cut.
func (f *finder) find(chunk string, from int) int {
	f.move(max(0, from))
	i := max(0, strings.Index(f.text[f.bytes:], chunk))
	f.chars += utf8.RuneCountInString(f.text[f.bytes : f.bytes+i])
	f.bytes += i
	return f.chars
}

func (f *finder) move(to int) {
	for f.chars > to {
		_, n := utf8.DecodeLastRuneInString(f.text[:f.bytes])
		f.chars, f.bytes = f.chars-1, f.bytes-n
	}
	for f.chars < to {
		_, n := utf8.DecodeRuneInString(f.text[f.bytes:])
		f.chars, f.bytes = f.chars+1, f.bytes+n
	}
}
