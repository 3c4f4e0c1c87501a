package browsertest

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/ragproxy/ragproxy/internal/browser"
)

// maxTransfer is what the page may weigh on the wire, headers included.
const maxTransfer = 150 << 10

func TestPlayground(t *testing.T) {
	chromium := browser.Start(t)
	bin := build(t)
	demo := startDemo(t, bin)
	up := fakeUpstream(t)
	serve := startServe(t, bin, up.URL, t.TempDir())

	t.Run("demo", func(t *testing.T) { testDemo(t, open(t, chromium, demo, "/", light)) })
	t.Run("dialects", func(t *testing.T) { testDialects(open(t, chromium, demo, "/", light)) })
	t.Run("search", func(t *testing.T) { testSearch(open(t, chromium, demo, "/#/search", light)) })
	t.Run("documents", func(t *testing.T) { testDocuments(open(t, chromium, demo, "/#/documents", light)) })
	t.Run("paste", func(t *testing.T) { testPaste(open(t, chromium, demo, "/", light)) })
	t.Run("phone", func(t *testing.T) { testPhone(open(t, chromium, demo, "/", phone)) })
	t.Run("keyboard", func(t *testing.T) { testKeyboard(open(t, chromium, demo, "/", light)) })
	t.Run("theme", func(t *testing.T) { testTheme(open(t, chromium, demo, "/", light)) })
	t.Run("stop", func(t *testing.T) { testStop(open(t, chromium, serve, "/", light), up) })
	t.Run("errors", func(t *testing.T) { testErrors(open(t, chromium, serve, "/", light)) })
	t.Run("hostile", func(t *testing.T) { testHostile(open(t, chromium, serve, "/", light)) })
	t.Run("explain", func(t *testing.T) { testExplain(open(t, chromium, serve, "/", light)) })
	t.Run("paint", func(t *testing.T) { testPaint(open(t, chromium, serve, "/", light)) })
	t.Run("key", func(t *testing.T) { testKey(t, chromium, bin, up.URL) })
	t.Run("axe", func(t *testing.T) { testAxe(t, chromium, demo, serve) })
	t.Run("flagged", func(t *testing.T) { testFlagged(open(t, chromium, serve, "/", light)) }) // last: it leaves a document
}

// testDemo asks the demo's two turns and looks at every step.
func testDemo(t *testing.T, p *page) {
	weight := p.weight()
	t.Logf("transfer size: %.1f KB", weight/1024)
	if weight > maxTransfer || weight < 10_000 {
		t.Errorf("the page took %.0f bytes, want at most %d", weight, maxTransfer)
	}
	p.Shoot("start-light")
	p.Click(".examples .example")
	p.Until("the answer ends", `document.querySelector(".turn")?.dataset.state === "done"`)
	p.has("the first question needs no rewrite", `.step:nth-child(1)`, "stands on its own")
	p.has("the answer has a mark", ".turn .answer .mark", "1")
	p.Until("the next question is offered", `document.querySelector(".next .example")?.checkVisibility()`)
	p.ask("What are some common ways of doing it?")

	p.has("the rewritten query", ".steps .query", "What are some common ways of doing Task Decomposition?")
	p.has("what the rewrite added", ".steps .query ins", "Task Decomposition")
	p.has("what was asked", ".step:nth-child(1)", "from What are some common ways of doing it?")
	p.has("the time of the retrieval", ".step:nth-child(2) .step-note", "ms")
	p.has("the collection", ".step:nth-child(2)", "collection default")
	p.has("the context", ".step:nth-child(4)", "4 passages, ", " characters, in the system message")
	p.has("the citations", ".step:nth-child(5)", "It cites [1]")
	p.has("where the time went", ".time-legend", "answer", "in all")
	p.has("the conversation's own line", ".turn:nth-child(2) .trace", "Searched What are some common ways of doing Task Decomposition?", "4 passages")
	if got := p.count(".passage"); got != 4 {
		t.Errorf("got %d passages, want 4", got)
	}
	if got := browser.Eval[int](p.Page, `[...document.querySelectorAll(".passage .leg-fill")].filter((e) => e.getBoundingClientRect().width > 1).length`); got < 6 {
		t.Errorf("got %d bars, want one a leg and passage", got)
	}
	if got := browser.Eval[[]string](p.Page, `[...document.querySelectorAll(".passage:first-child .whole mark")].map((m) => m.textContent.toLowerCase())`); !holds(got, "decomposition") {
		t.Errorf("got %q marked in the first passage, want the query's words", got)
	}
	p.Shoot("demo-light")
	p.see(dark)
	p.Shoot("demo-dark")
	p.see(light)

	p.Click(".turn:nth-child(2) .mark")
	p.Until("the mark shows its passage", `document.querySelector('.passage[data-n="1"]').classList.contains("open") && document.activeElement.closest('.passage[data-n="1"]')`)
	p.has("the passage's text", ".passage.open .whole", "human input")
	p.Shoot("passage-light")
	p.Click(`[data-tab="raw"]`)
	p.Until("the raw stream is whole", `document.querySelector(".raw li:last-child .raw-kind").textContent === "end"`)
	kinds := browser.Eval[[]string](p.Page, `[...document.querySelectorAll(".raw-kind")].map((e) => e.textContent)`)
	if n := strings.Count(strings.Join(kinds, " "), "rewrite.delta"); n < 3 {
		t.Errorf("got %d pieces of the rewrite, want it token by token", n)
	}
	p.Shoot("raw-light")
	testCode(p)
}

