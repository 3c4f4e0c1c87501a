package load

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each page says "seen" and, where its rest is not shown, "secret".
func TestVisibleHTML(t *testing.T) {
	for _, tt := range []struct {
		name, page string
		shown      bool // "secret" is seen after all
	}{
		{"attribute hidden", `seen<p hidden>secret</p>seen`, false},
		{"with a value", `seen<DIV HIDDEN="hidden">secret</DIV>seen`, false},
		{"found by a search", `<p hidden="until-found">secret</p>`, true},
		{"shown all the same", `<p hidden style="display:block">secret</p>`, true},
		{"children too", `seen<div hidden><p style="visibility:visible;display:block">secret</p></div>seen`, false},
		{"display", `seen<span style="display:none">secret</span>seen`, false},
		{"in other letters", `seen<span STYLE=" Display : NONE !important ; display:block ">secret</span>seen`, false},
		{"escaped", `seen<span style="d\69splay:/* */no\6e e">secret</span>seen`, false},
		{"by an entity", `seen<span style="display&colon;none">secret</span>seen`, false},
		{"the last one counts", `<p style="display:none;display:block">secret</p>`, true},
		{"in a string", `<p style="content:'display:none;'">secret</p>`, true},
		{"visibility", `seen<p style="visibility:hidden">secret</p>seen`, false},
		{"visible child", `<p style="visibility:hidden"><b style="visibility:visible">secret</b></p>`, true},
		{"opacity", `seen<p style="opacity:0">secret</p>seen`, false},
		{"opacity, nearly", `seen<p style="opacity:.01">secret</p>seen`, false},
		{"half transparent", `<p style="opacity:.5">secret</p>`, true},
		{"filter", `seen<p style="filter:opacity(0%)">secret</p>seen`, false},
		{"no size", `seen<p style="font-size:0">secret</p>seen`, false},
		{"hardly a size", `seen<p style="font:1px/1 Arial">secret</p>seen`, false},
		{"child with a size", `<td style="font-size:0"><p style="font-size:16px">secret</p></td>`, true},
		{"small", `<p style="font-size:.8em">secret</p>`, true},
		{"colour of the background", `seen<p style="color:#fff;background-color:white">secret</p>seen`, false},
		{"nearly", `seen<p style="background:rgb(255, 255, 255);color:#fefefe">secret</p>seen`, false},
		{"of another", `seen<body bgcolor=#FFFFFF>seen<p><font color=white>secret</font></body>seen`, false},
		{"another colour", `<p style="color:#fff;background:#000">secret</p>`, true},
		{"a picture behind", `<p style="color:#fff;background:#fff url(dark.png)">secret</p>`, true},
		{"painted elsewhere", `<body style="background:#fff"><div class=dark><p style="color:#fff">secret</p></div></body>`, true},
		{"transparent", `seen<p style="color:rgba(0,0,0,0)">secret</p>seen`, false},
		{"filled letters", `<p style="color:transparent;-webkit-background-clip:text">secret</p>`, true},
		{"clip", `seen<p style="position:absolute;clip:rect(0 0 0 0)">secret</p>seen`, false},
		{"clip, 1px", `seen<p style="clip:rect(1px, 1px, 1px, 1px)">secret</p>seen`, false},
		{"clip, wide", `<p style="clip:rect(0, 100px, 50px, 0)">secret</p>`, true},
		{"clip-path", `seen<p style="clip-path:inset(100%)">secret</p>seen`, false},
		{"clip-path, circle", `seen<p style="clip-path:circle(0)">secret</p>seen`, false},
		{"clip-path, round", `<p style="clip-path:circle(50%)">secret</p>`, true},
		{"off the screen", `seen<p style="position:absolute;left:-9999px">secret</p>seen`, false},
		{"far off", `seen<p style="text-indent:-999em">secret</p>seen`, false},
		{"moved away", `seen<p style="transform:translateX(-10000px)">secret</p>seen`, false},
		{"a hanging indent", `<p style="text-indent:-2em;margin-left:2em">secret</p>`, true},
		{"a slide", `<p style="position:absolute;left:-600px">secret</p>`, true},
		{"scaled away", `seen<p style="transform:scale(0)">secret</p>seen`, false},
		{"no height", `seen<p style="height:0;overflow:hidden">secret</p>seen`, false},
		{"one pixel", `seen<p style="width:1px;height:1px;overflow:hidden">secret</p>seen`, false},
		{"no height but overflow", `<p style="height:0">secret</p>`, true},
		{"high", `<p style="height:100%;overflow:hidden">secret</p>`, true},
		{"class", `<style>.x{display:none}</style>seen<p class="a x">secret</p>seen`, false},
		{"id", `<STYLE type="text/css">div#x , p { opacity : 0 }</STYLE>seen<div id=x>secret</div>seen`, false},
		{"class that another rule shows", `<style>.tab{display:none} .tab.open{display:block}</style><p class="tab">secret</p>`, true},
		{"class that a small screen shows", `<style>@media (max-width:9px){.x{display:block}} .x{display:none}</style><p class=x>secret</p>`, true},
		{"class that another rule paints", `<style>.x{display:none} .x{font-family:serif}</style>seen<p class=x>secret</p>seen`, false},
		{"class in print", `<style>@media print{.x{display:none}}</style><style media=print>.x{display:none}</style><p class=x>secret</p>`, true},
		{"class without scripts", `<noscript><style>.x{display:none}</style></noscript><p class=x>secret</p>`, true},
		{"class for screen readers", `<style>.sr-only{position:absolute;clip:rect(0,0,0,0)}</style><p class=sr-only>secret</p>`, true},
		{"another class", `<style>.x{display:none}</style><p class=xy>secret</p>`, true},
		{"template", `seen<template>secret</template>seen`, false},
		{"comment", `seen<!-- secret -->seen`, false},
		{"details", `<details><summary>seen</summary>secret</details>`, true},
		{"aria-hidden", `<p aria-hidden=true>secret</p>`, true},
		{"a page that scripts show", `<html style="visibility:hidden"><body style="opacity:0">secret</body></html>`, true},
		{"paragraph without an end", `<div>seen<p hidden>secret<p>seen</div>seen`, false},
		{"item without an end", `<ul><li hidden>secret<li>seen</ul>seen`, false},
		{"cell without an end", `<table><tr><td hidden>secret<td>seen</table>seen`, false},
		{"wrong end", `seen<span hidden><div></span>secret</div></span>seen`, false},
		{"opened again", `seen<p><b hidden>secret</p><p>secret</b>seen`, false},
		{"nested", `seen<div hidden><div>secret</div>secret</div>seen`, false},
		{"void", `<input hidden><br style="display:none">secret`, true},
		{"self-closed means nothing", `seen<p hidden/>secret</p>seen`, false},
		{"in a picture", `<svg><path style="display:none"/></svg>secret`, true},
	} {
		page := visibleHTML("<!doctype html><p>seen</p>" + tt.page)
		for name, read := range map[string]func(string) string{
			"block": func(p string) string { text, _ := blockText(p, false); return text },
			"class": func(p string) string {
				text, _, _ := classText("<div class=k>"+p+"</div>", []string{"k"})
				return text
			},
		} {
			text := read(page)
			if got := strings.Contains(text, "secret"); got != tt.shown {
				t.Errorf("%s, %s: got %q, which shows it: %v, want %v", tt.name, name, text, got, tt.shown)
			}
			if got, want := strings.Count(text, "seen"), 1+strings.Count(tt.page, "seen"); got != want && tt.name != "wrong end" { // bs4 ends more there
				t.Errorf("%s, %s: got %q, with %d of %d words that are seen", tt.name, name, text, got, want)
			}
		}
	}
}

