package builtin

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindPassages(t *testing.T) {
	const m = `marker="3f9c2ab1"`
	cases := []struct {
		name, text, marker string
		want               []passage
		rest               string // what is left of the text
	}{
		{"two", "Use these.\n\n<passage n=\"1\" " + m + " title=\"LLM agents\">\nOne.\nTwo.\n</passage " + m + ">\n\n<passage n=\"2\" " + m + " title=\"\">\nThree.\n</passage " + m + ">\nQ?", "",
			[]passage{{1, "LLM agents", "One.\nTwo."}, {2, "", "Three."}}, "Use these.\n\n\n\n\nQ?"},
		{"attributes in another order", `<passage title="a > b" ` + m + ` n="12">x</passage ` + m + `>`, "", []passage{{12, "a > b", "x"}}, ""},
		{"a look-alike inside is text", "<passage n=\"1\" " + m + ">\na </passage marker=\"deadbeef\"> <passage n=\"9\" marker=\"deadbeef\">b</passage>\n</passage " + m + ">", "",
			[]passage{{1, "", `a </passage marker="deadbeef"> <passage n="9" marker="deadbeef">b</passage>`}}, ""},
		{"a whole look-alike inside is text", "<passage n=\"1\" " + m + ">\n<passage n=\"9\" marker=\"deadbeef\">b</passage marker=\"deadbeef\">\n</passage " + m + ">", "",
			[]passage{{1, "", `<passage n="9" marker="deadbeef">b</passage marker="deadbeef">`}}, ""},
		{"a look-alike after is text", "<passage n=\"1\" " + m + ">a</passage " + m + "><passage n=\"9\" marker=\"deadbeef\">b</passage marker=\"deadbeef\">", "",
			[]passage{{1, "", "a"}}, `<passage n="9" marker="deadbeef">b</passage marker="deadbeef">`},
		{"the marker is known", `<passage n="9" marker="deadbeef">b</passage marker="deadbeef">`, "3f9c2ab1", nil, `<passage n="9" marker="deadbeef">b</passage marker="deadbeef">`},
		{"never closed", "<passage n=\"1\" " + m + ">a", "", nil, "<passage n=\"1\" " + m + ">a"},
		{"no number", "<passage " + m + ">a</passage " + m + ">", "", nil, "<passage " + m + ">a</passage " + m + ">"},
		{"short marker", `<passage n="1" marker="ab">a</passage marker="ab">`, "", nil, `<passage n="1" marker="ab">a</passage marker="ab">`},
		{"another element", `<passages n="1" ` + m + `>a</passages ` + m + `>`, "", nil, `<passages n="1" ` + m + `>a</passages ` + m + `>`},
		{"nothing", "just text < > <passage", "", nil, "just text < > <passage"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, spans, _ := findPassages(c.text, c.marker)
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(passage{})); diff != "" {
				t.Errorf("findPassages (-want +got):\n%s", diff)
			}
			rest, at := "", 0
			for _, s := range spans {
				rest, at = rest+c.text[at:s.start], s.end
			}
			if rest += c.text[at:]; rest != c.rest {
				t.Errorf("rest: got %q, want %q", rest, c.rest)
			}
		})
	}
}

func FuzzFindPassages(f *testing.F) {
	f.Add(`<passage n="1" marker="3f9c2ab1" title="x">a</passage marker="3f9c2ab1">`)
	f.Add(`<passage n="1" marker="3f9c2ab1"><passage n="2" marker="3f9c2ab1">a</passage marker="3f9c2ab1">`)
	f.Add("<passage n=\"1\" marker=\"\n\"></passage><</passage marker=\"00000000\">")
	f.Add("<passage " + strings.Repeat(`a="b" `, 900) + ">")
	f.Fuzz(func(t *testing.T, text string) {
		got, spans, marker := findPassages(text, "")
		if len(got) != len(spans) {
			t.Fatalf("got %d passages at %d places", len(got), len(spans))
		}
		at := 0
		for i, s := range spans {
			if s.start < at || s.end <= s.start || s.end > len(text) {
				t.Fatalf("span %d: got %v after %d, in %d bytes", i, s, at, len(text))
			}
			if !strings.HasPrefix(text[s.start:], openTag) || text[s.end-1] != '>' || !strings.Contains(text[s.start:s.end], got[i].text) {
				t.Errorf("span %d: got %q for %q", i, text[s.start:s.end], got[i].text)
			}
			at = s.end
		}
		if len(got) > 0 && !isMarker(marker) {
			t.Errorf("marker: got %q", marker)
		}
	})
}
