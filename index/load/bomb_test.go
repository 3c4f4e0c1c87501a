package load

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/load/pdfium"
)

// maxRise is how many bytes a hostile file may add to the process.
const maxRise = 64 << 20

// Files that blow up: each ends with an error or a document, and takes less
// memory than maxRise.
func TestBombs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory and time are many times those of the files")
	}
	bombs := bombFiles(t)
	if len(bombs) < 10 {
		t.Errorf("got %d bombs, want 10", len(bombs))
	}
	opts := Options{CacheDir: t.TempDir()}
	compiled, err := pdfium.New(t.Context(), pdfium.Options{CacheDir: opts.CacheDir}) // takes memory of its own, once
	if err != nil {
		t.Fatal(err)
	}
	compiled.Close(t.Context())
	letters, err := os.ReadFile("testdata/pdf/letters.pdf")
	if err != nil {
		t.Fatal(err)
	}
	// What counts is what a file needs, not what is still to be collected.
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	for _, bomb := range bombs {
		t.Run(bomb.name, func(t *testing.T) {
			dir := t.TempDir()
			name := strings.ReplaceAll(bomb.name, " ", "-")
			// The first file of the folder brings in all that a run needs anyway.
			for name, content := range map[string][]byte{"0.pdf": letters, name: bomb.make()} {
				if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var before int64
			var begin time.Time
			var failures []string
			documents, characters := 0, 0
			loader, err := Open(dir, opts)
			if err != nil {
				t.Fatal(err)
			}
			for doc, err := range loader.Load(t.Context()) {
				if err != nil {
					failures = append(failures, err.Error())
					continue
				}
				if before == 0 {
					debug.FreeOSMemory()
					before, begin = resetPeak(), time.Now()
					continue
				}
				documents, characters = documents+1, characters+len(doc.Text)
			}
			rise := peak() - before
			t.Logf("%v, %d MiB more: %d documents of %d bytes, errors %q", time.Since(begin).Round(time.Millisecond), rise>>20, documents, characters, failures)
			if before > 0 && rise > maxRise {
				t.Errorf("got %d MiB more memory, want at most %d", rise>>20, maxRise>>20)
			}
			if got := strings.Join(failures, "\n"); !strings.Contains(got, bomb.want) || bomb.want != "" && got == "" {
				t.Errorf("got %d documents and errors %q, want one with %q", documents, failures, bomb.want)
			}
			for _, failure := range failures {
				if !strings.Contains(failure, name) {
					t.Errorf("got %q, want the file's name in it", failure)
				}
			}
		})
	}
}

// bomb is a hostile file; want is a part of its error, "" if it need not be one.
type bomb struct {
	name string // ends in the extension
	make func() []byte
	want string
}

