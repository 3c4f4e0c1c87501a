package load

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

// writeFiles writes files below a new folder and makes it the working one.
func writeFiles(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	writeFiles(t, map[string]string{"a.png": "x", "program": "\x7fELF\x00", "latin": "caf\xe9", "key.pem": "x"})
	for source, want := range map[string][]string{
		"":                  {"open source", "no such file"},
		"gone.md":           {"gone.md", "no such file", "a file, a folder, an http or https URL, or -"},
		"a.png":             {"a.png", `no loader for ".png"`, ".md", ".html", ".jsonl", ".go"},
		"program":           {"program", `no loader for ""`},
		"latin":             {"latin", `no loader for ""`},
		"key.pem":           {"key.pem", `no loader for ".pem"`},
		"ftp://host/a":      {"ftp://host/a", "only http and https"},
		"http://":           {"no host"},
		"http://h:x/":       {"invalid port"},
		"HTTP://[::1%zz]/x": {"open source"},
	} {
		_, err := Open(source, Options{})
		for _, part := range want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%q: got %v, want an error with %q", source, err, part)
			}
		}
	}
	if _, err := Open("http://h/", Options{AllowAddresses: []string{"nonsense"}}); err == nil || !strings.Contains(err.Error(), "load.allow_addresses") {
		t.Errorf("got %v, want an error naming the key", err)
	}
}

func TestLoadFiles(t *testing.T) {
	writeFiles(t, map[string]string{
		"d/a.md":       "# A\ntext",
		"d/b.HTML":     "<title>B</title><p class=x>one</p><p>two</p>",
		"d/c.txt":      "na\xefve caf\xe9",
		"d/d.go":       "package d\n",
		"d/README":     "read me",
		"d/notes.xyz":  strings.Repeat("é", 49),
		"d/e.txt":      "\xff\xfeh\x00i\x00",
		"d/bom.txt":    "\xef\xbb\xbftext",
		"d/c.jsonl":    `{"id":"l","text":"line"}` + "\n" + `{"text":"other"}`,
		"d/binary.txt": "a\x00b",
		"d/blank.txt":  " \n\t\n",
		"d/none.jsonl": "\n\n",
		"d/big.txt":    strings.Repeat("x", 200),
	})
	opts := Options{Classes: []string{"x"}, MaxBytes: 100}
	for _, test := range []struct {
		source   string
		want     []index.Document
		failures []string
	}{
		{source: "d/a.md", want: []index.Document{{ID: "a.md", URL: "d/a.md", Title: "A", Text: "# A\ntext", Marks: []index.Mark{{Meta: map[string]any{"heading": "A"}}}}}},
		{source: "./d/../d/b.HTML", want: []index.Document{{ID: "b.HTML", URL: "d/b.HTML", Title: "B", Text: "one"}}},
		{source: "d/c.txt", want: []index.Document{{ID: "c.txt", URL: "d/c.txt", Title: "c.txt", Text: "naïve café"}}},
		{source: "d/d.go", want: []index.Document{{ID: "d.go", URL: "d/d.go", Title: "d.go", Text: "package d\n"}}},
		{source: "d/README", want: []index.Document{{ID: "README", URL: "d/README", Title: "README", Text: "read me"}}},
		{source: "d/notes.xyz", want: []index.Document{{ID: "notes.xyz", URL: "d/notes.xyz", Title: "notes.xyz", Text: strings.Repeat("é", 49)}}},
		{source: "d/e.txt", want: []index.Document{{ID: "e.txt", URL: "d/e.txt", Title: "e.txt", Text: "hi"}}},
		{source: "d/bom.txt", want: []index.Document{{ID: "bom.txt", URL: "d/bom.txt", Title: "bom.txt", Text: "text"}}},
		{source: "d/c.jsonl", want: []index.Document{{ID: "l", Text: "line"}, {ID: "c.jsonl#2", Text: "other"}}},
		{source: "d/binary.txt", failures: []string{"binary.txt: load d/binary.txt: looks binary"}},
		{source: "d/blank.txt", failures: []string{"blank.txt: load d/blank.txt: no text"}},
		{source: "d/none.jsonl", failures: []string{"none.jsonl: load d/none.jsonl: no text"}},
		{source: "d/big.txt", failures: []string{"big.txt: load d/big.txt: larger than load.max_bytes (100)"}},
	} {
		docs, failures := loadAll(t, test.source, opts)
		if diff := cmp.Diff(test.want, docs); diff != "" {
			t.Errorf("%s: documents (-want +got)\n%s", test.source, diff)
		}
		if diff := cmp.Diff(test.failures, failures); diff != "" {
			t.Errorf("%s: errors (-want +got)\n%s", test.source, diff)
		}
	}
}

func TestLoadStdin(t *testing.T) {
	docs, failures := loadAll(t, "-", Options{Stdin: strings.NewReader("some text")})
	if diff := cmp.Diff([]index.Document{{ID: "-", Text: "some text"}}, docs); diff != "" || failures != nil {
		t.Errorf("got errors %q, documents (-want +got)\n%s", failures, diff)
	}
	_, failures = loadAll(t, "-", Options{Stdin: strings.NewReader("")})
	if diff := cmp.Diff([]string{"-: load -: no text"}, failures); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	_, failures = loadAll(t, "-", Options{Stdin: iotest.ErrReader(errors.New("gone"))})
	if diff := cmp.Diff([]string{"-: load -: read: gone"}, failures); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// An extension belongs to one format, and is written in lower case.
func TestFormats(t *testing.T) {
	seen := map[string]string{}
	for _, f := range formats() {
		for _, e := range f.extensions {
			if seen[e] != "" || e != strings.ToLower(e) || !strings.HasPrefix(e, ".") {
				t.Errorf("got extension %q of %s (also of %q)", e, f.name, seen[e])
			}
			seen[e] = f.name
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("na\xefve"), "text/html; charset=iso-8859-1")
	f.Add([]byte("\xff\xfeh\x00"), "")
	f.Add([]byte("<meta charset=iso-2022-jp>\x1b$B\xff"), "text/html; charset=\"")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		text, err := decode(body, contentType)
		if err == nil && strings.ToValidUTF8(text, "") != text {
			t.Errorf("got %q, want valid UTF-8", text)
		}
	})
}

// TestOpenNamed loads content that is no file of the user's: nothing of its
// place gets into a document or an error.
func TestOpenNamed(t *testing.T) {
	open := func(text string) func() (io.ReadCloser, error) {
		return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	}
	l, err := OpenNamed("rows.CSV", open("name,n\nfoo,1\nbar,2\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // it may be loaded again
		var got []string
		for doc, err := range l.Load(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, doc.ID+" "+doc.URL)
		}
		if diff := cmp.Diff([]string{"rows.CSV#2 ", "rows.CSV#3 "}, got); diff != "" {
			t.Errorf("ids and URLs (-want +got):\n%s", diff)
		}
	}
	l, err = OpenNamed("a.md", open("  "), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for doc, err := range l.Load(t.Context()) {
		if err == nil || err.Error() != "load a.md: no text" || doc.ID != "a.md" {
			t.Errorf("got %+v, error %v, want one that there is no text", doc, err)
		}
	}
	if _, err := OpenNamed("a.exe", open("x"), Options{}); err == nil || !strings.Contains(err.Error(), `no loader for ".exe"; supported: .html `) {
		t.Errorf("got error %v, want one that lists what there is", err)
	}
	if _, err := OpenNamed("a.md", open("x"), Options{Classes: []string{"a"}, Select: "b"}); err == nil {
		t.Error("got no error for classes with a selector")
	}
}