func TestVisibleMarkdown(t *testing.T) {
	const anchor = "<h1>A<a hidden>#</a></h1>"
	if got := wordlessHTML(anchor + "<p hidden>secret</p>&#8203;"); got != anchor+"<p hidden></p>&#8203;" {
		t.Errorf("got %q", got)
	}
	for _, tt := range []struct{ text, want string }{
		{"a <!-- secret --> b", "a  b"},
		{"a <span hidden>secret</span> b", "a <span hidden></span> b"},
		{"`<!-- x -->` ``<p hidden> ` `` c\n\n<p hidden>\nsecret\n</p>\n", "`<!-- x -->` ``<p hidden> ` `` c\n\n<p hidden></p>\n"},
		{"```html\n<!-- x -->\n<p hidden>y</p>\n```\n~~~\n<script>\n~~~\n<!-- secret -->z", "```html\n<!-- x -->\n<p hidden>y</p>\n```\n~~~\n<script>\n~~~\nz"},
		{"a ` b <!-- secret -->", "a ` b "},
		{"Vec<T> and a < b, `x` <details>c</details>", "Vec<T> and a < b, `x` <details>c</details>"},
		{"no tags", "no tags"},
	} {
		if got := visibleMarkdown(tt.text); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// TestHiddenTextOfFiles: what goes for a page goes for the files of it.
func TestHiddenTextOfFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.html": "<title>t</title><article><p>seen</p><p hidden>secret</p></article>",
		"a.md":   "seen\n\n<!-- secret -->\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, keep := range []bool{false, true} {
			docs, failures := loadAll(t, file, Options{KeepHidden: keep, Select: "article"}) // Readability leaves out some by itself
			if len(docs) != 1 || len(failures) > 0 {
				t.Fatalf("%s: got %v, %v", name, docs, failures)
			}
			if got := strings.Contains(docs[0].Text, "secret"); got != keep || !strings.Contains(docs[0].Text, "seen") {
				t.Errorf("%s, keep %v: got %q", name, keep, docs[0].Text)
			}
		}
	}
}

