package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/ragproxy/ragproxy/internal/browser"
)

const patience = 20 * time.Second

// page is a tab of its own profile. What goes wrong in it fails the test at
// its end: errors on the console, a refused policy, a request that leaves the
// server.
type page struct {
	*browser.Page
	base string

	mu       sync.Mutex
	problems []string
	requests map[network.RequestID]string
	bytes    float64
	excused  []string
}

// look is how a page is seen.
type look struct {
	name          string
	width, height int64
	scheme        string // prefers-color-scheme
	mobile        bool
}

var (
	light = look{"light", 1440, 900, "light", false}
	dark  = look{"dark", 1440, 900, "dark", false}
	phone = look{"phone", 390, 844, "light", true}
)

// open shows address, which is of the server base, in a new profile.
func open(t *testing.T, chromium context.Context, base, address string, l look) *page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	p := &page{Page: &browser.Page{TB: t, Context: ctx, Patience: patience}, base: base, requests: map[network.RequestID]string{}}
	if err := chromedp.Listen(ctx, p.note); err != nil {
		t.Fatalf("open tab: %v", err)
	}
	t.Cleanup(p.judge)
	p.see(l)
	p.Do("open page", chromedp.Navigate(base+address))
	p.Until("the page is ready", `document.documentElement.dataset.ready === "true"`)
	return p
}

// see changes how the page is seen.
func (p *page) see(l look) {
	p.Helper()
	opts := []chromedp.EmulateViewportOption{chromedp.EmulateScale(1)}
	if l.mobile {
		opts = append(opts, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	p.Do("set viewport", chromedp.EmulateViewport(l.width, l.height, opts...))
	_, err := chromedp.Call(p.Context, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: l.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if err != nil {
		p.Fatalf("emulate media: %v", err)
	}
}

func (p *page) note(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		if ev.Type == "error" || ev.Type == "warning" || ev.Type == "assert" {
			p.problems = append(p.problems, fmt.Sprintf("console.%s %s", ev.Type, asText(ev.Args)))
		}
	case *runtime.EventExceptionThrown:
		p.problems = append(p.problems, "exception: "+asText(ev.ExceptionDetails))
	case *log.EventEntryAdded:
		if ev.Entry.Level == "error" || ev.Entry.Level == "warning" {
			p.problems = append(p.problems, fmt.Sprintf("%s: %s (%s)", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL))
		}
	case *cdppage.EventJavascriptDialogOpening:
		p.problems = append(p.problems, "dialog: "+ev.Message)
	case *network.EventRequestWillBeSent:
		p.requests[ev.RequestID] = ev.Request.URL
		if u, err := url.Parse(ev.Request.URL); err != nil || u.Scheme != "data" && u.Scheme != "about" && u.Scheme+"://"+u.Host != p.base {
			p.problems = append(p.problems, "request to another server: "+ev.Request.URL)
		}
	case *network.EventLoadingFinished:
		p.bytes += ev.EncodedDataLength
	}
}

func asText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// excuse lets a problem pass that holds text: a test that makes the server
// refuse something sees that on the console.
func (p *page) excuse(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.excused = append(p.excused, text)
}

func (p *page) judge() {
	p.mu.Lock()
	problems, excused := p.problems, p.excused
	p.mu.Unlock() // the browser's events wait for it
	for _, problem := range problems {
		fine := false
		for _, text := range excused {
			fine = fine || strings.Contains(problem, text)
		}
		if !fine {
			p.Errorf("got %s, want nothing on the console", problem)
		}
	}
	if p.Failed() {
		p.Shoot("failed-" + strings.ReplaceAll(p.Name(), "/", "-"))
	}
}

// turnTo shows another page.
func (p *page) turnTo(name string) {
	p.Helper()
	p.Click(`.tabs [data-page="` + name + `"]`)
	p.Until("the page "+name+" is shown", fmt.Sprintf(`document.body.dataset.page === %q`, name))
}

func (p *page) typeInto(css, text string) {
	p.Helper()
	p.Click(css)
	browser.Eval[any](p.Page, fmt.Sprintf(`void document.querySelector(%q).select()`, css))
	p.Do("type into "+css, chromedp.KeyEvent(text))
}

func (p *page) press(key string) {
	p.Helper()
	p.Do("press a key", chromedp.KeyEvent(key))
}

// choose picks an option of a select.
func (p *page) choose(css, value string) {
	p.Helper()
	browser.Eval[any](p.Page, fmt.Sprintf(`(() => { const el = document.querySelector(%q); el.value = %q; el.dispatchEvent(new Event("change", {bubbles: true})); })()`, css, value))
	if got := browser.Eval[string](p.Page, fmt.Sprintf(`document.querySelector(%q).value`, css)); got != value {
		p.Fatalf("%s is %q, want %q", css, got, value)
	}
}

// text is what an element shows; "" if there is none.
func (p *page) text(css string) string {
	p.Helper()
	return browser.Eval[string](p.Page, fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, css))
}

func (p *page) count(css string) int {
	p.Helper()
	return browser.Eval[int](p.Page, fmt.Sprintf(`document.querySelectorAll(%q).length`, css))
}

// has waits until the first element that fits shows all the words.
func (p *page) has(what, css string, words ...string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context, patience)
	defer cancel()
	for {
		text := p.text(css)
		missing := ""
		for _, w := range words {
			if !strings.Contains(strings.ReplaceAll(text, "\u00a0", " "), w) {
				missing = w
			}
		}
		if missing == "" {
			return
		}
		select {
		case <-ctx.Done():
			p.Errorf("%s: %s shows %q, want %q in it", what, css, text, missing)
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// weight is what has come over the network, in bytes.
func (p *page) weight() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes
}

// ask sends a question as a person does and waits for the end of its answer.
func (p *page) ask(question string) {
	p.Helper()
	n := p.count(".turn")
	p.typeInto("#question", question)
	p.press(kb.Enter)
	p.Until("the answer ends", fmt.Sprintf(`document.querySelectorAll(".turn").length === %d && [...document.querySelectorAll(".turn")].at(-1).dataset.state !== "running"`, n+1))
}
