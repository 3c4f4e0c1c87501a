package clienttest

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const docsFile = "../../docs/clients.md"

//go:embed testdata/clients.md.head
var docsHead string

// docsTail is what other tests than this package's have seen.
//
//go:embed testdata/clients.md.tail
var docsTail string

// TestPins holds the lock files to one version for every package and no hosts.
func TestPins(t *testing.T) {
	lock, err := os.ReadFile("clients/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), `"resolved"`) {
		t.Error("package-lock.json names hosts: make it with the .npmrc beside it")
	}
	list, err := os.ReadFile("clients/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && !strings.Contains(line, "==") {
			t.Errorf("requirements.txt does not pin %q", line)
		}
	}
}

// TestDocs holds docs/clients.md to the matrix, the versions and the scripts.
func TestDocs(t *testing.T) {
	want := clientsDoc(t, readMatrix(t))
	if *update {
		if err := os.WriteFile(docsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/clients.md is not up to date: run the test with -update (-want +got):\n%s", diff)
	}
	t.Logf("\n%s", want)
}

func clientsDoc(t *testing.T, m matrix) string {
	var b strings.Builder
	b.WriteString(docsHead)
	b.WriteString("\n## At a glance\n\nCan the user of the client reach the sources?\n\n")
	b.WriteString("| client | mode | " + strings.Join(dialects, " | ") + " |\n|---|---|" + strings.Repeat("---|", len(dialects)) + "\n")
	each(func(c client, mode string) {
		fmt.Fprintf(&b, "| %s | %s |", c.name, mode)
		for _, d := range dialects {
			b.WriteString(" " + glance(part(m.of(c.name, mode).get(d+"/first"), "sources")) + " |")
		}
		b.WriteByte('\n')
	})
	b.WriteString("\nWhat else arrives, in dialect `rag`:\n\n| client | mode | rewritten query | live events | usage | rewrite's usage | reasoning | broken answer |\n|---|---|---|---|---|---|---|---|\n")
	each(func(c client, mode string) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.name, mode, strings.Join(others(m.of(c.name, mode)), " | "))
	})
	for _, c := range clients() {
		writeClient(t, &b, m, c)
	}
	b.WriteString(docsTail)
	return b.String()
}

func each(do func(c client, mode string)) {
	for _, c := range clients() {
		for _, mode := range c.modes {
			do(c, mode)
		}
	}
}

func (m matrixOf) get(name string) string { return m.matrix[m.at+name] }

// part takes one part of a cell's text.
func part(text, name string) string {
	for p := range strings.SplitSeq(text, " | ") {
		if value, ok := strings.CutPrefix(p, name+": "); ok {
			return value
		}
	}
	return ""
}

func glance(value string) string {
	if value == "no" || value == "" {
		return "no"
	}
	return "yes"
}

func others(m matrixOf) []string {
	yes := func(ok bool) string {
		if ok {
			return "yes"
		}
		return "no"
	}
	follow, live := m.get("rag/follow-up"), m.get("rag/live")
	query := strings.Contains(part(follow, "events"), "rewrite.done") || strings.Contains(part(follow, "sources"), "rag")
	return []string{
		yes(query), yes(strings.Contains(part(live, "events"), "retrieval.started")),
		glance(part(follow, "usage")), yes(part(follow, "usage") == "with usage.rag"),
		glance(part(m.get("rag+reasoning"), "reasoning")), "error, " + part(m.get("cut"), "error"),
	}
}

// writeClient writes the places, with modes that are alike in one column, and
// the snippet.
func writeClient(t *testing.T, b *strings.Builder, m matrix, c client) {
	fmt.Fprintf(b, "\n## %s\n\n`%s` %s. %s\n\n", c.name, c.pkg, c.version(t), c.about)
	var heads []string
	var columns [][]string
	for _, mode := range c.modes {
		var column []string
		for _, d := range dialects {
			column = append(column, places(part(m.of(c.name, mode).get(d+"/follow-up"), "sources")))
		}
		if i := slices.IndexFunc(columns, func(x []string) bool { return slices.Equal(x, column) }); i >= 0 {
			heads[i] += ", " + mode
			continue
		}
		heads, columns = append(heads, mode), append(columns, column)
	}
	b.WriteString("| dialect | " + strings.Join(heads, " | ") + " |\n|---|" + strings.Repeat("---|", len(heads)) + "\n")
	for i, d := range dialects {
		b.WriteString("| " + d + " |")
		for _, column := range columns {
			b.WriteString(" " + column[i] + " |")
		}
		b.WriteByte('\n')
	}
	lang := map[string]string{".go": "go", ".py": "python", ".mjs": "js"}[filepath.Ext(c.file)]
	fmt.Fprintf(b, "\n```%s\n%s```\n", lang, snippet(t, c.file))
}

func places(text string) string {
	if text == "no" {
		return text
	}
	list := strings.Split(text, ", ")
	for i := range list {
		list[i] = "`" + list[i] + "`"
	}
	return strings.Join(list, "<br>")
}

// snippet takes the lines between the marks "snippet" and "end" of a script,
// less their indentation; further ones follow after an empty line.
func snippet(t *testing.T, file string) string {
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	in, indent := false, ""
	for line := range strings.Lines(string(source)) {
		word := strings.TrimLeft(strings.TrimSpace(line), "/# ")
		switch {
		case word == "snippet":
			if in = true; b.Len() > 0 {
				b.WriteByte('\n')
			}
			indent = line[:len(line)-len(strings.TrimLeft(line, "\t "))]
		case word == "end":
			in = false
		case in:
			b.WriteString(strings.ReplaceAll(strings.TrimPrefix(line, indent), "\t", "    "))
		}
	}
	if b.Len() == 0 {
		t.Fatalf("%s has no snippet", file)
	}
	return b.String()
}
