package load

import (
	"archive/zip"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ragproxy/ragproxy/index"
)

// fuzzOptions keep a fuzzed file small.
func fuzzOptions() Options { return Options{MaxBytes: 1 << 20}.withDefaults() }

// fuzzed loads fuzzed bytes, without the net that catches panics, and holds the
// document to what all documents are.
func fuzzed(t *testing.T, load func(context.Context, input, Options) (index.Document, error), body []byte) {
	t.Helper()
	doc, err := load(t.Context(), input{id: "x", name: "x", body: bytes.NewReader(body)}, fuzzOptions())
	if err != nil {
		return
	}
	if clean(doc.Text) != doc.Text || clean(doc.Title) != doc.Title {
		t.Errorf("got title %q and text %q, want valid UTF-8 without NUL", doc.Title, doc.Text)
	}
	checkMarks(t, doc)
}

// stored packs parts without compression, which makes nothing of a fuzzer's
// changes: name, content, name, content ...
func stored(t testing.TB, parts ...string) []byte {
	t.Helper()
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	for i := 0; i < len(parts); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: parts[i], Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(parts[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func FuzzDOCX(f *testing.F) {
	f.Add(`<w:document xmlns:w="w"><w:p><w:pPr><w:pStyle w:val="H"/></w:pPr><w:r><w:t>a</w:t><w:tab/><w:br/></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:document>`,
		`<w:styles xmlns:w="w"><w:style w:styleId="H"><w:name w:val="heading 1"/></w:style></w:styles>`)
	f.Add("</tc></tr></p></tbl><Fallback>", `<style styleId="a"/><outlineLvl val="-9"/>`)
	f.Fuzz(func(t *testing.T, document, styles string) {
		fuzzed(t, loadDOCX, stored(t, "word/document.xml", document, "word/styles.xml", styles, "docProps/core.xml", document))
	})
}

func FuzzPPTX(f *testing.F) {
	f.Add(`<p xmlns:r="r"><sldId r:id="a"/></p>`, `<R><Relationship Id="a" Target="../ppt/s.xml"/></R>`, `<sp><ph type="title"/><p><t>a</t><br/></p></sp><tbl><tr><tc><p><t>b</t></p></tc></tr></tbl>`)
	f.Fuzz(func(t *testing.T, presentation, relations, slide string) {
		fuzzed(t, loadPPTX, stored(t, "ppt/presentation.xml", presentation, "ppt/_rels/presentation.xml.rels", relations, "ppt/s.xml", slide, "ppt/_rels/s.xml.rels", relations))
	})
}

func FuzzODT(f *testing.F) {
	f.Add(`<t><h outline-level="2">a<s/></h><list><p> b <tab/><line-break/><note><note-body><p>c</p></note-body></note></p></list><table><table-row><table-cell><p>d</p></table-cell></table-row></table></t>`)
	f.Fuzz(func(t *testing.T, content string) {
		fuzzed(t, loadODT, stored(t, "content.xml", content, "meta.xml", content))
	})
}

func FuzzEPUB(f *testing.F) {
	f.Add(`<p><item id="a" href="a%20b.xhtml"/><itemref idref="a"/><title>t</title></p>`, "<title>t</title><h1>a</h1><pre>\n b</pre>")
	f.Fuzz(func(t *testing.T, book, chapter string) {
		fuzzed(t, loadEPUB, stored(t, "META-INF/container.xml", `<rootfile full-path="o/b.opf"/>`, "o/b.opf", book, "o/a b.xhtml", chapter))
	})
}

func FuzzXLSX(f *testing.F) {
	f.Add(`<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1"><v>45000</v></c></row><row r="3"><c r="B3" t="inlineStr"><is><t>x</t></is></c></row>`, `<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>a</t></si></sst>`)
	f.Fuzz(func(t *testing.T, rows, shared string) {
		if strings.Contains(rows, "<![") || len(rows)+len(shared) > 64<<10 {
			return
		}
		body := workbook(t, rows, strings.NewReader(shared))
		// The library may panic on what no program writes: that is an error.
		for doc, err := range caught(input{id: "x"}, single(loadXLSX)(t.Context(), input{id: "x", body: bytes.NewReader(body)}, fuzzOptions())) {
			if err == nil {
				checkMarks(t, doc)
			}
		}
	})
}

// Whole files with bytes changed, each through the loader that its extension
// does not tell.
func FuzzArchives(f *testing.F) {
	for _, name := range []string{"shore.epub", "walls.odt", "stock.xlsx"} {
		body, err := os.ReadFile(filepath.Join("testdata/office", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, load := range []func(context.Context, input, Options) (index.Document, error){loadDOCX, loadPPTX, loadODT, loadEPUB} {
			fuzzed(t, load, body)
		}
	})
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("a;b\r\n\"c;\r\nd\";e;f\r\n\r\n"))
	f.Add([]byte("sep=|\nx|\n|\"\n"))
	f.Add([]byte("\xff\xfea\x00,\x00b\x00\n\x001\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		ids := map[string]bool{}
		for doc, err := range loadCSV(t.Context(), input{id: "x", body: bytes.NewReader(body)}, fuzzOptions()) {
			if err != nil {
				continue
			}
			if ids[doc.ID] || !utf8.ValidString(doc.Text) || strings.ContainsAny(doc.Title, "\r\n") {
				t.Errorf("got id %q again, or title %q or text %q", doc.ID, doc.Title, doc.Text)
			}
			ids[doc.ID] = true
		}
	})
}

func FuzzHTML(f *testing.F) {
	f.Add([]byte(`<meta name=author content="a"><title>t</title><h1 class=x>a</h1><h2>b<h3>c</h2><pre>`+"\n d"), "x")
	f.Add([]byte("<div class=x><h1><h2></h1></div></h2>\x00&#0;\xff"), "h1, .x > h2")
	f.Fuzz(func(t *testing.T, body []byte, selector string) {
		if len(body) > 64<<10 || len(selector) > 100 {
			return
		}
		for _, change := range []func(*Options){func(o *Options) { o.Classes = []string{selector} }, func(o *Options) { o.Select = selector }} {
			fuzzed(t, func(ctx context.Context, in input, opts Options) (index.Document, error) {
				change(&opts)
				doc, err := loadHTML(ctx, in, opts)
				doc.Text, doc.Title = clean(doc.Text), clean(doc.Title)
				return doc, err
			}, body)
		}
	})
}

func FuzzMarkdown(f *testing.F) {
	f.Add([]byte("---\ntitle: a\nx: [b]\n---\n# c\n\nd\n---\n```\n# e\n"))
	f.Fuzz(func(t *testing.T, body []byte) { fuzzed(t, loadMarkdown, body) })
}
