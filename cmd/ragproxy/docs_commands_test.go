package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocCommands holds every command line of the documentation to the
// commands, flags, tests and files that there are.
func TestDocCommands(t *testing.T) {
	found := map[string]int{}
	for _, p := range documentation(t) {
		for _, b := range p.blocks {
			if b.fenced && b.info != "sh" && b.info != "" {
				continue
			}
			for _, words := range commandsIn(b) {
				checkCommand(t, p.name, words, true, found)
			}
		}
		for _, span := range p.spans {
			if commands, err := shellWords(strings.ReplaceAll(span, `\|`, "|")); err == nil {
				for _, words := range commands {
					checkCommand(t, p.name, words, false, found)
				}
			}
		}
	}
	t.Logf("checked %v", found)
	for program, least := range map[string]int{"ragproxy": 30, "go test": 5, "go run": 2, "make": 3, "curl": 5} {
		if found[program] < least {
			t.Errorf("got %d lines of %s: the check misses some", found[program], program)
		}
	}
}

// commandsIn are the commands of a block. Indented blocks are often no shell:
// what cannot be read there is none.
func commandsIn(b block) [][]string {
	if all, err := shellWords(b.text); err == nil {
		return all
	}
	var all [][]string
	for line := range strings.Lines(b.text) {
		if words, err := shellWords(line); err == nil {
			all = append(all, words...)
		}
	}
	return all
}

var errUnclosed = errors.New("a quote is not closed")

// shellWords splits what a person would paste into a shell: commands, each
// with its words. Comments are dropped; $( begins a command.
func shellWords(text string) (commands [][]string, err error) {
	var words []string
	var word strings.Builder
	inWord := false
	endWord := func() {
		if inWord {
			words = append(words, word.String())
		}
		word.Reset()
		inWord = false
	}
	endCommand := func() {
		if endWord(); len(words) > 0 {
			commands = append(commands, words)
		}
		words = nil
	}
	text = strings.ReplaceAll(text, "$(", "\n")
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			if i++; text[i] != '\n' {
				word.WriteByte(text[i])
				inWord = true
			}
		case c == '\'' || c == '"':
			end := closing(text, i)
			if end < 0 {
				return nil, errUnclosed
			}
			word.WriteString(text[i+1 : end])
			inWord, i = true, end
		case c == '#' && !inWord:
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case c == '\n' || c == ';' || c == '|' || c == '&':
			endCommand()
		case c == ' ' || c == '\t':
			endWord()
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	endCommand()
	return commands, nil
}

// closing is where the quote that begins at i ends, -1 if nowhere.
func closing(text string, i int) int {
	for j := i + 1; j < len(text); j++ {
		switch {
		case text[j] == '\\' && text[i] == '"':
			j++
		case text[j] == text[i]:
			return j
		}
	}
	return -1
}

var assignment = regexp.MustCompile(`^[A-Za-z_]\w*=`)

// checkCommand checks what it knows of a command and passes over the rest.
// whole: it stands in a block, so it must be complete.
func checkCommand(t *testing.T, where string, words []string, whole bool, found map[string]int) {
	t.Helper()
	for len(words) > 0 && (assignment.MatchString(words[0]) || words[0] == "$") {
		words = words[1:]
	}
	if len(words) == 0 {
		return
	}
	line := strings.Join(words, " ")
	switch {
	case words[0] == "make":
		found["make"]++
		checkMake(t, where, words[1:])
	case words[0] == "bash" && len(words) > 1:
		found["bash"]++
		if _, err := os.Stat(filepath.Join(project, words[1])); err != nil {
			t.Errorf("%s: %s: %v", where, line, err)
		}
	case words[0] == "curl" && whole:
		found["curl"]++
		checkCurl(t, where, words)
	case len(words) > 2 && words[0] == "go" && words[1] == "test":
		found["go test"]++
		checkGoTest(t, where, words[2:])
	case len(words) > 2 && words[0] == "go" && words[1] == "run" && words[2] != "./cmd/ragproxy":
		found["go run"]++
		checkGoRun(t, where, words[2:])
	}
	for i, word := range words {
		if word != "ragproxy" && (word != "./cmd/ragproxy" || words[i-1] != "run") {
			continue
		}
		first := i == 0 || words[i-1] == "--" || word != "ragproxy"
		if !first && !(i+1 < len(words) && isCommand(words[i+1])) {
			continue // the name of an image, a user, a folder
		}
		found["ragproxy"]++
		checkRagproxy(t, where, words[i+1:], whole)
	}
}

