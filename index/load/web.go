package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/ragproxy/ragproxy/index"
)

// ErrUnchanged is the error of a page that has not changed since the [Visit]
// that Options.Known gave: what is known of it still holds.
var ErrUnchanged = errors.New("not changed since it was last loaded")

// Visit is what to remember of a page to ask for it again only if it changed
// (RFC 9110, 13.1). The zero value is a page that was never loaded. It holds
// only for the options that the page was loaded with.
type Visit struct {
	ETag         string   `json:"etag,omitempty"`
	LastModified string   `json:"last_modified,omitempty"`
	Links        []string `json:"links,omitempty"` // for a crawl to go on from
}

// web loads one URL, and what it leads to: the pages of a sitemap, and with
// Options.Depth the pages that are linked. The id of a page is its URL without
// fragment and credentials: for the URL asked for as it was asked for, else
// where redirects led to; its url is where they led to.
type web struct {
	address *url.URL // as asked for
	id      string
	fetch   *fetcher
	opts    Options
}

func newWeb(source string, opts Options) (*web, error) {
	source, _, _ = strings.Cut(source, "#")
	address, err := url.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	if err := checkAddress(address); err != nil {
		return nil, fmt.Errorf("open source %s: %w", address.Redacted(), err)
	}
	fetch, err := newFetcher(opts)
	if err != nil {
		return nil, fmt.Errorf("open source %s: %w", address.Redacted(), err)
	}
	id := source
	if address.User != nil {
		id = withoutUser(address)
		fetch.basic[origin(address)] = address.User
	}
	return &web{address: address, id: id, fetch: fetch, opts: opts}, nil
}

// withoutUser is a URL without credentials and fragment: those of a request
// belong to no index.
func withoutUser(u *url.URL) string {
	bare := *u
	bare.User, bare.Fragment, bare.RawFragment = nil, "", ""
	return bare.String()
}

func (w *web) Load(ctx context.Context) iter.Seq2[index.Document, error] {
	return func(yield func(index.Document, error) bool) {
		opts, end := w.opts.begin(ctx)
		defer end()
		c := crawl{web: w, opts: opts, yield: yield, seen: map[string]bool{}}
		c.run(ctx)
	}
}

// load yields the documents of a fetched page, and says whether to go on. A
// page without text is an error if the user asked for it.
func (w *web) load(ctx context.Context, in input, p *page, opts Options, yield func(index.Document, error) bool) (blank error, more bool) {
	f, err := formatByContent(p.contentType, p.final.Path, p.body)
	if err != nil {
		return nil, yield(in.document(), in.failed(err))
	}
	in.url, in.charset, in.body = p.url(in), p.contentType, bytes.NewReader(p.body)
	visited := false
	return drain(ctx, f, in, opts, func(doc index.Document, err error) bool {
		if err == nil && doc.ID == in.id && !visited {
			visited = true
			opts.Visited(in.id, p.visit)
		}
		return yield(doc, err)
	})
}

// formatByContent tells a response's format by its type; by its path and
// first bytes where the type says little.
func formatByContent(contentType, urlPath string, body []byte) (format, error) {
	kind := mediaType(contentType)
	byPath, known := formatByExtension(strings.TrimSuffix(urlPath, ".gz"))
	if saysLittle(kind) && known {
		return byPath, nil
	}
	if saysLittle(kind) {
		kind, _, _ = strings.Cut(http.DetectContentType(body), ";")
	}
	if f, ok := formatByType(kind); ok {
		return f, nil
	}
	switch {
	case kind == "application/json", kind == "text/plain":
		if known && byPath.name != "html" { // HTML that is sent as text is meant to be read as text
			return byPath, nil
		}
		return formatByName("text"), nil
	case isText(kind):
		return formatByName("text"), nil
	case kind == "application/zip" && known: // office files and books are that too
		return byPath, nil
	}
	return format{}, unsupported(kind, urlPath)
}

// saysLittle are the types that servers send for files that they know nothing
// of.
func saysLittle(kind string) bool {
	switch kind {
	case "", "application/octet-stream", "application/gzip", "application/x-gzip", "binary/octet-stream":
		return true
	}
	return false
}

func isText(kind string) bool {
	switch kind {
	case "application/xml", "application/javascript", "application/yaml", "application/toml":
		return true
	}
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml")
}

// readable says that content of a type, as far as that is known by its type
// and path, has a loader.
func readable(contentType, urlPath string) error {
	kind := mediaType(contentType)
	if saysLittle(kind) {
		return nil
	}
	_, err := formatByContent(contentType, urlPath, nil)
	return err
}

// errUnsupported is a page of a type that no loader reads.
type errUnsupported struct{ kind, name string }

func (e errUnsupported) Error() string {
	return fmt.Sprintf("cannot read content of type %q (%s); supported: %s", e.kind, e.name, formatNames())
}

func unsupported(kind, urlPath string) error { return errUnsupported{kind, path.Base(urlPath)} }

func mediaType(contentType string) string {
	kind, _, _ := mime.ParseMediaType(contentType)
	if kind == "" && contentType != "" {
		kind, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(contentType)), ";")
	}
	return kind
}
