package browser

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Page is a tab of a profile of its own. Its methods fail the test when the
// page does not do what they ask within its patience.
type Page struct {
	testing.TB
	Context  context.Context
	Patience time.Duration

	mu     sync.Mutex
	abroad []string
}

// Open shows an address in a window of width x height pixels.
func Open(t testing.TB, browser context.Context, address string, width, height int64) *Page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	p := &Page{TB: t, Context: ctx, Patience: 30 * time.Second}
	if err := chromedp.Listen(ctx, p.note); err != nil {
		t.Fatalf("open tab: %v", err)
	}
	p.Do("set viewport", chromedp.EmulateViewport(width, height, chromedp.EmulateScale(1)))
	p.Do("open "+address, chromedp.Navigate(address))
	return p
}

func (p *Page) note(ev any) {
	sent, ok := ev.(*network.EventRequestWillBeSent)
	if !ok {
		return
	}
	u, err := url.Parse(sent.Request.URL)
	if err == nil && (u.Host == "" || u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()) {
		return // data:, blob: and about: have no host
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.abroad = append(p.abroad, sent.Request.URL)
}

// Abroad are the requests so far that were for another machine. They failed.
func (p *Page) Abroad() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.abroad...)
}

// Do runs steps; what says in a failure's message what they were for.
func (p *Page) Do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context, p.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Fatalf("%s: %v", what, err)
	}
}

// Click presses the first element that css finds, once it is shown.
func (p *Page) Click(css string) {
	p.Helper()
	p.Do("click "+css, chromedp.Click(chromedp.CSS(css)))
}

// Type sends keys to the element that has the focus.
func (p *Page) Type(keys string) {
	p.Helper()
	p.Do("type", chromedp.KeyEvent(keys))
}

// Until waits for an expression to be true.
func (p *Page) Until(what, expression string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context, p.Patience+5*time.Second)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.Poll[any]("Boolean("+expression+")", chromedp.WithPollingTimeout(p.Patience), chromedp.WithPollingInterval(50*time.Millisecond)))
	if err != nil {
		p.Fatalf("wait until %s: %v", what, err)
	}
}

// Eval gives the value of an expression, that of a promise when it is kept.
func Eval[T any](p *Page, expression string) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context, p.Patience)
	defer cancel()
	wait := true
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAsValue, func(e *runtime.EvaluateParams) { e.AwaitPromise = &wait }))
	if err != nil {
		p.Fatalf("evaluate %s: %v", expression, err)
	}
	return v
}

// Texts are the texts that the elements of css show, spaces made one.
func (p *Page) Texts(css string) []string {
	p.Helper()
	texts := Eval[[]string](p, fmt.Sprintf(`[...document.querySelectorAll(%q)].map((e) => e.innerText)`, css))
	for i, s := range texts {
		texts[i] = strings.Join(strings.Fields(s), " ")
	}
	return texts
}

// Shoot writes what the page shows to name.png, where RAGPROXY_TEST_SHOTS
// names a folder.
func (p *Page) Shoot(name string) {
	p.Helper()
	dir := os.Getenv("RAGPROXY_TEST_SHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(p.Context, p.Patience)
	defer cancel()
	shot, err := chromedp.Call(ctx, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{Format: "png"})
	if err != nil {
		p.Logf("screenshot %s: %v", name, err)
		return
	}
	raw, err := decode(shot.Data)
	if err != nil {
		p.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), raw, 0o644); err != nil {
		p.Fatal(err)
	}
}

func decode[T string | []byte](data T) ([]byte, error) {
	if strings.HasPrefix(string(data), "\x89PNG") {
		return []byte(data), nil
	}
	return base64.StdEncoding.DecodeString(string(data))
}