func bombFiles(t *testing.T) []bomb {
	const suspicious = "a bomb?"
	letters := repeated{"a", 24 << 20}
	return []bomb{
		{"very much text.docx", func() []byte {
			return zipOf(t, "word/document.xml", io.MultiReader(strings.NewReader("<document><p><t>"), letters.reader()))
		}, suspicious},
		{"elements inside each other.docx", func() []byte { return zipOf(t, "word/document.xml", repeated{"<p>", 20 << 20}.reader()) }, "elements inside each other"},
		{"empty paragraphs.docx", func() []byte { return zipOf(t, "word/document.xml", repeated{"<p></p>", 24 << 20}.reader()) }, suspicious},
		{"entities of entities.docx", func() []byte {
			return zipOf(t, "word/document.xml", strings.NewReader(`<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "`+strings.Repeat("&a;", 1000)+`">]><document><p><t>&b;</t></p></document>`))
		}, "entity"},
		{"one long attribute.docx", func() []byte {
			return zipOf(t, "word/document.xml", io.MultiReader(strings.NewReader(`<document a="`), repeated{"x", 24 << 20}.reader()))
		}, suspicious},
		{"just under the ratio.docx", func() []byte {
			return zipOf(t, "word/document.xml", io.MultiReader(strings.NewReader("<document>"), lines{24 << 20}.reader()))
		}, "bytes of text"},
		{"many parts.docx", func() []byte { return zipOfMany(t, 60_000) }, "parts"},
		{"a lie about its size.docx", func() []byte {
			return lyingZip(t, "word/document.xml", io.MultiReader(strings.NewReader("<document><p><t>"), repeated{"a", 24 << 20}.reader()))
		}, ""},
		{"very many styles.docx", func() []byte {
			return zipOf(t, "word/styles.xml", repeated{"<style></style>", 24 << 20}.reader(), "word/document.xml", strings.NewReader("<document/>"))
		}, ""},
		{"one slide many times.pptx", func() []byte {
			return zipOf(t, "ppt/presentation.xml", io.MultiReader(strings.NewReader(`<p xmlns:r="r">`), repeated{`<sldId r:id="a"/>`, 30 << 20}.reader(), strings.NewReader("</p>")),
				"ppt/_rels/presentation.xml.rels", strings.NewReader(`<R><Relationship Id="a" Target="s.xml"/></R>`),
				"ppt/s.xml", io.MultiReader(strings.NewReader("<sld><p><t>"), repeated{"b", 900 << 10}.reader(), strings.NewReader("</t></p></sld>")))
		}, ""},
		{"very many strings.xlsx", func() []byte { return workbook(t, `<row r="1"/>`, repeated{"<si><t>a</t></si>", 24 << 20}.reader()) }, suspicious},
		{"styles of a workbook.xlsx", func() []byte {
			return zipOf(t, "xl/workbook.xml", strings.NewReader("<workbook/>"), "xl/styles.xml", repeated{"<xf/>", 100 << 20}.reader())
		}, "xl/styles.xml"},
		{"cells far to the right.xlsx", func() []byte {
			var rows strings.Builder
			for i := range 5000 {
				fmt.Fprintf(&rows, `<row r="%d"><c r="XFD%d"><v>%d</v></c></row>`, i+1, i+1, i)
			}
			return workbook(t, rows.String(), strings.NewReader(`<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"/>`))
		}, "empty cells"},
		{"a row far below.xlsx", func() []byte {
			return workbook(t, `<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="A1048576"><v>2</v></c></row>`, strings.NewReader(`<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"/>`))
		}, ""},
		{"a very long chapter.epub", func() []byte {
			return zipOf(t, "META-INF/container.xml", strings.NewReader(`<c><rootfile full-path="o.opf"/></c>`),
				"o.opf", strings.NewReader(`<p><item id="a" href="a.xhtml"/><itemref idref="a"/></p>`), "a.xhtml", letters.reader())
		}, suspicious},
		{"one chapter many times.epub", func() []byte {
			return zipOf(t, "META-INF/container.xml", strings.NewReader(`<c><rootfile full-path="o.opf"/></c>`),
				"o.opf", io.MultiReader(strings.NewReader(`<p><item id="a" href="a.xhtml"/>`), repeated{`<itemref idref="a"/>`, 20 << 20}.reader(), strings.NewReader("</p>")),
				"a.xhtml", repeated{"<h1>a", 900 << 10}.reader())
		}, ""},
		{"spaces without end.odt", func() []byte {
			return zipOf(t, "content.xml", strings.NewReader(`<d><p>a<s c="2000000000"/>b</p><table><table-row number-rows-repeated="1000000"><table-cell number-columns-repeated="1000000"><p>c</p></table-cell></table-row></table></d>`))
		}, ""},
		{"a very long page.pdf", func() []byte { return pdfOf(t, repeated{"(a) Tj ", 96 << 20}.reader()) }, ""},
		{"operators of a page.pdf", func() []byte { return pdfOf(t, repeated{"q BT /F 9 Tf 1 0 0 1 9 9 Tm ", 96 << 20}.reader()) }, ""},
		{"pages without end.pdf", func() []byte {
			return []byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Count 2000000000/Kids[2 0 R 2 0 R]>>endobj trailer<</Root 1 0 R>>\n%%EOF")
		}, ""},
		{"brackets inside each other.pdf", func() []byte {
			return []byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages " + strings.Repeat("[", 1<<19) + ">>endobj trailer<</Root 1 0 R>>\n%%EOF")
		}, ""},
		{"elements inside each other.html", func() []byte { return bytes.Repeat([]byte("<div>"), 1<<20) }, ""},
		{"headings that never end.html", func() []byte { return bytes.Repeat([]byte("<h1>a"), 1<<20) }, ""},
		{"formatting that is opened again.html", func() []byte { return bytes.Repeat([]byte("<a><b><p><i>x"), 100_000) }, ""},
		{"attributes of one element.html", func() []byte { return append([]byte("<p "), bytes.Repeat([]byte("a=b "), 1<<19)...) }, ""},
		{"headings.md", func() []byte { return bytes.Repeat([]byte("# a\n"), 2<<20) }, ""},
		{"front matter.md", func() []byte { return append([]byte("---\n"), bytes.Repeat([]byte("a: [b, c]\n"), 1<<20)...) }, ""},
		{"an open quote.csv", func() []byte { return append([]byte("a,b\n\""), bytes.Repeat([]byte("x,\n"), 2<<20)...) }, ""},
		{"very many columns.csv", func() []byte { return bytes.Repeat([]byte(strings.Repeat("a,", 250_000)+"\n"), 3) }, ""},
		{"brackets inside each other.jsonl", func() []byte { return bytes.Repeat([]byte(`{"metadata":`), 1<<20) }, "line 1"},
	}
}

// A response that unpacks to very much, as its encoding and as its file.
func TestWebBombs(t *testing.T) {
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, flate.BestCompression)
	if _, err := io.Copy(z, repeated{"<url><loc>/a</loc></url>", 24 << 20}.reader()); err != nil {
		t.Fatal(err)
	}
	z.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/gzip")
		if r.URL.Path == "/encoded" {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Encoding", "gzip")
		}
		w.Write(packed.Bytes())
	}))
	defer server.Close()
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	for _, path := range []string{"/encoded", "/sitemap.xml.gz"} {
		debug.FreeOSMemory()
		before := resetPeak()
		_, failures := loadAll(t, server.URL+path, Options{AllowPrivate: true})
		rise := peak() - before
		if len(failures) != 1 || !strings.Contains(failures[0], errBomb.Error()) {
			t.Errorf("%s: got %q, want it refused", path, failures)
		}
		if before > 0 && rise > maxRise {
			t.Errorf("%s: got %d MiB more memory, want at most %d", path, rise>>20, maxRise>>20)
		}
	}
}

