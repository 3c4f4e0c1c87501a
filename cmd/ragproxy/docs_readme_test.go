package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadmeSnippets holds the README's snippets to the examples, which run.
func TestReadmeSnippets(t *testing.T) {
	examples := map[string]string{"python": "python/stream.py", "js": "node/stream.mjs", "go": "go/stream.go", "sh": "curl/stream.sh"}
	for _, b := range readBlocks(t, "README.md") {
		name, ok := examples[b.info]
		if !ok {
			continue
		}
		delete(examples, b.info)
		example, err := os.ReadFile(filepath.Join(examplesDir, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		want := string(example)
		if _, rest, ok := strings.Cut(want, "\t// snippet\n"); ok {
			want, _, _ = strings.Cut(rest, "\t// end\n")
			want = regexp.MustCompile(`(?m)^\t`).ReplaceAllString(want, "")
		}
		if b.text != want {
			t.Errorf("README.md:%d is not docs/examples/%s:\n%s", b.line, name, b.text)
		}
	}
	for kind, name := range examples {
		t.Errorf("README.md has no block %s, want docs/examples/%s", kind, name)
	}
}

// TestReadmeSession holds the README's recorded session to what the demo says.
func TestReadmeSession(t *testing.T) {
	const prompt = "$ ragproxy demo --once\n"
	recorded := ""
	for _, b := range readBlocks(t, "README.md") {
		if b.info == "text" && strings.HasPrefix(b.text, prompt) {
			recorded = strings.TrimPrefix(b.text, prompt)
		}
	}
	demo := ragproxyIn(t, t.TempDir(), nil, "demo", "--once")
	got, err := demo.Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(recorded), strings.TrimSpace(string(got))); diff != "" {
		t.Errorf("README.md has another session (-recorded +demo):\n%s", diff)
	}
}

var figure = regexp.MustCompile(`(?:^|[ |])(\d*\.\d+|\d[\d,]*)(?: us)?(?:[ ,|]|$)`)

// TestReadmeFigures wants the table of measurements to say only what
// docs/benchmarks.md says.
func TestReadmeFigures(t *testing.T) {
	measured, err := os.ReadFile(filepath.Join(project, "docs", "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(project, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(source), "\n## Beside other ways\n")
	table, _, ok := strings.Cut(rest, "\nWhat others do")
	if !ok {
		t.Fatal("README.md has no measurements")
	}
	figures := figure.FindAllStringSubmatch(table, -1)
	if len(figures) < 15 {
		t.Errorf("got %d figures: the check misses some", len(figures))
	}
	for _, m := range figures {
		if len(m[1]) > 2 && !strings.Contains(string(measured), m[1]) {
			t.Errorf("README.md says %s, docs/benchmarks.md does not", m[1])
		}
	}
}

func readBlocks(t *testing.T, name string) []block {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(project, name))
	if err != nil {
		t.Fatal(err)
	}
	return readPage(name, string(source)).blocks
}

// placeholder is a word that stands for what the reader has: FILE, ID|URI.
var placeholder = regexp.MustCompile(`^[A-Z|]+$`)

// TestReadmeCommands runs the README's own commands, one after the other, in a
// folder that has docs/. Those that go on until they are ended, and those with
// a placeholder, are only read, by TestDocCommands.
func TestReadmeCommands(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "docs"), os.DirFS(filepath.Join(project, "testdata", "sample"))); err != nil {
		t.Fatal(err)
	}
	site := onePost(t)
	source, err := os.ReadFile(filepath.Join(project, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	p := readPage("README.md", string(source))
	var lines [][]string
	for _, b := range p.blocks {
		if b.info == "" {
			lines = append(lines, commandsIn(b)...)
		}
	}
	for _, span := range p.spans {
		if words, err := shellWords(strings.ReplaceAll(span, `\|`, "|")); err == nil {
			lines = append(lines, words...)
		}
	}
	env := []string{"RAGPROXY_UPSTREAM_BASE_URL=builtin", "RAGPROXY_LOAD_ALLOW_PRIVATE=true", "RAGPROXY_LOAD_DELAY=0s", "RAGPROXY_LISTEN=127.0.0.1:0"}
	ran := 0
	for _, words := range lines {
		if len(words) < 2 || words[0] != "ragproxy" || goesOn(words) || slices.ContainsFunc(words, placeholder.MatchString) && words[1] != "ask" {
			continue
		}
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "https://example.org", site.URL)
		}
		ran++
		cmd := ragproxyIn(t, dir, env, words[1:]...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", strings.Join(words, " "), err, out)
		}
	}
	if ran < 8 {
		t.Errorf("got %d commands: the check misses some", ran)
	}
}

func goesOn(words []string) bool {
	return slices.ContainsFunc([]string{"serve", "chat", "--watch", "explain"}, func(w string) bool { return slices.Contains(words, w) })
}
