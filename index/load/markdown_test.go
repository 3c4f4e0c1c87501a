package load

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestLoadMarkdown(t *testing.T) {
	for _, test := range []struct{ name, source, title, text string }{
		{"yaml", "---\ntitle: A: B # c\ndate: 2024-01-01\ntags:\n  - x\n---\n# H\ntext\n", "A: B", "# H\ntext\n"},
		{"yaml, quoted", "---\r\nlayout: post\r\ntitle: \"A \\\"B\\\" #1\"\r\n---\r\ntext", "A \"B\" #1", "text"},
		{"yaml, single quotes", "---\n# c\n'title': 'It''s'\n...\ntext", "It's", "text"},
		{"yaml, a block as title", "---\ntitle: >-\n  folded\n---\n# H\n", "H", "# H\n"},
		{"yaml, title below", "---\nog:\n  title: no\n---\nSetext\n======\n", "Setext", "Setext\n======\n"},
		{"toml", "+++\ntitle = \"T\"\n[extra]\na = 1\n+++\n\ntext", "T", "\ntext"},
		{"empty title", "---\ntitle:\n---\ntext", "x.md", "text"},
		{"two rules", "---\nno mapping, so a text\n---\ntext", "x.md", "---\nno mapping, so a text\n---\ntext"},
		{"a heading between two rules", "---\n# H\n---\ntext", "H", "---\n# H\n---\ntext"},
		{"no end", "---\ntitle: T\ntext", "x.md", "---\ntitle: T\ntext"},
		{"not at the head", "\n---\ntitle: T\n---\n", "x.md", "\n---\ntitle: T\n---\n"},
		{"heading", "text\n\n##  The   heading ##\nmore", "The heading", "text\n\n##  The   heading ##\nmore"},
		{"heading in code", "```sh\n# no\n```\n~~~\n# no\n```\n~~~\n# Yes", "Yes", "```sh\n# no\n```\n~~~\n# no\n```\n~~~\n# Yes"},
		{"no heading", "#tag\n    # code\ntext", "x.md", "#tag\n    # code\ntext"},
		{"byte order mark", "\ufeff# H\n", "H", "# H\n"},
	} {
		doc, err := loadMarkdown(t.Context(), input{id: "i", name: "x.md", body: strings.NewReader(test.source)}, Options{}.withDefaults())
		if err != nil {
			t.Errorf("%s: got error %v", test.name, err)
		}
		if doc.Title != test.title {
			t.Errorf("%s: got title %q, want %q", test.name, doc.Title, test.title)
		}
		if doc.Text != test.text {
			t.Errorf("%s: got text %q, want %q", test.name, doc.Text, test.text)
		}
	}
}

func FuzzFrontMatter(f *testing.F) {
	f.Add("---\ntitle: \"a\n---\n")
	f.Add("+++\r\ntitle='\r\n[a]\n+++")
	f.Add("---\n...\n=\n===\n```\n# \n")
	f.Fuzz(func(t *testing.T, source string) {
		meta, rest := cutFrontMatter(source)
		if !strings.HasSuffix(source, rest) {
			t.Errorf("got %q, want an end of %q", rest, source)
		}
		if rest == source && len(meta) > 0 {
			t.Errorf("got %v without front matter", meta)
		}
		if title, _ := meta["title"].(string); strings.ContainsAny(title, "\r\n") {
			t.Errorf("got title %q, want one line", title)
		}
		if _, err := json.Marshal(meta); err != nil {
			t.Errorf("got %v, want what JSON can say: %v", meta, err)
		}
		for _, h := range markdownHeadings(rest) {
			if title := rest[h.start:h.end]; title == "" || strings.Contains(title, "\n") {
				t.Errorf("got heading %q, want one line", title)
			}
		}
	})
}
