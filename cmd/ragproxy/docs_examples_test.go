package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const examplesDir = project + "/docs/examples"

// served is the address in examples and snippets, for which the tests put that
// of a server of their own.
const served = "http://127.0.0.1:8080"

// exampleOrder runs upload first: others ask for what it brings. curl's
// stream asks something else.
var exampleOrder = []struct{ name, prints string }{
	{"upload", `notes\.md`},
	{"search", `notes\.md#`},
	{"stream", `(?s)Retry-After.*Notes on our API|rewrite\.done.*summary`},
	{"complete", `(?s)Retry-After.*Notes on our API`},
	{"filters", `(?s)Retry-After.*Notes on our API`},
}

// startExamples serves an index with notes.md on the builtin upstream; the
// caller stops it.
func startExamples(t *testing.T) (*process, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(examplesDir)); err != nil {
		t.Fatal(err)
	}
	if out := runIn(t, dir, nil, "index", "notes.md"); !strings.Contains(out, "1 document") {
		t.Fatalf("index: %s", out)
	}
	p := startServe(t, dir, "RAGPROXY_UPSTREAM_BASE_URL=builtin", "RAGPROXY_LOAD_ALLOW_PRIVATE=true")
	replaceIn(t, dir, served, p.base)
	return p, dir
}

func replaceIn(t *testing.T, dir, from, to string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(b), from, to)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// runExamples runs each in the folder that has notes.md.
func runExamples(t *testing.T, dir string, command func(name string) []string) {
	t.Helper()
	for _, e := range exampleOrder {
		words := command(e.name)
		cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "PYTHONDONTWRITEBYTECODE=1"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", e.name, err, out)
			continue
		}
		if !regexp.MustCompile(e.prints).Match(out) {
			t.Errorf("%s: got %s, want %s", e.name, out, e.prints)
		}
	}
}

func TestDocExamplesCurl(t *testing.T) {
	for _, program := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("NOT TESTED: no %s", program)
		}
	}
	p, dir := startExamples(t)
	defer p.stop(t)
	runExamples(t, dir, func(name string) []string {
		return []string{"sh", "-ec", failing + ". ./curl/" + name + ".sh"}
	})
}

// failing makes curl fail where the answer is an error.
const failing = `curl() { command curl -sS --fail-with-body --max-time 60 "$@"; }` + "\n"

func TestDocExamplesGo(t *testing.T) {
	p, dir := startExamples(t)
	defer p.stop(t)
	files := map[string]string{} // with the address of the server under test
	for _, name := range []string{"main.go", "stream.go", "complete.go", "documents.go"} {
		source, err := os.ReadFile(filepath.Join(dir, "go", name))
		if err != nil {
			t.Fatal(err)
		}
		files["docs/examples/go/"+name] = string(source)
	}
	program := filepath.Join(dir, "example.exe")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "-overlay", overlayOf(t, dir, files), "./docs/examples/go")
	build.Dir = project
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	runExamples(t, dir, func(name string) []string { return []string{program, name} })
}

// overlayOf writes files that stand for those of the project, by their names
// from its folder, and gives the file for go build -overlay.
func overlayOf(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	replace := map[string]string{}
	for name, text := range files {
		at, err := filepath.Abs(filepath.Join(project, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		replace[at] = filepath.Join(dir, "overlay-"+filepath.Base(at))
		if err := os.WriteFile(replace[at], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestDocExamplesPython and the next run with the clients that
// internal/clienttest pins.
func TestDocExamplesPython(t *testing.T) {
	clients := pinnedClients(t)
	p, dir := startExamples(t)
	defer p.stop(t)
	runExamples(t, dir, func(name string) []string {
		return []string{filepath.Join(clients, "venv", "bin", "python"), filepath.Join("python", name+".py")}
	})
}

func TestDocExamplesNode(t *testing.T) {
	clients := pinnedClients(t)
	p, dir := startExamples(t)
	defer p.stop(t)
	if err := os.Symlink(filepath.Join(clients, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	runExamples(t, dir, func(name string) []string { return []string{"node", filepath.Join("node", name+".mjs")} })
}

func pinnedClients(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("RAGPROXY_TEST_CLIENTS")
	if dir == "" {
		t.Skip("NOT TESTED: RAGPROXY_TEST_CLIENTS is not set. Run\n\tbash internal/clienttest/install.sh /tmp/clients\n\tRAGPROXY_TEST_CLIENTS=/tmp/clients go test ./cmd/ragproxy -run DocExamples")
	}
	return dir
}

// onePage is a PDF that says "Hello". Readers rebuild the table that it lacks.
const onePage = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
	"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj\n" +
	"4 0 obj<</Length 34>>stream\nBT /F 18 Tf 10 100 Td (Hello) Tj ET\nendstream endobj\n" +
	"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Root 1 0 R>>\n"

// TestDocSnippetsRun runs the blocks of shell that are nothing but curl.
func TestDocSnippetsRun(t *testing.T) {
	for _, program := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("NOT TESTED: no %s", program)
		}
	}
	p, dir := startExamples(t)
	defer p.stop(t)
	if err := os.WriteFile(filepath.Join(dir, "report.pdf"), []byte(onePage), 0o600); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, page := range documentation(t) {
		for _, b := range page.blocks {
			if b.info != "sh" || !onlyCurl(b) {
				continue
			}
			ran++
			runSnippet(t, page.name, b, p.base, dir)
		}
	}
	if ran < 2 {
		t.Errorf("got %d snippets: the check misses some", ran)
	}
}

// onePost is a server that stands for https://example.org.
func onePost(t *testing.T) *httptest.Server {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `<html><title>A post</title><main><h1 class="post-title">A post</h1><p class="post-content">What it says.</p></main></html>`)
	}))
	t.Cleanup(site.Close)
	return site
}

// runSnippet runs a block against the server in dir.
func runSnippet(t *testing.T, page string, b block, base, dir string) {
	t.Helper()
	site := onePost(t)
	script := strings.NewReplacer(served, base, "https://example.org", site.URL).Replace(b.text)
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", failing+script)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	out, err := cmd.CombinedOutput()
	if err != nil || regexp.MustCompile(`"failed":\[\{|"error":`).Match(out) {
		t.Errorf("%s:%d: %v\n%s", page, b.line, err, out)
	}
}

func onlyCurl(b block) bool {
	for _, words := range commandsIn(b) {
		if words[0] != "curl" {
			return false
		}
	}
	return true
}
