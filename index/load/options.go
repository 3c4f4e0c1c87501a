package load

import (
	"context"
	"io"
	"net/http"
	"os"
	"time"
)

// Options are the settings of all loaders; the zero value is ready to use.
type Options struct {
	// Classes keeps of HTML only the elements whose class attribute is one of
	// these; Select only those that a CSS selector takes. Without both the
	// page's main content is taken.
	Classes []string
	Select  string
	// KeepHidden keeps the text that a reader of the page, book or document
	// would not see.
	KeepHidden bool
	// AllowPrivate lets URLs reach loopback and private addresses.
	AllowPrivate bool
	// AllowAddresses are "ip:port" that URLs may reach in any case.
	AllowAddresses []string
	// Timeout is for one URL from dialing to the last byte; 0 is 5s.
	Timeout time.Duration
	// ParseTimeout is for one file or page after it was read; 0 is 60s.
	ParseTimeout time.Duration
	// MaxBytes is the most that one file or response, or one line of a .jsonl
	// file, may hold, packed or unpacked; 0 is 64 MiB. The text of a document
	// that is unpacked may be a quarter of it.
	MaxBytes int64
	// UserAgent is sent with every request; "" is "ragproxy". Its letters up
	// to the first other character are what robots.txt calls us.
	UserAgent string
	// Headers are sent with the requests to an origin ("https://host" or
	// "https://host:port") and to no other, also not after a redirect; see
	// [ParseHeader]. No message and no document repeats them.
	Headers map[string]http.Header
	// Depth is how many links away from a URL pages are taken too, of those
	// below its folder on the same host; 0 takes the URL alone.
	Depth int
	// MaxPages is the most pages that a crawl or a sitemap gives; 0 is 1000.
	MaxPages int
	// Delay is the pause between two pages of a crawl or a sitemap, unless
	// robots.txt asks for a longer one; 0 is 250ms, below 0 is none.
	Delay time.Duration
	// Known is asked, if not nil, for what was known of a page when it was
	// last loaded; a page that its server says has not changed since is
	// yielded as [ErrUnchanged]. Visited is told, if not nil, what to keep
	// for the next time, before the page's document is yielded.
	Known   func(id string) Visit
	Visited func(id string, v Visit)
	// CacheDir keeps the compiled PDF reader between runs; "" is ragproxy/wasm
	// in the user's cache folder.
	CacheDir string
	// Stdin is read for the source "-"; nil is os.Stdin.
	Stdin io.Reader
	// Skipped is called for every file, folder and page that is passed over,
	// and every line of a .jsonl file that has no text. May be nil.
	Skipped func(path, reason string)

	// Read is told, if not nil, how many more bytes of a source's files were
	// read or passed over; together they are its [Size].
	Read func(bytes int64)

	session *session // of the Load that is on
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.ParseTimeout <= 0 {
		o.ParseTimeout = time.Minute
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 64 << 20
	}
	if o.UserAgent == "" {
		o.UserAgent = "ragproxy"
	}
	if o.MaxPages <= 0 {
		o.MaxPages = 1000
	}
	if o.Delay == 0 {
		o.Delay = 250 * time.Millisecond
	}
	if o.Known == nil {
		o.Known = func(string) Visit { return Visit{} }
	}
	if o.Visited == nil {
		o.Visited = func(string, Visit) {}
	}
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	if o.Skipped == nil {
		o.Skipped = func(string, string) {}
	}
	return o
}

// begin starts the session of a Load, which ends with end.
func (o Options) begin(ctx context.Context) (_ Options, end func()) {
	o.session = &session{cacheDir: o.CacheDir}
	return o, func() { o.session.close(context.WithoutCancel(ctx)) }
}
