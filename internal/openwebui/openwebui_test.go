package openwebui

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/internal/browser"
)

// TestOpenWebUI asks a question and a follow-up as a person does, and looks at
// all that Open WebUI makes of the events: the status, the marks in the
// answer, the list of sources and what each of them opens.
func TestOpenWebUI(t *testing.T) {
	installed := os.Getenv("RAGPROXY_TEST_OPENWEBUI")
	if installed == "" {
		t.Skip("needs Open WebUI: make openwebui")
	}
	tabs := browser.Start(t)
	up := startUpstream(t)
	base := startWebUI(t, installed, startProxy(t, up.url))
	t.Logf("Open WebUI %s", skipNews(t, base))

	p := browser.Open(t, tabs, base+"/?models=docs", 1000, 1300)
	t.Cleanup(func() {
		if t.Failed() {
			p.Shoot("openwebui-failed")
		}
	})
	p.Until("the page is ready", `document.querySelector("#chat-input")`)
	for n, q := range []struct{ question, query string }{{first, first}, {followUp, rewritten}} {
		ask(p, q.question, n)
		got, m := up.turn(t, n), message{p, n}
		m.checkStatus(q.query, len(got.passages))
		m.checkList(got)
		if q.question == followUp {
			p.Until("the greeting is gone", `!document.querySelector("[data-sonner-toast]")`)
			p.Shoot("openwebui")
		}
		m.checkMarks(got)
	}
	if abroad := p.Abroad(); len(abroad) > 0 {
		t.Errorf("the page asked other machines: %q", abroad)
	}
}

// ask sends a question and waits for the end of its answer, the n-th.
func ask(p *browser.Page, question string, n int) {
	p.Helper()
	p.Click("#chat-input")
	p.Type(question + kb.Enter)
	p.Until("the answer ends", fmt.Sprintf(`document.querySelectorAll(".chat-assistant").length === %d && [...document.querySelectorAll("[aria-label='Good Response']")].length === %d`, n+1, n+1))
}

// message is the n-th answer on the page.
type message struct {
	*browser.Page
	n int
}

// in is an expression for the elements that css finds in the message.
func (m message) in(css string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(".chat-assistant")[%d].querySelectorAll(%q)]`, m.n, css)
}

func (m message) texts(elements string) []string {
	m.Helper()
	texts := browser.Eval[[]string](m.Page, elements+`.map((e) => e.innerText)`)
	for i, s := range texts {
		texts[i] = plain(s)
	}
	return texts
}

// plain makes all white space one space.
func plain(s string) string { return strings.Join(strings.Fields(s), " ") }

func (m message) press(elements string, i int) {
	m.Helper()
	browser.Eval[any](m.Page, fmt.Sprintf(`void %s[%d].click()`, elements, i))
}

// checkStatus looks at the line above the answer and at what it unfolds.
func (m message) checkStatus(query string, sources int) {
	m.Helper()
	retrieved := fmt.Sprintf("Retrieved %d sources", sources)
	line := m.in("[aria-label='Toggle status history']")
	if diff := cmp.Diff([]string{retrieved}, m.texts(line)); diff != "" {
		m.Errorf("status of answer %d (-want +got):\n%s", m.n, diff)
	}
	m.press(line, 0)
	m.Until("the status unfolds", m.in(".status-description")+".length > 1")
	want := []string{retrieved, fmt.Sprintf("Searching Knowledge for %q", query), "Querying " + query, retrieved}
	if diff := cmp.Diff(want, m.texts(m.in(".status-description"))); diff != "" {
		m.Errorf("status history of answer %d (-want +got):\n%s", m.n, diff)
	}
}

// checkList looks at the chip below the answer, the list that it unfolds, and
// the passage that each entry opens.
func (m message) checkList(got turn) {
	m.Helper()
	chip := m.in(fmt.Sprintf("[aria-label='Toggle %d sources']", len(got.passages)))
	texts := m.texts(chip)
	if len(texts) != 1 || !strings.HasSuffix(texts[0], fmt.Sprintf("%d Sources", len(got.passages))) {
		m.Fatalf("chip below answer %d shows %q, want %d Sources", m.n, texts, len(got.passages))
	}
	m.press(chip, 0)
	list := m.in("button[id^='source-']")
	m.Until("the list unfolds", list+".length")
	var want []string
	for i, s := range got.passages {
		want = append(want, fmt.Sprintf("%d %s", i+1, s.title))
	}
	if diff := cmp.Diff(want, m.texts(list)); diff != "" {
		m.Errorf("list of sources of answer %d (-want +got):\n%s", m.n, diff)
	}
	for i := range got.passages {
		m.press(list, i)
		m.checkOpened(fmt.Sprintf("entry %d of the list", i+1), got.passages[i])
	}
}

var (
	marks = regexp.MustCompile(`(?:\[\d+\])+`)
	mark  = regexp.MustCompile(`\d+`)
)

// checkMarks looks at what became of the answer's [n]: a chip for each group
// of them, which opens the passages that the upstream meant.
func (m message) checkMarks(got turn) {
	m.Helper()
	var want []string
	var numbers [][]int
	for _, group := range marks.FindAllString(got.answer, -1) {
		var ns []int
		for _, digits := range mark.FindAllString(group, -1) {
			n, err := strconv.Atoi(digits)
			if err != nil {
				m.Fatal(err)
			}
			ns = append(ns, n)
		}
		title := got.passages[ns[0]-1].title
		if len(ns) > 1 {
			title += fmt.Sprintf(" +%d", len(ns)-1)
		}
		numbers, want = append(numbers, ns), append(want, title)
	}
	chips := m.in("p button, li button")
	if diff := cmp.Diff(want, m.texts(chips)); diff != "" {
		m.Fatalf("marks of answer %d (-want +got):\n%s", m.n, diff)
	}
	if text := m.texts(m.in("p, li")); marks.MatchString(strings.Join(text, " ")) {
		m.Errorf("answer %d shows a mark as it came: %q", m.n, text)
	}
	for i, ns := range numbers {
		if len(ns) == 1 {
			m.press(chips, i)
			m.checkOpened(fmt.Sprintf("mark [%d]", ns[0]), got.passages[ns[0]-1])
			continue
		}
		for k, n := range ns {
			m.press(chips, i)
			inner := `[...document.querySelectorAll("[data-link-preview-content] button")]`
			m.Until("the marks unfold", fmt.Sprintf("%s.length === %d", inner, len(ns)))
			m.press(inner, k)
			m.checkOpened(fmt.Sprintf("mark [%d] among %d", n, ns), got.passages[n-1])
			m.press(chips, i)
			m.Until("the marks fold", inner+".length === 0")
		}
	}
}

// checkOpened looks at the passage in the dialog, and closes it.
func (m message) checkOpened(by string, want passage) {
	m.Helper()
	const dialog = `document.querySelector("[aria-label='Close citation modal']")`
	m.Until(by+" opens a passage", dialog)
	// The title and the text are rendered one after the other.
	shown := plain(browser.Eval[string](m.Page, dialog+`.parentElement.parentElement.innerText`))
	if !strings.HasPrefix(shown, want.title+" Content ") || !strings.HasSuffix(shown, plain(want.text)) {
		m.Errorf("%s of answer %d opens %q, want %q and %q", by, m.n, shown, want.title, want.text)
	}
	browser.Eval[any](m.Page, `void `+dialog+`.click()`)
	m.Until("the dialog closes", "!"+dialog)
}