func isCommand(word string) bool {
	for _, c := range newRoot().Commands() {
		if c.Name() == word {
			return true
		}
	}
	return false
}

// checkRagproxy reads the words as the command line would, and does nothing.
func checkRagproxy(t *testing.T, where string, words []string, whole bool) {
	t.Helper()
	line := "ragproxy " + strings.Join(words, " ")
	for i, word := range words { // "2>/dev/null", "> file": the shell's
		if strings.ContainsAny(word, "<>") {
			words = words[:i]
			break
		}
	}
	root := newRoot()
	cmd, rest, err := root.Find(words)
	if err != nil {
		t.Errorf("%s: %s: %v", where, line, err)
		return
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%s: %s: %v", where, line, err)
		return
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil && (whole || cmd == root) {
		t.Errorf("%s: %s: %v", where, line, err)
	}
}

func checkMake(t *testing.T, where string, words []string) {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(project, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range words {
		if !assignment.MatchString(word) && !regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(word)+`:`).Match(makefile) {
			t.Errorf("%s: make %s: the Makefile has no such target", where, word)
		}
	}
}

// checkCurl holds bodies to be JSON.
func checkCurl(t *testing.T, where string, words []string) {
	t.Helper()
	for i, word := range words {
		if i > 0 && words[i-1] == "-d" && !strings.HasPrefix(word, "@") && !json.Valid([]byte(word)) {
			t.Errorf("%s: curl: the body is no JSON: %s", where, word)
		}
	}
}

var testFunc = regexp.MustCompile(`(?m)^func ((Test|Benchmark|Fuzz)\w*)\(`)

// checkGoTest wants -run and the like to name something in the package.
func checkGoTest(t *testing.T, where string, words []string) {
	t.Helper()
	line := "go test " + strings.Join(words, " ")
	pattern := map[string]string{}
	var packages []string
	for i, word := range words {
		flag, value, ok := strings.Cut(strings.TrimPrefix(word, "-"), "=")
		if !ok && i+1 < len(words) {
			value = words[i+1]
		}
		switch {
		case flag == "run" || flag == "bench" || flag == "fuzz":
			pattern[flag] = value
		case strings.HasPrefix(word, "./"):
			packages = append(packages, word)
		}
	}
	if len(packages) == 0 {
		t.Errorf("%s: %s names no package", where, line)
	}
	kinds := map[string]string{"run": "Test", "bench": "Benchmark", "fuzz": "Fuzz"}
	for _, pkg := range packages {
		names := testsIn(t, where, pkg)
		for flag, text := range pattern {
			re, err := regexp.Compile(text)
			if err != nil {
				t.Errorf("%s: %s: %v", where, line, err)
				continue
			}
			nothing := flag == "run" && (text == "x" || text == "^$") && pattern["bench"] != ""
			if !nothing && !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, kinds[flag]) && re.MatchString(n) }) {
				t.Errorf("%s: %s: -%s names nothing in %s", where, line, flag, pkg)
			}
		}
	}
}

func testsIn(t *testing.T, where, pkg string) []string {
	t.Helper()
	if strings.HasSuffix(pkg, "/...") {
		return []string{"Test", "Benchmark", "Fuzz"}
	}
	files, err := filepath.Glob(filepath.Join(project, pkg, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("%s: %s has no tests", where, pkg)
	}
	var names []string
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testFunc.FindAllSubmatch(source, -1) {
			names = append(names, string(m[1]))
		}
	}
	return names
}

// checkGoRun wants the program to be there, and to know the flags.
func checkGoRun(t *testing.T, where string, words []string) {
	t.Helper()
	line := "go run " + strings.Join(words, " ")
	if !strings.HasPrefix(words[0], "./") {
		return // of another module
	}
	files, err := filepath.Glob(filepath.Join(project, words[0], "*.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("%s: %s: there is no such program", where, line)
	}
	var source strings.Builder
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(b)
	}
	for _, word := range words[1:] {
		if name, ok := strings.CutPrefix(word, "-"); ok && !strings.Contains(source.String(), `"`+name+`"`) {
			t.Errorf("%s: %s: it has no flag -%s", where, line, name)
		}
	}
}