// A panic in a loader is an error of its file; one of the caller's goes on.
func TestPanics(t *testing.T) {
	broken := format{load: func(_ context.Context, in input, _ Options) iter.Seq2[index.Document, error] {
		return func(yield func(index.Document, error) bool) {
			yield(index.Document{ID: "first", Text: "text"}, nil)
			panic("out of range")
		}
	}}
	var got []string
	opts := Options{}.withDefaults()
	drain(t.Context(), broken, input{id: "x"}, opts, func(doc index.Document, err error) bool {
		got = append(got, fmt.Sprint(doc.ID, " ", err))
		return true
	})
	if diff := cmp.Diff([]string{"first <nil>", "x load x: the file breaks its loader: out of range"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	defer func() {
		if r := recover(); r != "mine" {
			t.Errorf("got panic %v, want the caller's", r)
		}
	}()
	drain(t.Context(), broken, input{id: "x"}, opts, func(index.Document, error) bool { panic("mine") })
	t.Error("got no panic")
}

// What takes too long is an error that names the key.
func TestParseTimeout(t *testing.T) {
	slow := single(func(c context.Context, in input, opts Options) (index.Document, error) {
		<-c.Done()
		return index.Document{}, c.Err()
	})
	for _, err := range slow(t.Context(), input{id: "x"}, Options{ParseTimeout: time.Millisecond}.withDefaults()) {
		if err == nil || !strings.Contains(err.Error(), "load.parse_timeout (1ms)") || errors.Is(err, t.Context().Err()) {
			t.Errorf("got error %v", err)
		}
	}
}

// repeated is a text over and over, n bytes of it.
type repeated struct {
	text string
	n    int64
}

func (r repeated) reader() io.Reader {
	block := []byte(strings.Repeat(r.text, max(1, (64<<10)/len(r.text))))
	at := 0
	return io.LimitReader(readerFunc(func(p []byte) (int, error) {
		n := copy(p, block[at:])
		at = (at + n) % len(block)
		return n, nil
	}), r.n)
}

// lines are numbered ones, which pack to a hundredth at most.
type lines struct{ n int64 }

func (l lines) reader() io.Reader {
	i := 0
	var rest []byte
	return io.LimitReader(readerFunc(func(p []byte) (int, error) {
		if len(rest) == 0 {
			i++
			rest = fmt.Appendf(nil, "<p><t>%d %s</t></p>", i*7919%100_003, strings.Repeat("ebb and flow ", 60))
		}
		n := copy(p, rest)
		rest = rest[n:]
		return n, nil
	}), l.n)
}

// zipOf packs parts: name, content, name, content ...
func zipOf(t *testing.T, parts ...any) []byte {
	t.Helper()
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	for i := 0; i < len(parts); i += 2 {
		w, err := z.Create(parts[i].(string))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, parts[i+1].(io.Reader)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// zipOfMany has many empty parts.
func zipOfMany(t *testing.T, n int) []byte {
	t.Helper()
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	for i := range n {
		if _, err := z.Create(fmt.Sprintf("word/%d.xml", i)); err != nil {
			t.Fatal(err)
		}
	}
	z.Close()
	return packed.Bytes()
}

// lyingZip says that its part unpacks to a hundred bytes.
func lyingZip(t *testing.T, name string, content io.Reader) []byte {
	t.Helper()
	var data bytes.Buffer
	w, _ := flate.NewWriter(&data, flate.BestCompression)
	if _, err := io.Copy(w, content); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	raw, err := z.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Deflate, CompressedSize64: uint64(data.Len()), UncompressedSize64: 100})
	if err != nil {
		t.Fatal(err)
	}
	raw.Write(data.Bytes())
	z.Close()
	return packed.Bytes()
}

// workbook has one sheet.
func workbook(t *testing.T, rows string, shared io.Reader) []byte {
	const main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	const office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	return zipOf(t,
		"[Content_Types].xml", strings.NewReader(`<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>`),
		"_rels/.rels", strings.NewReader(`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r" Type="`+office+`/officeDocument" Target="xl/workbook.xml"/></Relationships>`),
		"xl/workbook.xml", strings.NewReader(`<workbook xmlns="`+main+`" xmlns:r="`+office+`"><sheets><sheet name="S" sheetId="1" r:id="s"/></sheets></workbook>`),
		"xl/_rels/workbook.xml.rels", strings.NewReader(`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="s" Type="`+office+`/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="t" Type="`+office+`/sharedStrings" Target="sharedStrings.xml"/></Relationships>`),
		"xl/worksheets/sheet1.xml", strings.NewReader(`<worksheet xmlns="`+main+`"><sheetData>`+rows+`</sheetData></worksheet>`),
		"xl/sharedStrings.xml", shared)
}

// pdfOf has one page with a packed content.
func pdfOf(t *testing.T, content io.Reader) []byte {
	t.Helper()
	var data bytes.Buffer
	w, _ := zlib.NewWriterLevel(&data, zlib.BestCompression)
	if _, err := io.Copy(w, io.MultiReader(strings.NewReader("BT /F 12 Tf "), content)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return fmt.Appendf(nil, "%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 1/Kids[3 0 R]>>endobj\n"+
		"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>endobj\n"+
		"4 0 obj<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream endobj\ntrailer<</Root 1 0 R>>\n%%%%EOF", data.Len(), data.Bytes())
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
