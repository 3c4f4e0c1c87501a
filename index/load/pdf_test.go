package load

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

func TestLoadPDF(t *testing.T) {
	const first = "Façade, naïve, Straße: the first page.\nA word may be hyphenated over two lines."
	docs, failures := loadAll(t, "testdata/pdf/letters.pdf", Options{})
	if diff := cmp.Diff([]index.Document{{
		ID: "letters.pdf", URL: "testdata/pdf/letters.pdf", Title: "Letters of many scripts",
		Text: first + "\n\n潮が引くと、カニが出てくる。\n退潮时螃蟹会出来。", Meta: map[string]any{"author": "Fay Shoal"},
		Marks: []index.Mark{{Meta: map[string]any{"page": 1}}, {Start: len([]rune(first)) + 2, Meta: map[string]any{"page": 2}}},
	}}, docs); diff != "" || failures != nil {
		t.Errorf("got errors %q, documents (-want +got)\n%s", failures, diff)
	}
	for name, want := range map[string]string{
		"encrypted.pdf": "encrypted: it opens only with a password",
		"scan.pdf":      "no text on its 1 pages: a scan?",
		"README.md":     "",
	} {
		_, failures := loadAll(t, "testdata/pdf/"+name, Options{})
		if got := strings.Join(failures, "\n"); !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if _, failures := loadAll(t, "testdata/pdf/letters.pdf", Options{MaxBytes: 1000}); len(failures) != 1 || !strings.Contains(failures[0], "larger than load.max_bytes") {
		t.Errorf("got %q, want it too large", failures)
	}
}

// In a folder a scan is named as skipped, and what is encrypted as failed.
func TestFolderOfPDFs(t *testing.T) {
	docs, skipped, failures := walkAll(t, "testdata/pdf", Options{})
	if len(docs) != 8 || len(skipped) != 1 || !strings.Contains(skipped[0], "scan.pdf: no text on its 1 pages: a scan?") ||
		len(failures) != 1 || !strings.Contains(failures[0], "encrypted.pdf") {
		t.Errorf("got %q, skipped %q, errors %q", docs, skipped, failures)
	}
}

func TestPDFTitle(t *testing.T) {
	for title, want := range map[string]string{
		"A title": "A title", "paper.dvi": "", "Microsoft Word - report.doc": "", "Untitled": "", "": "", "Node.js": "Node.js", "Version 1.2": "Version 1.2", "thesis_final.pdf": "",
	} {
		if got := pdfTitle(title); got != want {
			t.Errorf("%q: got %q, want %q", title, got, want)
		}
	}
}
