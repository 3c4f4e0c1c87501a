package load

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

func TestSelect(t *testing.T) {
	const page = `<title>T</title><div id=menu>Menu</div><div class="post wide"><h1>One</h1><p>First.</p><div class=post>Inner.</div></div><section><h2>Two</h2><p>Second.</p></section>`
	for selector, want := range map[string]string{
		"div.post":            "One\n\nFirst.\n\nInner.",
		"section, div.post":   "One\n\nFirst.\n\nInner.\n\nTwo\n\nSecond.",
		"p:first-of-type":     "First.\n\nSecond.",
		"#menu":               "Menu",
		".post > .post":       "Inner.",
		"body :not(div) > h2": "Two",
	} {
		doc, err := loadHTML(t.Context(), input{body: strings.NewReader(page)}, Options{Select: selector}.withDefaults())
		if err != nil || strings.TrimSpace(doc.Text) != want {
			t.Errorf("%s: got %q and error %v, want %q", selector, doc.Text, err, want)
		}
	}
	doc, _ := loadHTML(t.Context(), input{body: strings.NewReader(page)}, Options{Select: "div.post, h2"}.withDefaults())
	if diff := cmp.Diff([]index.Mark{{Meta: map[string]any{"heading": "One"}}, {Start: 21, Meta: map[string]any{"heading": "One > Two"}}}, doc.Marks); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for selector, want := range map[string]string{"nav": "no element is taken by the selector", "div[": "parse selector"} {
		if _, err := loadHTML(t.Context(), input{body: strings.NewReader(page)}, Options{Select: selector}.withDefaults()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", selector, err, want)
		}
	}
	if _, err := Open("http://h/", Options{Select: "p", Classes: []string{"c"}}); err == nil || !strings.Contains(err.Error(), "exclude each other") {
		t.Errorf("got error %v, want both refused", err)
	}
}

// The headings of the elements that a class takes are marked too.
func TestClassMarks(t *testing.T) {
	const page = `<h1>Left out</h1><div class=c> ä<h1> One </h1>text<h3>Three</h3>text</div><h2 class=c>Two<p>text`
	doc, err := loadHTML(t.Context(), input{body: strings.NewReader(page)}, Options{Classes: []string{"c"}}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if want := " ä One textThreetextTwotext"; doc.Text != want {
		t.Errorf("got text %q, want %q", doc.Text, want)
	}
	if diff := cmp.Diff([]index.Mark{
		{Start: 2, Meta: map[string]any{"heading": "One"}}, {Start: 11, Meta: map[string]any{"heading": "One > Three"}},
	}, doc.Marks); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
