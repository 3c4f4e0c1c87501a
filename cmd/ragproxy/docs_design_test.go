package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the graph in docs/design.md anew")

const (
	graphBegin = "<!-- graph: written by go test ./cmd/ragproxy -run TestDesignGraph -update -->\n"
	graphEnd   = "<!-- end of graph -->"
)

// TestDesignGraph holds the graph in docs/design.md to the imports.
func TestDesignGraph(t *testing.T) {
	name := filepath.Join(project, "docs", "design.md")
	source, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(source), graphBegin)
	got, after, ok2 := strings.Cut(rest, graphEnd)
	if !ok || !ok2 {
		t.Fatalf("docs/design.md has no place for the graph: %q and %q", graphBegin, graphEnd)
	}
	want := "\n```mermaid\n" + mermaid(imports(t)) + "```\n\n"
	if *update {
		if err := os.WriteFile(name, []byte(before+graphBegin+want+graphEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("docs/design.md has another graph than the imports: run this test with -update\ngot %s\nwant %s", got, want)
	}
}

// mermaid draws what the command is made of. The command's own arrows lead
// everywhere and are left out, as are those from internal helpers.
func mermaid(graph map[string][]string) string {
	var lines []string
	for _, from := range graph["cmd/ragproxy"] {
		for _, to := range graph[from] {
			lines = append(lines, "  "+from+" --> "+to+"\n")
		}
	}
	slices.Sort(lines)
	return "graph LR\n" + strings.Join(lines, "")
}

// TestContributingExample builds the dialect that CONTRIBUTING.md adds.
func TestContributingExample(t *testing.T) {
	const file = "proxy/dialect/links.go"
	blocks := readBlocks(t, "CONTRIBUTING.md")
	i := slices.IndexFunc(blocks, func(b block) bool { return b.info == "go "+file })
	if i < 0 {
		t.Fatalf("CONTRIBUTING.md has no block %q", "go "+file)
	}
	dir := t.TempDir()
	table, err := os.ReadFile(filepath.Join(project, "proxy", "dialect", "dialect.go"))
	if err != nil {
		t.Fatal(err)
	}
	const plain = "\t\t{\"plain\", newPlain, plainBody},\n"
	changed := strings.Replace(string(table), plain, "\t\t{\"links\", newLinks, linksBody},\n"+plain, 1)
	if changed == string(table) {
		t.Fatal("dialect.go has another table than CONTRIBUTING.md says")
	}
	overlay := overlayOf(t, dir, map[string]string{file: blocks[i].text, "proxy/dialect/dialect.go": changed})
	vet := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "./proxy/dialect")
	vet.Dir = project
	if out, err := vet.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
