package load

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The golden file is written by testdata/make_gitignore.py with the real git.
// RAGPROXY_TEST_GITIGNORE names another one, made with more trees.
func TestIgnoreGolden(t *testing.T) {
	name := os.Getenv("RAGPROXY_TEST_GITIGNORE")
	if name == "" {
		name = "testdata/gitignore.jsonl.gz"
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for in := json.NewDecoder(lines); ; cases++ {
		var c struct {
			Ignores        map[string]string
			Paths, Ignored []string
		}
		if err := in.Decode(&c); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.Ignored, ignored(c.Ignores, c.Paths)); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", c.Ignores, diff)
		}
	}
	if cases < 300 {
		t.Errorf("got %d trees in the golden file, want at least 300", cases)
	}
}

// ignored walks paths as a folder walk would: a .gitignore below an excluded
// folder is never read.
func ignored(texts map[string]string, paths []string) []string {
	var all ignores
	for _, folder := range slices.Sorted(func(yield func(string) bool) {
		for f := range texts {
			if !yield(f) {
				return
			}
		}
	}) {
		if !excluded(all, folder+"/") {
			all = append(all, parseIgnore(texts[folder], folder, ""))
		}
	}
	got := []string{}
	for _, p := range paths {
		if excluded(all, p) {
			got = append(got, p)
		}
	}
	return got
}

func excluded(all ignores, p string) bool {
	name, isFolder := strings.CutSuffix(p, "/")
	if name == "" {
		return false
	}
	if i := strings.LastIndexByte(name, '/'); i >= 0 && excluded(all, name[:i+1]) {
		return true
	}
	return all.match(name, isFolder)
}

// A file above the source sees the paths from its own folder on.
func TestIgnoreAbove(t *testing.T) {
	all := ignores{parseIgnore("/docs/old\nbuild/\n/a.md\n", "", "docs")}
	for name, want := range map[string]bool{"old": true, "sub/old": false, "a.md": false, "sub/build": true, "new": false} {
		if got := all.match(name, true); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func FuzzIgnore(f *testing.F) {
	f.Add("\n[[:]:", "\xc4")
	f.Add("*.md\n!b/\n# c\n\\#d\na/**/b\n[a-z[:digit:]\\]]*\n", "a/b.md")
	f.Add("\\\n[\n[]\n[^\n**/*\xff\n[\xff-\xfe]\r\n***", "\xff")
	f.Add(strings.Repeat("*a", 50), strings.Repeat("a", 200))
	f.Fuzz(func(t *testing.T, text, name string) {
		if len(text) > 4096 {
			return
		}
		file := parseIgnore(text, "", "")
		if got, want := len(file.rules), strings.Count(text, "\n")+1; got > want {
			t.Errorf("got %d rules, want at most %d", got, want)
		}
		all := ignores{file}
		if all.match(name, false) && len(file.rules) == 0 {
			t.Errorf("got %q excluded without a rule", name)
		}
		all = append(all, parseIgnore("!*", "", ""))
		if name != "" && !strings.ContainsAny(name, "/\x00") && all.match(name, true) {
			t.Errorf("got %q excluded, want the last rule to include it", name)
		}
	})
}
