// Package load turns what a user names (a file, a folder, a URL, standard
// input) into documents.
//
// Start at [Open]:
//
//	loader, err := load.Open("docs/", load.Options{})
//	for doc, err := range loader.Load(ctx) { ... }
//
// The formats are the table in load.go, one file each; folder.go walks
// folders, web.go fetches pages.
package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// Loader loads the documents of one source.
type Loader interface {
	// Load yields the documents in a fixed order, one in memory at a time. A
	// document that fails is yielded with its ID and URL (and nothing else)
	// beside an error that names the file, line or URL at fault, and the walk
	// goes on. When ctx is done its error is yielded and the walk ends. A
	// loader may be loaded again, but not twice at the same time.
	Load(ctx context.Context) iter.Seq2[index.Document, error]
}

// Options are the settings of all loaders; the zero value is ready to use.
type Options struct {
	// Classes keeps of HTML only the elements whose class attribute is one of
	// these; without it the page's main content is taken.
	Classes []string
	// AllowPrivate lets URLs reach loopback and private addresses.
	AllowPrivate bool
	// AllowAddresses are "ip:port" that URLs may reach in any case.
	AllowAddresses []string
	// Timeout is for one URL from dialing to the last byte; 0 is 5s.
	Timeout time.Duration
	// MaxBytes is the most that one file or response, or one line of a .jsonl
	// file, may hold; 0 is 64 MiB.
	MaxBytes int64
	// UserAgent is sent with every request; "" is "ragproxy".
	UserAgent string
	// Stdin is read for the source "-"; nil is os.Stdin.
	Stdin io.Reader
	// Skipped is called for every file and folder that a folder walk passes
	// over, and every line of a .jsonl file that has no text. May be nil.
	Skipped func(path, reason string)
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 64 << 20
	}
	if o.UserAgent == "" {
		o.UserAgent = "ragproxy"
	}
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	if o.Skipped == nil {
		o.Skipped = func(string, string) {}
	}
	return o
}

// format is one kind of content. load yields the documents of an input; a
// document that it yields may be blank.
type format struct {
	name       string
	extensions []string
	load       func(input, Options) iter.Seq2[index.Document, error]
}

// formats is the table of what can be loaded.
func formats() []format {
	return []format{
		{"html", []string{".html", ".htm", ".xhtml"}, single(loadHTML)},
		{"markdown", []string{".md", ".markdown", ".mdx"}, single(loadMarkdown)},
		{"jsonl", []string{".jsonl", ".ndjson"}, loadJSONL},
		{"text", textExtensions(), single(loadText)},
	}
}

// formatByExtension finds the format of a file's name or a URL's path.
func formatByExtension(name string) (format, bool) {
	extension := strings.ToLower(path.Ext(name))
	for _, f := range formats() {
		if slices.Contains(f.extensions, extension) {
			return f, true
		}
	}
	return format{}, false
}

func formatByName(name string) format {
	all := formats()
	return all[slices.IndexFunc(all, func(f format) bool { return f.name == name })]
}

// input is one file or response.
type input struct {
	id, url string
	name    string // the file's name, the title of what has no other; "" for a page
	charset string // a Content-Type, "" if unknown
	body    io.Reader
}

func (in input) document() index.Document { return index.Document{ID: in.id, URL: in.url} }

// failed names the input in an error.
func (in input) failed(err error) error { return fmt.Errorf("load %s: %w", cmp.Or(in.url, in.id), err) }

// single makes a format of a function that makes one document of an input.
func single(load func(input, Options) (index.Document, error)) func(input, Options) iter.Seq2[index.Document, error] {
	return func(in input, opts Options) iter.Seq2[index.Document, error] {
		return func(yield func(index.Document, error) bool) {
			doc, err := load(in, opts)
			if err != nil {
				doc = in.document()
			}
			yield(doc, err)
		}
	}
}

// Open returns the loader of a source: an http or https URL, "-" for text on
// standard input, a folder, or a file whose extension tells the format. A
// missing file or an unknown extension is an error that says what there is.
func Open(source string, opts Options) (Loader, error) {
	opts = opts.withDefaults()
	lower := strings.ToLower(source)
	switch {
	case strings.HasPrefix(lower, "http://"), strings.HasPrefix(lower, "https://"):
		return newWeb(source, opts)
	case source == "-":
		return &file{id: "-", format: formatByName("text"), opts: opts,
			open: func() (io.ReadCloser, error) { return io.NopCloser(opts.Stdin), nil }}, nil
	case strings.Contains(source, "://"):
		return nil, fmt.Errorf("open source %s: only http and https URLs can be loaded", source)
	}
	info, err := os.Stat(source)
	if err != nil {
		return nil, fmt.Errorf("open source: %w (a source is a file, a folder, an http or https URL, or -)", err)
	}
	if info.IsDir() {
		return newFolder(source, opts)
	}
	f, ok := formatByExtension(filepath.ToSlash(source))
	if !ok {
		return nil, fmt.Errorf("open source %s: no loader for %q; supported: %s (or pass text to -)", source, filepath.Ext(source), supported())
	}
	name := filepath.Base(source)
	return &file{id: name, url: filepath.ToSlash(filepath.Clean(source)), name: name, format: f, opts: opts,
		open: func() (io.ReadCloser, error) { return os.Open(source) }}, nil
}

func supported() string {
	var all []string
	for _, f := range formats() {
		all = append(all, f.extensions...)
	}
	return strings.Join(all, " ")
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
		in := input{id: f.id, url: f.url, name: f.name}
		body, err := f.open()
		if err != nil {
			yield(in.document(), in.failed(err))
			return
		}
		defer body.Close()
		in.body = body
		if blank, _ := drain(ctx, f.format, in, f.opts, yield); blank {
			yield(in.document(), in.failed(errNoText))
		}
	}
}

var errNoText = errors.New("no text")

// drain yields an input's documents, cleaned. blank says that there was none
// with text, and no error; more is what the last yield said.
func drain(ctx context.Context, f format, in input, opts Options, yield func(index.Document, error) bool) (blank, more bool) {
	blank = true
	for doc, err := range f.load(in, opts) {
		if ctx.Err() != nil {
			yield(in.document(), in.failed(ctx.Err()))
			return false, false
		}
		if err != nil {
			err = in.failed(err)
		}
		doc.ID, doc.URL, doc.Title, doc.Text = clean(doc.ID), clean(doc.URL), clean(doc.Title), clean(doc.Text)
		if err == nil && strings.TrimSpace(doc.Text) == "" {
			continue
		}
		blank = false
		if !yield(doc, err) {
			return false, false
		}
	}
	return blank, true
}

// clean makes text what a document may hold: valid UTF-8 without NUL.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}
