package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/ragproxy/ragproxy/index"
)

// maxRedirects is how many redirects a page may take.
const maxRedirects = 10

// web loads one URL. The documents' id is the URL asked for, without fragment
// and credentials; their url is where redirects led to.
type web struct {
	address *url.URL // as asked for
	id      string
	guard   *guard
	opts    Options
}

func newWeb(source string, opts Options) (*web, error) {
	source, _, _ = strings.Cut(source, "#")
	address, err := url.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	if address.Host == "" {
		return nil, fmt.Errorf("open source %s: the URL has no host", source)
	}
	g, err := newGuard(opts.AllowPrivate, opts.AllowAddresses)
	if err != nil {
		return nil, fmt.Errorf("open source %s: %w", address.Redacted(), err)
	}
	id := source
	if address.User != nil {
		id = withoutUser(address)
	}
	return &web{address: address, id: id, guard: g, opts: opts}, nil
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
		in := input{id: w.id, url: w.id}
		timed, cancel := context.WithTimeout(ctx, w.opts.Timeout)
		f, err := w.fetch(timed, &in)
		late := timed.Err() != nil && ctx.Err() == nil
		cancel()
		if err != nil {
			if late {
				err = fmt.Errorf("took longer than load.timeout (%v): %w", w.opts.Timeout, err)
			}
			yield(in.document(), in.failed(err))
			return
		}
		if blank, _ := drain(ctx, f, in, w.opts, yield); blank {
			yield(in.document(), in.failed(errNoText))
		}
	}
}

// fetch gets the page into in and tells its format.
func (w *web) fetch(ctx context.Context, in *input) (format, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.address.String(), nil)
	if err != nil {
		return format{}, err
	}
	request.Header.Set("User-Agent", w.opts.UserAgent)
	request.Header.Set("Accept", "text/html,application/xhtml+xml,text/markdown;q=0.9,text/plain;q=0.8,*/*;q=0.5")
	response, err := w.client().Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) { // its text repeats the URL
			err = failed.Err
		}
		return format{}, err
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return format{}, fmt.Errorf("status %s", response.Status)
	}
	body, err := readAll(response.Body, w.opts.MaxBytes)
	if err != nil {
		return format{}, err
	}
	final := response.Request.URL
	if final.String() != w.address.String() {
		in.url = withoutUser(final)
	}
	in.charset = response.Header.Get("Content-Type")
	in.body = bytes.NewReader(body)
	return formatByContent(in.charset, final.Path, body)
}

func (w *web) client() *http.Client {
	dialer := net.Dialer{Control: w.guard.control}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:             nil, // a proxy would dial past the guard
			DialContext:       dialer.DialContext,
			DisableKeepAlives: true,
			ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			return nil
		},
	}
}

// formatByContent tells a response's format by its type; by its path and
// first bytes where the type says little.
func formatByContent(contentType, urlPath string, body []byte) (format, error) {
	kind, _, _ := mime.ParseMediaType(contentType)
	if kind == "" && contentType != "" {
		kind, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(contentType)), ";")
	}
	byPath, known := formatByExtension(urlPath)
	if (kind == "" || kind == "application/octet-stream") && known {
		return byPath, nil
	}
	if kind == "" {
		kind, _, _ = strings.Cut(http.DetectContentType(body), ";")
	}
	switch kind {
	case "text/html", "application/xhtml+xml":
		return formatByName("html"), nil
	case "text/markdown", "text/x-markdown":
		return formatByName("markdown"), nil
	case "application/jsonl", "application/x-jsonl", "application/jsonlines", "application/x-jsonlines",
		"application/json-lines", "application/ndjson", "application/x-ndjson":
		return formatByName("jsonl"), nil
	case "application/json", "text/plain":
		if known && byPath.name != "html" { // HTML that is sent as text is meant to be read as text
			return byPath, nil
		}
		return formatByName("text"), nil
	}
	if strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml") ||
		kind == "application/xml" || kind == "application/javascript" || kind == "application/yaml" || kind == "application/toml" {
		return formatByName("text"), nil
	}
	return format{}, fmt.Errorf("cannot read content of type %q (%s); supported: HTML, Markdown, JSON lines and text", kind, path.Base(urlPath))
}
