package load

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestLoadHTML(t *testing.T) {
	page, err := os.ReadFile("testdata/html/article.html")
	if err != nil {
		t.Fatal(err)
	}
	load := func(page string, opts Options) (title, text, failure string) {
		t.Helper()
		doc, err := loadHTML(t.Context(), input{id: "x.html", url: "x.html", name: "x.html", body: strings.NewReader(page)}, opts.withDefaults())
		if err != nil {
			return "", "", err.Error()
		}
		return doc.Title, doc.Text, ""
	}

	title, text, _ := load(string(page), Options{Classes: []string{"post-title"}})
	if want := "Tide & pool"; title != want {
		t.Errorf("got title %q, want %q", title, want)
	}
	if want := "\n      A Tide\u00a0Pool — in \"five\" parts\n    "; text != want {
		t.Errorf("got text %q, want %q", text, want)
	}

	_, _, failure := load(string(page), Options{Classes: []string{"gone", "lost"}})
	if want := "no element has the class gone or lost"; failure != want {
		t.Errorf("got error %q, want %q", failure, want)
	}

	title, text, _ = load("<p>no title\x00 but text</p>", Options{})
	if title != "x.html" || !strings.Contains(text, "no title") {
		t.Errorf("got title %q and text %q, want the file's name and the text", title, text)
	}

	_, _, failure = load("\x89PNG\r\n\x1a\n\x00\x00\x00", Options{})
	if want := "looks binary"; failure != want {
		t.Errorf("got error %q, want %q", failure, want)
	}

	_, _, failure = load("<p>too long</p>", Options{MaxBytes: 10})
	if want := "larger than load.max_bytes (10)"; failure != want {
		t.Errorf("got error %q, want %q", failure, want)
	}
}

func TestPageTitle(t *testing.T) {
	for page, want := range map[string]string{
		"<title>\n A &lt;b&gt;  title\t</title>": "A <b> title",
		"<TITLE>One</TITLE><title>Two</title>":   "One",
		"<title></title><p>text":                 "",
		"<title>never closed":                    "never closed",
		"<p>none":                                "",
	} {
		if got := pageProperties(page).title; got != want {
			t.Errorf("%s: got %q, want %q", page, got, want)
		}
	}
}

func TestBlockText(t *testing.T) {
	for _, test := range []struct{ page, want string }{
		{"<p>one\n two</p><p>three</p>", "one two\n\nthree"},
		{"a<b> b</b><i>c</i> d", "a bc d"},
		{"<div>one<div>two</div></div>three", "one\ntwo\nthree"},
		{"line<br>line<br/>line", "line\nline\nline"},
		{"<ul><li>one<li>two<ul><li>three</ul></ul>end", "- one\n- two\n\n- three\n\nend"},
		{"<table><tr><td>1</td><td>2</td></tr><tr><td>3<td>4", "1\t2\n3\t4"},
		{"x<pre>\n  a\n\n  b  <b>c</b></pre>y", "x\n\n  a\n\n  b  c\n\ny"},
		{"x<pre>a<br>b</pre>", "x\n\na\nb"},
		{"a<script>b</script><style>c</style><svg><text>d</svg><template>e</template><noscript>f</noscript>g", "ag"},
		{"<head><title>t</title></head><body>text &amp; more", "text & more"},
		{"<nav>menu</nav>text<footer>foot</footer><aside>aside", "text"},
		{"", ""},
	} {
		text, _ := blockText(test.page, true)
		if got := strings.TrimSpace(text); got != test.want && got != strings.TrimSpace(test.want) {
			t.Errorf("%s: got %q, want %q", test.page, got, test.want)
		}
	}
	got, _ := blockText("<nav>menu</nav><p>text", false)
	if want := "menu\n\ntext"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMainText(t *testing.T) {
	sentence := "The tide comes in twice a day, and with it come crabs, shrimps and the odd small fish. "
	body := strings.Repeat("<p>"+strings.Repeat(sentence, 4)+"</p>\n", 6)
	page := "<html><head><title>Tides</title></head><body><ul class=menu><li><a href=/a>Home</a></li><li><a href=/b>Shop</a></li></ul>" +
		"<div id=sidebar class=sidebar><a href=/x>Subscribe now</a></div><article><h1>Tides</h1>" + body +
		"<pre>for {\n\twait()\n}</pre></article><div class=comments><a href=/y>Reply to this</a></div></body></html>"
	got, _ := mainText(page, nil)
	if !strings.HasPrefix(got, "Tides\n\nThe tide") && !strings.HasPrefix(got, "The tide") {
		t.Errorf("got text that begins %q, want the article", got[:min(60, len(got))])
	}
	if !strings.Contains(got, "for {\n\twait()\n}") {
		t.Errorf("got text without the code as it was written:\n%s", got)
	}
	for _, chrome := range []string{"Shop", "Subscribe", "Reply"} {
		if strings.Contains(got, chrome) {
			t.Errorf("got text with %q, want the article only", chrome)
		}
	}
}

// Pages without an article are taken whole.
func TestMainTextFallback(t *testing.T) {
	for _, test := range []struct{ name, page, want string }{
		{"little", "<body><p>Short.</p><p>Shorter.</p>", "Short.\n\nShorter."},
		{"only navigation", "<body><nav><a href=/>Home</a></nav>", "Home"},
		{"nested too deeply", strings.Repeat("<div>", 2000) + "deep", "deep"},
		{"nothing", "<body><script>x()</script>", ""},
		{"no markup", "just text", "just text"},
	} {
		text, _ := mainText(test.page, nil)
		if diff := cmp.Diff(test.want, strings.TrimSpace(text)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.name, diff)
		}
	}
}

// Pages that take minutes or the whole stack where nothing is done about it.
func TestMainTextHostile(t *testing.T) {
	paragraph := "<p>some text, here and there, with commas, and more of them to be scored well</p>"
	for name, page := range map[string]string{
		"nested":        strings.Repeat("<div>", 200_000) + "deep",
		"deep and long": strings.Repeat("<div>", 500) + strings.Repeat(paragraph, 5_000) + "deep",
		"formatting":    strings.Repeat("<a><b><i>x", 5_000) + "deep",
		"hidden":        strings.Repeat("<nav>", 100_000) + strings.Repeat("</aside>", 100_000) + "deep",
	} {
		if got, _ := mainText(page, nil); !strings.HasSuffix(got, "deep") {
			t.Errorf("%s: got text without its end", name)
		}
	}
}

func FuzzMainText(f *testing.F) {
	page, err := os.ReadFile("testdata/html/odd.html")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(page))
	f.Add("<title>x</title><table><a><table><td></a></table><select><option><template><frameset><svg><p>")
	f.Add("<script type='application/ld+json'>{\"@context\":\"https://schema.org\",\"@type\":[\"Article\"]}</script><p>x")
	f.Fuzz(func(t *testing.T, page string) {
		if len(page) > 64<<10 {
			return
		}
		text, headings := mainText(page, nil)
		headingMarks(text, headings)
		if utf8.ValidString(page) && !utf8.ValidString(text) {
			t.Errorf("got %q, want valid UTF-8", text)
		}
		if whole, _ := blockText(page, false); strings.TrimSpace(whole) != "" && strings.TrimSpace(text) == "" {
			t.Errorf("got no text, want %q", whole)
		}
		pageProperties(page)
	})
}
