package browsertest

import (
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ragproxy/ragproxy/internal/browser"
)

// testCode looks at the request as code: curl's is run, the others must parse.
func testCode(p *page) {
	p.Click(`[data-tab="code"]`)
	code := func(language string) string {
		browser.Eval[any](p.Page, fmt.Sprintf(`[...document.querySelectorAll(".code-view .segments button")].find((b) => b.textContent === %q).click()`, language))
		return browser.Eval[string](p.Page, `document.querySelector(".code").textContent`)
	}
	golang := code("Go")
	if formatted, err := format.Source([]byte(golang)); err != nil {
		p.Errorf("the code for Go does not parse: %v\n%s", err, golang)
	} else if !strings.Contains(string(formatted), `UserMessage("What are some common ways of doing it?")`) {
		p.Errorf("got %s, want the question in the code for Go", formatted)
	}
	p.run("python3", "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())", p.file("ask.py", code("Python")))
	p.run("node", "--check", p.file("ask.mjs", code("Node")))
	curl := code("curl")
	p.Shoot("code-light")
	if got := p.run("sh", p.file("ask.sh", curl)); !strings.Contains(got, `"type":"rewrite.done"`) || !strings.Contains(got, "[DONE]") {
		p.Errorf("got %.300s, want the stream", got)
	}
}

func (p *page) file(name, text string) string {
	path := filepath.Join(p.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.Fatal(err)
	}
	return path
}

// run runs a program, if it is installed.
func (p *page) run(name string, args ...string) string {
	p.Helper()
	if _, err := exec.LookPath(name); err != nil {
		p.Logf("%s is not installed: its code is not checked", name)
		return ""
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		p.Errorf("%s %s: %v\n%s", name, filepath.Base(args[len(args)-1]), err, out)
	}
	return string(out)
}
