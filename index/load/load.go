// Package load turns what a user names (a file, a folder, a URL, standard
// input) into documents.
//
// Start at [Open]:
//
//	loader, err := load.Open("docs/", load.Options{})
//	for doc, err := range loader.Load(ctx) { ... }
//
// The formats are the table in load.go, one file each; folder.go walks
// folders, web.go fetches pages and crawl.go follows their links.
package load

import (
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

// format is one kind of content. load yields the documents of an input; a
// document that it yields may be blank.
type format struct {
	name       string
	extensions []string
	types      []string // MIME types that say so without doubt
	load       func(context.Context, input, Options) iter.Seq2[index.Document, error]
}

// formats is the table of what can be loaded.
func formats() []format {
	const office = "application/vnd.openxmlformats-officedocument."
	return []format{
		{"html", []string{".html", ".htm", ".xhtml"}, []string{"text/html", "application/xhtml+xml"}, single(loadHTML)},
		{"markdown", []string{".md", ".markdown", ".mdx"}, []string{"text/markdown", "text/x-markdown"}, single(loadMarkdown)},
		{"pdf", []string{".pdf"}, []string{"application/pdf", "application/x-pdf"}, single(loadPDF)},
		{"docx", []string{".docx", ".docm"}, []string{office + "wordprocessingml.document"}, single(loadDOCX)},
		{"pptx", []string{".pptx", ".pptm"}, []string{office + "presentationml.presentation"}, single(loadPPTX)},
		{"xlsx", []string{".xlsx", ".xlsm"}, []string{office + "spreadsheetml.sheet"}, single(loadXLSX)},
		{"odt", []string{".odt"}, []string{"application/vnd.oasis.opendocument.text"}, single(loadODT)},
		{"epub", []string{".epub"}, []string{"application/epub+zip"}, single(loadEPUB)},
		{"csv", []string{".csv", ".tsv"}, []string{"text/csv", "text/tab-separated-values"}, loadCSV},
		{"jsonl", []string{".jsonl", ".ndjson"}, []string{"application/jsonl", "application/x-jsonl", "application/jsonlines",
			"application/x-jsonlines", "application/json-lines", "application/ndjson", "application/x-ndjson"}, loadJSONL},
		{"text", textExtensions(), nil, single(loadText)},
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

// formatByType finds the format of a MIME type.
func formatByType(kind string) (format, bool) {
	for _, f := range formats() {
		if slices.Contains(f.types, kind) {
			return f, true
		}
	}
	return format{}, false
}

func formatByName(name string) format {
	all := formats()
	return all[slices.IndexFunc(all, func(f format) bool { return f.name == name })]
}

// Open returns the loader of a source: an http or https URL, "-" for text on
// standard input, a folder, or a file whose extension or name tells the format,
// or which is UTF-8 text. A missing file, or one of an unknown format, is an error
// that says what there is.
func Open(source string, opts Options) (Loader, error) {
	opts = opts.withDefaults()
	if opts.Select != "" && len(opts.Classes) > 0 {
		return nil, errSelection
	}
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
	f, ok := formatOfFile(filepath.ToSlash(source))
	if !ok && isTextFile(source) {
		f, ok = formatByName("text"), true
	}
	if !ok {
		return nil, fmt.Errorf("open source %s: no loader for %q; supported: %s (or pass text to -)", source, filepath.Ext(source), strings.Join(Extensions(), " "))
	}
	name := filepath.Base(source)
	return &file{id: name, url: filepath.ToSlash(filepath.Clean(source)), name: name, format: f, opts: opts,
		open: func() (io.ReadCloser, error) { return os.Open(source) }}, nil
}

// OpenNamed returns the loader of content that has a name and no path, such as
// an upload. The name tells the format, and is what the documents' ids are or
// begin with; they have no URL. open is called by each Load.
func OpenNamed(name string, open func() (io.ReadCloser, error), opts Options) (Loader, error) {
	opts = opts.withDefaults()
	if opts.Select != "" && len(opts.Classes) > 0 {
		return nil, errSelection
	}
	f, ok := formatByExtension(name)
	if !ok {
		return nil, fmt.Errorf("open source %s: no loader for %q; supported: %s", name, path.Ext(name), strings.Join(Extensions(), " "))
	}
	return &file{id: name, name: name, format: f, opts: opts, open: open}, nil
}

var errSelection = errors.New("open source: classes and a selector exclude each other: give one of them")

// Extensions lists what files may end in to be loaded, in lower case, with
// their dots.
func Extensions() []string {
	var all []string
	for _, f := range formats() {
		all = append(all, f.extensions...)
	}
	return all
}

func formatNames() string {
	var all []string
	for _, f := range formats() {
		all = append(all, f.name)
	}
	return strings.Join(all, ", ")
}
