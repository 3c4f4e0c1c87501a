package load

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

var update = flag.Bool("update", false, "write the golden files of testdata/office")

// shown is a document to be read by people: title and metadata, and the text
// with a line for each mark.
func shown(doc index.Document) string {
	var b strings.Builder
	meta, _ := json.Marshal(doc.Meta)
	fmt.Fprintf(&b, "%s\ntitle: %s\nmeta: %s\n", doc.ID, doc.Title, meta)
	text := []rune(doc.Text)
	at := 0
	for _, m := range doc.Marks {
		meta, _ := json.Marshal(m.Meta)
		fmt.Fprintf(&b, "%s\n@@ %s\n", string(text[at:m.Start]), meta)
		at = m.Start
	}
	fmt.Fprintf(&b, "%s\n@@ end\n", string(text[at:]))
	return b.String()
}

// The files are made by testdata/make_office.py, and those that people write by
// hand are there as they are.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/office/*")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, name := range files {
		extension := filepath.Ext(name)
		if extension == ".golden" {
			continue
		}
		seen[extension] = true
		docs, failures := loadAll(t, name, Options{})
		if failures != nil {
			t.Errorf("%s: got errors %q", name, failures)
			continue
		}
		var got strings.Builder
		for _, doc := range docs {
			checkMarks(t, doc)
			got.WriteString(shown(doc))
		}
		if *update {
			if err := os.WriteFile(name+".golden", []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name + ".golden")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
	for _, f := range formats() {
		if f.name != "pdf" && f.name != "text" && !seen[f.extensions[0]] {
			t.Errorf("testdata/office has no %s file", f.extensions[0])
		}
	}
}

// checkMarks holds a document's marks to what index.Mark says.
func checkMarks(t testing.TB, doc index.Document) {
	t.Helper()
	last, length := 0, len([]rune(doc.Text))
	for _, m := range doc.Marks {
		if m.Start < last || m.Start > length {
			t.Errorf("%s: got a mark at %d after one at %d in a text of %d", doc.ID, m.Start, last, length)
		}
		last = m.Start
		if _, err := json.Marshal(m.Meta); err != nil {
			t.Errorf("%s: mark %v: %v", doc.ID, m, err)
		}
	}
}
