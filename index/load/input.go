package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/ragproxy/ragproxy/index"
)

// input is one file or response.
type input struct {
	id, url string
	name    string // the file's name, the title of what has no other; "" for a page
	charset string // a Content-Type, "" if unknown
	body    io.Reader
}

func (in input) document() index.Document { return index.Document{ID: in.id, URL: in.url} }

// titled is the input's document under a title, or else the file's name,
// still without its text.
func (in input) titled(title string, meta map[string]any) index.Document {
	return index.Document{ID: in.id, URL: in.url, Title: cmp.Or(collapse(title), in.name), Meta: meta}
}

// properties are what a file says of itself; "" where it says nothing.
type properties struct{ title, author, date string }

// meta are the properties that are no field of a document.
func (p properties) meta() map[string]any {
	meta := map[string]any{}
	for key, value := range map[string]string{"author": p.author, "date": p.date} {
		if value = clean(collapse(value)); value != "" {
			meta[key] = value
		}
	}
	if len(meta) == 0 {
		return nil
	}
	return meta
}

// failed names the input in an error.
func (in input) failed(err error) error { return fmt.Errorf("load %s: %w", cmp.Or(in.url, in.id), err) }

// single makes a format of a function that makes one document of an input, in
// the time that the options allow.
func single(load func(context.Context, input, Options) (index.Document, error)) func(context.Context, input, Options) iter.Seq2[index.Document, error] {
	return func(ctx context.Context, in input, opts Options) iter.Seq2[index.Document, error] {
		return func(yield func(index.Document, error) bool) {
			timed, cancel := context.WithTimeout(ctx, opts.ParseTimeout)
			doc, err := load(timed, in, opts)
			if err != nil && timed.Err() != nil && ctx.Err() == nil {
				err = fmt.Errorf("took longer than load.parse_timeout (%v) to read", opts.ParseTimeout)
			}
			cancel()
			if err != nil {
				doc = in.document()
			}
			yield(doc, err)
		}
	}
}

// caught makes an error of a panic in docs, one broken file ending no run; a
// panic of whom the documents are yielded to goes on.
func caught(in input, docs iter.Seq2[index.Document, error]) iter.Seq2[index.Document, error] {
	return func(yield func(index.Document, error) bool) {
		theirs, more := false, true
		defer func() {
			if theirs || !more {
				return
			}
			if r := recover(); r != nil {
				yield(in.document(), fmt.Errorf("the file breaks its loader: %v", r))
			}
		}()
		docs(func(doc index.Document, err error) bool {
			theirs = true
			more = yield(doc, err)
			theirs = false
			return more
		})
	}
}

// file loads one file, or standard input.
type file struct {
	id, url, name string
	format        format
	opts          Options
	open          func() (io.ReadCloser, error)
}

func (f *file) Load(ctx context.Context) iter.Seq2[index.Document, error] {
	return func(yield func(index.Document, error) bool) {
		opts, end := f.opts.begin(ctx)
		defer end()
		in := input{id: f.id, url: f.url, name: f.name}
		body, err := f.open()
		if err != nil {
			yield(in.document(), in.failed(err))
			return
		}
		body = follow(body, opts.Read)
		defer body.Close()
		in.body = body
		if blank, _ := drain(ctx, f.format, in, opts, yield); blank != nil {
			yield(in.document(), in.failed(blank))
		}
	}
}

// noText is why an input gives no document: there is nothing wrong with it,
// and nothing in it.
type noText string

func (e noText) Error() string { return string(e) }

const errNoText noText = "no text"

// drain yields an input's documents, cleaned. blank is not nil if there was
// none with text, and no error; more is what the last yield said.
func drain(ctx context.Context, f format, in input, opts Options, yield func(index.Document, error) bool) (blank error, more bool) {
	blank = errNoText
	for doc, err := range caught(in, f.load(ctx, in, opts)) {
		if ctx.Err() != nil {
			yield(in.document(), in.failed(ctx.Err()))
			return nil, false
		}
		var none noText
		if errors.As(err, &none) {
			blank = none
			continue
		}
		if err != nil {
			err = in.failed(err)
		}
		doc.ID, doc.URL, doc.Title, doc.Text = clean(doc.ID), clean(doc.URL), clean(doc.Title), clean(doc.Text)
		if err == nil && strings.TrimSpace(doc.Text) == "" {
			continue
		}
		blank = nil
		if !yield(doc, err) {
			return nil, false
		}
	}
	return blank, true
}

// clean makes text what a document may hold: valid UTF-8 without NUL.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}
