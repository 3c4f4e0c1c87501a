package browsertest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/internal/browser"
)

// testAxe runs axe-core over every page in every look.
func testAxe(t *testing.T, chromium context.Context, demo, serve string) {
	path := os.Getenv("RAGPROXY_TEST_AXE")
	if path == "" {
		t.Skip("needs axe-core: RAGPROXY_TEST_AXE")
	}
	axe, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []look{light, dark, phone, {"phone-dark", 390, 844, "dark", true}} {
		t.Run(l.name, func(t *testing.T) {
			p := open(t, chromium, demo, "/", l)
			browser.Eval[any](p.Page, string(axe)+"\n;void 0")
			p.axe("start")
			p.ask("What is Task Decomposition?")
			p.ask("What are some common ways of doing it?")
			p.axe("chat")
			p.Click(".turn:last-child .mark")
			p.axe("passage")
			p.Click(`[data-tab="raw"]`)
			p.axe("raw stream")
			p.Click(`[data-tab="code"]`)
			p.axe("code")
			p.press("\x1b")
			p.turnTo("search")
			p.typeInto("#search-query", "memory\r")
			p.Until("there are hits", `document.querySelectorAll(".results .passage").length > 0`)
			p.axe("search")
			p.turnTo("documents")
			p.Until("there are documents", `document.querySelectorAll(".document").length > 0`)
			p.Click(".document-head")
			p.Until("there are chunks", `document.querySelector(".chunk-text")`)
			p.axe("documents")
			p.Click("#top-end .icon-button")
			p.axe("key dialog")
		})
		t.Run(l.name+"-errors", func(t *testing.T) {
			p := open(t, chromium, serve, "/", l)
			browser.Eval[any](p.Page, string(axe)+"\n;void 0")
			p.excuse("ERR_INCOMPLETE_CHUNKED_ENCODING")
			p.ask("Please fail.")
			p.ask("Please be hostile.")
			p.ask("Please cut it.")
			p.axe("errors")
		})
	}
}

// axe fails the test on serious and critical violations and tells the others.
func (p *page) axe(what string) {
	p.Helper()
	found := browser.Eval[[]string](p.Page, `axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.map((v) =>
		v.impact + " " + v.id + ": " + v.help + " " + v.nodes.slice(0, 3).map((n) => n.target.join(" ") + " " + (n.any[0]?.message ?? "")).join(" | ")))`)
	for _, v := range found {
		line := fmt.Sprintf("axe, %s: %s", what, v)
		if strings.HasPrefix(v, "serious") || strings.HasPrefix(v, "critical") {
			p.Error(line)
		} else {
			p.Log(line)
		}
	}
}