// TestVisibleHTMLIsLinear: what would take minutes if it were not.
func TestVisibleHTMLIsLinear(t *testing.T) {
	for _, piece := range []string{"<span>", "<p>", "<b hidden>", "<q></span>", "<style>.a{display:none}</style><p class=a>", "<style>", "{", "@{", "<noscript>", "`", "<li>"} {
		n := 1 << 19 / len(piece)
		visibleHTML(strings.Repeat(piece, n) + strings.Repeat("</q>", n))
		visibleMarkdown(strings.Repeat(piece, n))
		visibleHTML("<style>" + strings.Repeat(piece, n) + "</style><p class='" + strings.Repeat("a ", n) + "'>")
	}
}

func FuzzVisibleHTML(f *testing.F) {
	f.Add("<p style=\"color:rgb(1,2,3);background:#010203;font:0/1 x;clip:rect(0,0,0,0);left:-9999px\" hidden>x<li><td></p>`<!--`")
	f.Add("<style>@media x{.a{}} a.b,#c{clip-path:polygon(0 0);d\\69:'}</style><b class=b><i hidden/></b>")
	f.Fuzz(func(t *testing.T, page string) {
		for _, out := range []string{visibleHTML(page), visibleMarkdown(page)} {
			if len(out) > len(page) {
				t.Errorf("%q became %q", page, out)
			}
		}
		if got := maskCode(page); len(got) != len(page) {
			t.Errorf("%q was masked as %q", page, got)
		}
	})
}

func BenchmarkVisibleHTML(b *testing.B) {
	data := os.Getenv("RAGPROXY_TEST_DATA")
	if data == "" {
		b.Skip("RAGPROXY_TEST_DATA is not set")
	}
	raw, err := os.ReadFile(filepath.Join(data, "weng", "2023-06-23-agent.html"))
	if err != nil {
		b.Fatal(err)
	}
	page := string(raw)
	for name, read := range map[string]func(){
		"hidden": func() { visibleHTML(page) },
		"main":   func() { mainText(page, nil) },
		"class":  func() { classText(page, postClasses) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(page)))
			for b.Loop() {
				read()
			}
		})
	}
}

func TestHiddenTextOfWord(t *testing.T) {
	const run = "<w:r><w:rPr>%s</w:rPr><w:t>%s</w:t></w:r>"
	body := "<w:p><w:pPr><w:rPr><w:vanish/></w:rPr></w:pPr>" +
		fmt.Sprintf(run, "", "seen ") + fmt.Sprintf(run, "<w:vanish/>", "secret") + fmt.Sprintf(run, `<w:vanish w:val="0"/>`, "seen ") +
		fmt.Sprintf(run, `<w:rStyle w:val="H"/>`, "secret") + "</w:p>" +
		`<w:p><w:pPr><w:pStyle w:val="H"/></w:pPr>` + fmt.Sprintf(run, "", "secret") + "</w:p><w:p>" + fmt.Sprintf(run, "", "seen") + "</w:p>"
	file := filepath.Join(t.TempDir(), "a.docx")
	packed := zipOf(t, "word/document.xml", strings.NewReader("<w:document xmlns:w='w'><w:body>"+body+"</w:body></w:document>"),
		"word/styles.xml", strings.NewReader("<w:styles xmlns:w='w'><w:style w:styleId='H'><w:rPr><w:vanish/></w:rPr></w:style></w:styles>"))
	if err := os.WriteFile(file, packed, 0o600); err != nil {
		t.Fatal(err)
	}
	for keep, want := range map[bool]string{false: "seen seen\n\nseen", true: "seen secretseen secret\n\nsecret\n\nseen"} {
		docs, failures := loadAll(t, file, Options{KeepHidden: keep})
		if len(docs) != 1 || docs[0].Text != want {
			t.Errorf("keep %v: got %v, %v, want %q", keep, docs, failures, want)
		}
	}
}
