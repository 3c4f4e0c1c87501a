package load

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var postClasses = []string{"post-content", "post-title", "post-header"}

// The golden file is written by testdata/make_html.py with the real bs4.
// RAGPROXY_TEST_HTML names another one, made with more pages.
func TestClassTextGolden(t *testing.T) {
	name := os.Getenv("RAGPROXY_TEST_HTML")
	if name == "" {
		name = "testdata/html_class.jsonl.gz"
	}
	cases, wrong := 0, 0
	for c := range goldenLines(t, name) {
		cases++
		got, _, found := classText(wordlessHTML(c.Page), postClasses) // as it is loaded
		if found == c.Found && got == c.Text {
			continue
		}
		if wrong++; wrong <= 10 {
			t.Errorf("%s: got found=%v, want %v; text (-want +got)\n%s\nof %q", c.Name, found, c.Found, cmp.Diff(c.Text, got), c.Page)
		}
	}
	if wrong > 0 || cases < 100 {
		t.Errorf("got %d of %d pages wrong, want none of at least 100", wrong, cases)
	}
}

type goldenPage struct {
	Name, Page, Text string
	Found            bool
}

func goldenLines(t testing.TB, name string) func(func(goldenPage) bool) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	lines, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(goldenPage) bool) {
		for in := json.NewDecoder(lines); ; {
			var c goldenPage
			if err := in.Decode(&c); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
			if !yield(c) {
				return
			}
		}
	}
}

// A real page. What bs4 takes from it is known by its length and sum only.
func TestClassTextRealPage(t *testing.T) {
	data := os.Getenv("RAGPROXY_TEST_DATA")
	if data == "" {
		t.Skip("RAGPROXY_TEST_DATA is not set")
	}
	page, err := os.ReadFile(filepath.Join(data, "weng", "2023-06-23-agent.html"))
	if err != nil {
		t.Fatal(err)
	}
	got, _, _ := classText(wordlessHTML(string(page)), postClasses) // as it is loaded
	sum := sha256.Sum256([]byte(got))
	const want = "2666adba25c1f550fa1287379d4d0939c34abf74b9ba8cdeb5c1c205126bbb12"
	if hex.EncodeToString(sum[:]) != want || utf8.RuneCountInString(got) != 43047 {
		t.Errorf("got %d characters of sum %x, want 43047 of %s", utf8.RuneCountInString(got), sum, want)
	}
}

func FuzzClassText(f *testing.F) {
	for c := range goldenLines(f, "testdata/html_class.jsonl.gz") {
		f.Add(c.Page)
	}
	f.Add("<div class=post-content>&#99999999999999;&#x;&;<![CDATA[<br></br><p a/>")
	f.Fuzz(func(t *testing.T, page string) {
		text, _, found := classText(page, postClasses)
		if !found && text != "" {
			t.Errorf("got text %q without an element", text)
		}
		if utf8.ValidString(page) && !utf8.ValidString(text) {
			t.Errorf("got text %q, want valid UTF-8", text)
		}
		if len(text) > 2*len(page) { // an entity of 6 bytes may become 6
			t.Errorf("got %d bytes of a page of %d", len(text), len(page))
		}
	})
}

// What makes a tree builder slow or overflow its stack.
func TestClassTextHostile(t *testing.T) {
	const n = 200_000
	for name, page := range map[string]string{
		"nested":     strings.Repeat("<div class=post-content>", n) + "deep",
		"unclosed":   "<p class=post-title>" + strings.Repeat("<b><i></x>", n) + "deep",
		"end tags":   "<p class=post-title>" + strings.Repeat("<b>", n) + strings.Repeat("</i>", n) + "deep",
		"ampersands": "<p class=post-title>" + strings.Repeat("&", n) + strings.Repeat("&#", n) + "deep",
		"voids":      "<p class=post-title>" + strings.Repeat("<br>", n) + strings.Repeat("</br>", n) + "deep",
	} {
		if text, _, _ := classText(page, postClasses); !strings.HasSuffix(text, "deep") {
			t.Errorf("%s: got text without its end", name)
		}
	}
}