func holds(list []string, want string) bool {
	for _, s := range list {
		if s == want {
			return true
		}
	}
	return false
}

// testDialects: every form of the stream still shows an answer, and its
// sources where it has them.
func testDialects(p *page) {
	for _, dialect := range []string{"openwebui", "annotations", "azure", "perplexity", "plain"} {
		sources := dialect != "plain"
		p.choose("#set-dialect", dialect)
		p.ask("What is Task Decomposition?")
		p.has(dialect+": the answer", ".turn:last-child .answer", "breaking a complicated task")
		if got := p.count(".passage") > 0; got != sources {
			p.Errorf("%s: got passages %v, want %v", dialect, got, sources)
		}
		if got := p.count(".turn:last-child .mark") > 0; got != sources {
			p.Errorf("%s: got marks %v, want %v", dialect, got, sources)
		}
	}
	p.has("plain tells no steps", ".step:nth-child(1)", "This dialect does not tell")
}

func testSearch(p *page) {
	p.typeInto("#search-query", "how does an agent remember?")
	p.press(kb.Enter)
	p.Until("there are hits", `document.querySelectorAll(".results .passage").length === 8`)
	p.has("how many", ".result-count", "8 hits in", "ms")
	p.has("the best hit", ".results .passage:first-child .snippet", "Agents remember things")
	p.has("both legs", ".results .passage:first-child", "Meaning", "Keywords", "#1")
	p.Click(".results .passage:first-child .passage-head")
	p.has("where it is", ".results .passage:first-child .passage-more", "sample/agents.html", "characters")
	p.Shoot("search-light")
	p.see(dark)
	p.Shoot("search-dark")
}

func testPhone(p *page) {
	p.Shoot("start-phone")
	p.ask("What is Task Decomposition?")
	if p.count(".inspector.open") != 0 {
		p.Error("the steps cover the answer before anybody asked for them")
	}
	p.ask("What are some common ways of doing it?")
	p.Shoot("demo-phone")
	p.Click(".turn:last-child .mark")
	p.Until("the sheet opens", `document.querySelector(".inspector.open .passage.open")?.checkVisibility()`)
	p.Shoot("passage-phone")
	p.press(kb.Escape)
	p.Until("the sheet closes and the mark has the focus", `!document.querySelector(".inspector.open") && document.activeElement.classList.contains("mark")`)
	p.Click(".turn:last-child .trace")
	p.Shoot("steps-phone")
	p.see(look{"phone-dark", 390, 844, "dark", true})
	p.Shoot("steps-phone-dark")
	p.Click(".sheet-close")
	for _, name := range []string{"search", "documents", "chat"} {
		p.turnTo(name)
		if wide := browser.Eval[float64](p.Page, `document.documentElement.scrollWidth - innerWidth`); wide > 0 {
			p.Errorf("the page %s is %v pixels wider than the phone", name, wide)
		}
	}
}

func testKeyboard(p *page) {
	browser.Eval[any](p.Page, `void document.querySelector("a, button, input, select, textarea, [tabindex]").focus()`)
	p.Until("the skip link comes first, and is seen", `document.activeElement.className === "skip" && document.activeElement.getBoundingClientRect().top >= 0`)
	p.press(kb.Enter)
	p.Until("it leads to the content", `document.activeElement.id === "main"`)
	p.Click("#question")
	p.press("What is")
	p.Do("Shift+Enter", chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(kb.ModifierShift)))
	p.press("memory?")
	p.Until("Shift+Enter makes a line", `document.querySelector("#question").value === "What is\nmemory?"`)
	p.press(kb.Enter)
	p.Until("Enter sends", `document.querySelector(".turn")?.dataset.state === "done" && document.querySelector("#question").value === ""`)
	p.Until("the answer is announced once", `document.querySelector("#status").textContent.startsWith("Answer:")`)
	p.press(kb.Tab)
	p.press(kb.Tab)
	if outline := browser.Eval[string](p.Page, `getComputedStyle(document.activeElement).outlineStyle + " " + getComputedStyle(document.activeElement.closest("label") ?? document.activeElement).outlineStyle`); !strings.Contains(outline, "solid") {
		p.Errorf("the focus has the outline %q, want one that can be seen", outline)
	}
}

func testTheme(p *page) {
	background := func() string { return browser.Eval[string](p.Page, `getComputedStyle(document.body).backgroundColor`) }
	asSystem := background()
	p.Click("#theme") // light
	p.Click("#theme") // dark
	if got := background(); got == asSystem {
		p.Errorf("got the background %s in the dark theme, too", got)
	}
	p.Do("reload", chromedp.Reload())
	p.Until("the theme is kept", `document.documentElement.dataset.theme === "dark"`)
	p.Click("#theme")
	if got := background(); got != asSystem {
		p.Errorf("got the background %s, want the system's %s", got, asSystem)
	}
}
