package browsertest

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/ragproxy/ragproxy/internal/browser"
)

// testStop stops a stream with the keyboard and with the button.
func testStop(p *page, up *upstream) {
	for i, stop := range []func(){func() { p.press(kb.Escape) }, func() { p.Click(".send.stop") }} {
		p.typeInto("#question", "Please be slow.")
		p.press(kb.Enter)
		last := fmt.Sprintf(".turn:nth-child(%d)", i+1)
		p.Until("words come", fmt.Sprintf(`document.querySelector("%s .answer")?.innerText.includes("word5")`, last))
		if i == 0 {
			p.Shoot("streaming-light")
		}
		stop()
		p.Until("it is stopped", fmt.Sprintf(`document.querySelector("%s").dataset.state === "stopped"`, last))
		p.has("what came is kept", last+" .answer", "word5")
		p.has("it says so", last+" .notices", "You stopped the answer here.")
		select {
		case <-up.gone:
		case <-time.After(patience):
			p.Fatal("the upstream still sends: nobody told it to stop")
		}
	}
	p.ask("And now?")
	p.has("the conversation goes on", ".turn:nth-child(3) .answer", "word199")
}

// testErrors shows each way to fail, in words.
func testErrors(p *page) {
	p.excuse("ERR_INCOMPLETE_CHUNKED_ENCODING") // how a browser tells a stream without its end
	p.ask("Please fail.")
	p.has("an upstream's error", ".turn:nth-child(1) .failure", "reported an error", "The model fell over", "Try again")
	p.has("the steps say so, too", ".step:nth-child(5)", "The model fell over")
	p.Shoot("error-light")
	p.ask("What is memory?")
	p.ask("And what is unwritable about it?")
	p.has("a failed rewrite", ".step:nth-child(1)", "failed", "Your own words are searched instead")
	p.has("the answer comes all the same", ".turn:nth-child(3)", "word199", "Answered all the same, but the rewrite did not work")
	p.Shoot("degraded-light")
	p.ask("Please cut it.")
	p.has("a broken answer", ".turn:nth-child(4)", "This answer ends in the", "broke its answer off")
	p.choose("#set-dialect", "plain")
	p.excuse("429")
	p.ask("Hit the limit, please.")
	p.has("a limit", ".turn:nth-child(5) .failure", "Too many requests", "Rate limit reached", "The server asks to wait: ", "seconds to go")
	p.Until("no second try before its time", `document.querySelector(".turn:nth-child(5) .failure-actions button").disabled`)
	p.excuse("401")
	p.typeInto("#question", "Without a key.")
	p.press(kb.Enter)
	p.Until("a key is asked for", `document.querySelector("dialog[open] #key-input")`)
	p.Shoot("key-light")
	p.press(kb.Escape)
	p.has("what is missing", ".turn:nth-child(6) .failure", "A key is needed", "Incorrect API key provided", "Enter a key")
	p.excuse("404")
	p.choose("#set-dialect", "rag")
	browser.Eval[any](p.Page, `(() => { const s = document.querySelector("#set-collection"); s.append(new Option("nowhere", "nowhere")); })()`)
	p.choose("#set-collection", "nowhere")
	p.ask("Where?")
	p.has("an unknown collection", ".turn:nth-child(7) .failure", "no such collection", "Index something into it first")
}

// testHostile: an answer that tries to run, to load and to lead away.
func testHostile(p *page) {
	p.ask("Please be hostile.")
	p.has("markup stays text", ".answer", "<img src=x onerror=alert(1)>", "<script>alert(2)</script>", "image not loaded: beacon", "[9]")
	got := browser.Eval[[]string](p.Page, `[...document.querySelectorAll(".answer a, .answer img, .answer script, .answer iframe")].map((e) => e.tagName + " " + e.getAttribute("href") + " " + e.rel)`)
	if want := "A https://example.org/ noopener noreferrer nofollow"; len(got) != 1 || got[0] != want {
		p.Errorf("got the elements %q, want only %q", got, want)
	}
	for css, want := range map[string]string{".answer strong": "bold", ".answer p > code": "code", ".answer ul ul li": "nested", ".answer td": "1", ".answer .mark": "1"} {
		p.has("Markdown is shown", css, want)
	}
	p.Shoot("markdown-light")
}

// testExplain: the server's own account of a request.
func testExplain(p *page) {
	p.ask("What is memory?")
	p.has("the tokens", ".step:nth-child(4)", "tokens", "of 20,000")
	p.has("what was not sent", ".step:nth-child(4) .cut", "more hits, not sent")
	p.has("the server's stages", ".timing", "server: ", "vector", "bm25")
	p.Click(".step:nth-child(4) .cut summary")
	browser.Eval[any](p.Page, `void document.querySelector(".timing").scrollIntoView()`)
	p.Shoot("explain-light")
}

// testPaint reports how long a delta takes to the screen, as the page itself
// measures it.
func testPaint(p *page) {
	p.ask("Speak at length.")
	p.Until("it was measured", `Number(document.documentElement.dataset.paintN) > 50`)
	p.has("the page says so", ".timing", "received to painted")
	p.Logf("delta received to painted: %s", browser.Eval[string](p.Page, `(({paintN, paintP50, paintP95, paintMax}) => paintN + " pieces, p50 " + paintP50 + " ms, p95 " + paintP95 + " ms, max " + paintMax + " ms")(document.documentElement.dataset)`))
}

// testKey: a server with keys shows the page to anybody and data to nobody
// without one; the key goes nowhere but into the header.
func testKey(t *testing.T, chromium context.Context, bin, up string) {
	data := t.TempDir()
	add := exec.Command(bin, "keys", "add", "tester", "--data-dir", data)
	add.Env = environment()
	out, err := add.Output()
	if err != nil {
		t.Fatalf("make key: %v", err)
	}
	key := ""
	for _, word := range strings.Fields(string(out)) {
		if strings.HasPrefix(word, "rp-") {
			key = word
		}
	}
	if key == "" {
		t.Fatalf("got %q, want a key", out)
	}
	p := open(t, chromium, startServe(t, bin, up, data), "/", light)
	p.has("it says what it needs", ".hero", "This server needs a key")
	p.Shoot("locked-light")
	p.Click(".hero .button")
	p.typeInto("#key-input", key)
	p.press(kb.Enter)
	p.Until("it is open", `document.querySelector(".hero-facts")?.innerText.includes("documents")`)
	p.ask("What is memory?")
	p.has("the answer", ".answer", "word199")
	p.Click(`[data-tab="code"]`)
	p.has("the code reads the key from the environment", ".code", "$RAGPROXY_API_KEY")
	if text := browser.Eval[string](p.Page, `document.body.innerText + location.href + JSON.stringify(localStorage) + document.cookie`); strings.Contains(text, key) {
		t.Error("the key is on the page, in its address or in storage that stays")
	}
}
