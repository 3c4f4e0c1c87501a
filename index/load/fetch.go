package load

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"strings"
)

// maxRedirects is how many redirects a page may take.
const maxRedirects = 10

// fetcher gets pages. Its requests go out through the guard.
type fetcher struct {
	opts  Options
	basic map[string]*url.Userinfo // credentials by origin
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
}

func newFetcher(opts Options) (*fetcher, error) {
	g, err := newGuard(opts.AllowPrivate, opts.AllowAddresses)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Control: g.control}
	return &fetcher{opts: opts, basic: map[string]*url.Userinfo{}, dial: dialer.DialContext}, nil
}

// page is a response.
type page struct {
	final       *url.URL // where redirects led to, without credentials
	moved       bool     // that is somewhere else than where it was asked for
	contentType string
	body        []byte
	unchanged   bool // and so without a body
	visit       Visit
}

// url is the page's address.
func (p *page) url(in input) string {
	if p.moved {
		return withoutUser(p.final)
	}
	return in.url
}

// statusError is an answer that is no page.
type statusError struct {
	code   int
	status string
}

func (e statusError) Error() string { return "status " + e.status }

// get gets a page, or learns that it is the one of a known visit.
func (f *fetcher) get(ctx context.Context, address *url.URL, known Visit) (*page, error) {
	timed, cancel := context.WithTimeout(ctx, f.opts.Timeout)
	defer cancel()
	p, err := f.request(timed, address, known)
	var failed *url.Error
	if errors.As(err, &failed) { // its text repeats the URL
		err = failed.Err
	}
	if err != nil && timed.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("took longer than load.timeout (%v): %w", f.opts.Timeout, err)
	}
	return p, err
}

func (f *fetcher) request(ctx context.Context, address *url.URL, known Visit) (*page, error) {
	bare := *address
	bare.User = nil
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, bare.String(), nil)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"User-Agent": f.opts.UserAgent, "Accept-Encoding": "gzip",
		"Accept":        "text/html,application/xhtml+xml,text/markdown;q=0.9,text/plain;q=0.8,*/*;q=0.5",
		"If-None-Match": known.ETag, "If-Modified-Since": known.LastModified,
	} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	response, err := f.client().Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	final := response.Request.URL
	p := &page{final: final, moved: final.String() != bare.String(), contentType: response.Header.Get("Content-Type")}
	if response.StatusCode == http.StatusNotModified && (known.ETag != "" || known.LastModified != "") {
		p.unchanged, p.visit = true, known
		return p, nil
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, statusError{response.StatusCode, response.Status}
	}
	if err := readable(p.contentType, final.Path); err != nil {
		return nil, err
	}
	p.visit = Visit{ETag: response.Header.Get("ETag"), LastModified: response.Header.Get("Last-Modified")}
	p.body, err = f.body(response)
	return p, err
}

// body reads a response's body, unpacked, within the limits.
func (f *fetcher) body(response *http.Response) ([]byte, error) {
	r := io.Reader(response.Body)
	switch encoding := strings.ToLower(response.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		r = &gunzip{packed: &counted{r: r}}
	default:
		return nil, fmt.Errorf("sent in the encoding %q, which was not asked for", encoding)
	}
	body, err := readAll(r, f.opts.MaxBytes)
	if err == nil && bytes.HasPrefix(body, []byte("\x1f\x8b\x08")) && strings.HasSuffix(strings.ToLower(response.Request.URL.Path), ".gz") {
		return readAll(&gunzip{packed: &counted{r: bytes.NewReader(body)}}, f.opts.MaxBytes)
	}
	return body, err
}

// gunzip unpacks what is no bomb.
type gunzip struct {
	packed   *counted
	unpacker *gzip.Reader
	n        int64
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.unpacker == nil {
		z, err := gzip.NewReader(g.packed)
		if err != nil {
			return 0, err
		}
		g.unpacker = z
	}
	n, err := g.unpacker.Read(p)
	if g.n += int64(n); g.n > freePacked+maxPackRatio*g.packed.n {
		return 0, errBomb
	}
	return n, err
}

// client is made for each page: no connection outlives it.
func (f *fetcher) client() *http.Client {
	return &http.Client{
		Transport: credentials{f, &http.Transport{
			Proxy:                  nil, // a proxy would dial past the guard
			DialContext:            f.dial,
			DisableKeepAlives:      true,
			DisableCompression:     true, // body unpacks, within limits
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: 1 << 20,
		}},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			next.URL.User = nil // nobody but the user says who we are
			next.Header.Del("Referer")
			return checkAddress(next.URL)
		},
	}
}

// credentials adds to each request, also after a redirect, the headers that
// are for its origin.
type credentials struct {
	*fetcher
	transport *http.Transport
}

func (c credentials) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	from := origin(r.URL)
	if user := c.basic[from]; user != nil {
		password, _ := user.Password()
		r.SetBasicAuth(user.Username(), password)
	}
	for name, values := range c.opts.Headers[from] {
		r.Header[name] = values
	}
	return c.transport.RoundTrip(r)
}

// origin is a URL's scheme and host, with its port if it is not the usual one.
func origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port := u.Port(); u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return strings.ToLower(u.Scheme) + "://" + host
}

// ParseHeader reads a header for the pages of an origin, such as
// "https://wiki.example.com Authorization: Bearer x". An error does not repeat
// the header's value.
func ParseHeader(s string) (from, name, value string, err error) {
	address, header, _ := strings.Cut(strings.TrimSpace(s), " ")
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" || u.User != nil {
		return "", "", "", errors.New(`load.headers: an entry does not begin with an origin such as "https://wiki.example.com"`)
	}
	name, value, found := strings.Cut(header, ":")
	name, value = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
	if !found || name == "" || strings.ContainsAny(name, " \t\r\n\"(),/:;<=>?@[]{}") || strings.ContainsAny(value, "\r\n\x00") {
		return "", "", "", fmt.Errorf(`load.headers: the entry for %s is not "ORIGIN Name: value"`, origin(u))
	}
	return origin(u), name, value, nil
}

// checkAddress refuses URLs that are not for the web, and hosts that only some
// resolvers take for addresses ("0x7f.1", "2130706433").
func checkAddress(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("only http and https URLs can be loaded, not %q", u.Scheme)
	}
	host := u.Hostname()
	if host == "" {
		return errors.New("the URL has no host")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	digits := strings.TrimLeft(last, "0123456789") == ""
	if digits || strings.HasPrefix(strings.ToLower(last), "0x") {
		return fmt.Errorf("the host %q is neither a name nor an address", host)
	}
	return nil
}
