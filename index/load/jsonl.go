package load

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/ragproxy/ragproxy/index"
)

// record is a line: BEIR's corpus format, with an address and more.
type record struct {
	UnderscoreID json.RawMessage `json:"_id"`
	ID           json.RawMessage `json:"id"`
	Title        string          `json:"title"`
	Text         string          `json:"text"`
	URL          string          `json:"url"`
	Metadata     map[string]any  `json:"metadata"`
}

// loadJSONL takes every line as a document. Its id is the line's "_id" or
// "id" (a string, or a number as it is written), else "<input's id>#<line>".
// A line without text is its title; with neither it is named as skipped. A
// line that cannot be read, or has an id that came before in the same input,
// is an error naming the line. Numbers in metadata become json.Number, so that
// big ones keep their digits.
func loadJSONL(_ context.Context, in input, opts Options) iter.Seq2[index.Document, error] {
	return func(yield func(index.Document, error) bool) {
		seen := map[string]int{} // id: line
		lines := newLineReader(in.body, opts.MaxBytes)
		for number := 1; ; number++ {
			line, err := lines.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if number == 1 {
				line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
				if err == nil && bytes.IndexByte(line, 0) >= 0 { // else an error a line
					yield(in.document(), errBinary)
					return
				}
			}
			if err == nil && len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			at := fmt.Sprintf("%s#%d", in.id, number)
			doc := index.Document{ID: at}
			if err == nil {
				doc, err = parseRecord(line, at)
			}
			if first, ok := seen[doc.ID]; ok && err == nil {
				err = fmt.Errorf("id %q again, first in line %d", doc.ID, first)
			}
			if err != nil {
				if !yield(index.Document{ID: doc.ID, URL: doc.URL}, fmt.Errorf("line %d: %w", number, err)) || lines.failed {
					return
				}
				continue
			}
			seen[doc.ID] = number
			if strings.TrimSpace(doc.Text) == "" {
				opts.Skipped(fmt.Sprintf("%s:%d", cmp.Or(in.url, in.id), number), errNoText.Error())
				continue
			}
			if !yield(doc, nil) {
				return
			}
		}
	}
}

// parseRecord makes a document of a line; with an error it has an ID only.
func parseRecord(line []byte, id string) (index.Document, error) {
	if !utf8.Valid(line) {
		return index.Document{ID: id}, errors.New("is not valid UTF-8")
	}
	var r record
	if err := decodeOne(bytes.TrimSpace(line), &r); err != nil {
		var wrong *json.UnmarshalTypeError
		switch {
		case !errors.As(err, &wrong):
			err = fmt.Errorf("parse JSON: %w", err)
		case wrong.Field == "":
			err = fmt.Errorf("is a JSON %s, not an object", wrong.Value)
		default:
			err = fmt.Errorf("%q has a value of the wrong type (%s)", wrong.Field, wrong.Value)
		}
		return index.Document{ID: id}, err
	}
	raw := r.UnderscoreID
	if raw == nil || string(raw) == "null" {
		raw = r.ID
	}
	own, err := recordID(raw)
	if err != nil {
		return index.Document{ID: id}, err
	}
	if own != "" {
		id = own
	}
	doc := index.Document{ID: id, URL: r.URL, Title: collapse(r.Title), Text: r.Text, Meta: r.Metadata}
	if strings.TrimSpace(doc.Text) == "" {
		doc.Text = doc.Title
	}
	return doc, nil
}

// decodeOne reads the one JSON value that b is.
func decodeOne(b []byte, to any) error {
	if !json.Valid(b) {
		return json.Unmarshal(b, to) // for its words
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return dec.Decode(to)
}

// recordID is a JSON string or number as an id; "" for none.
func recordID(raw json.RawMessage) (string, error) {
	if raw == nil || string(raw) == "null" {
		return "", nil
	}
	switch c := raw[0]; {
	case c == '"':
		var id string
		err := json.Unmarshal(raw, &id)
		return clean(id), err
	case c == '-', '0' <= c && c <= '9':
		return string(raw), nil
	}
	return "", errors.New("the id is neither a string nor a number")
}

// lineReader reads lines of any length up to a limit.
type lineReader struct {
	r      *bufio.Reader
	limit  int64
	line   []byte
	failed bool // the input cannot be read further
}

func newLineReader(r io.Reader, limit int64) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10), limit: limit}
}

// next returns the next line with its end, valid until the next call. A line
// over the limit is an error, and is passed over; io.EOF ends the input.
func (l *lineReader) next() ([]byte, error) {
	l.line = l.line[:0]
	long := false
	for {
		part, err := l.r.ReadSlice('\n')
		if long = long || int64(len(l.line)+len(part)) > l.limit; !long {
			l.line = append(l.line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(l.line) == 0 && !long:
			return nil, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			l.failed = true
			return nil, fmt.Errorf("read: %w", err)
		case long:
			return nil, fmt.Errorf("longer than load.max_bytes (%d)", l.limit)
		}
		return l.line, nil
	}
}
