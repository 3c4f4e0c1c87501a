package load

import (
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// declarations are the last word on each property, in lower case.
type declarations map[string]declared

type declared struct {
	value     string
	important bool
	order     int
}

func (d declarations) set(property, value string, important bool) {
	if old := d[property]; old.important && !important {
		return
	}
	d[property] = declared{strings.ToLower(strings.TrimSpace(value)), important, len(d) + 1}
}

// read adds the declarations of a style attribute or of a rule.
func (d declarations) read(style string) {
	if style == "" {
		return
	}
	for one := range splitOutside(plainCSS(style), ';') {
		property, value, ok := strings.Cut(one, ":")
		if !ok {
			continue
		}
		value, important := strings.TrimSpace(value), false
		if i := strings.LastIndexByte(value, '!'); i >= 0 && strings.EqualFold(strings.TrimSpace(value[i+1:]), "important") {
			value, important = value[:i], true
		}
		d.set(strings.ToLower(strings.TrimSpace(property)), value, important)
	}
}

// plainCSS is CSS less its comments, with its escapes resolved: d\69splay.
func plainCSS(s string) string {
	for {
		before, rest, ok := strings.Cut(s, "/*")
		if !ok {
			break
		}
		_, after, closed := strings.Cut(rest, "*/")
		if s = before; closed {
			s += " " + after
		}
	}
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		n := 0
		for n < 6 && i+1+n < len(s) && strings.IndexByte("0123456789abcdefABCDEF", s[i+1+n]) >= 0 {
			n++
		}
		if n == 0 {
			continue // the character itself follows
		}
		code, _ := strconv.ParseUint(s[i+1:i+1+n], 16, 32)
		b.WriteRune(min(rune(code), utf8.MaxRune))
		if i += n; i+1 < len(s) && s[i+1] == ' ' {
			i++
		}
	}
	return b.String()
}

// splitOutside splits at a byte that stands in no brackets or quotes.
func splitOutside(s string, at byte) func(func(string) bool) {
	return func(yield func(string) bool) {
		depth, quote, from := 0, byte(0), 0
		for i := range len(s) {
			switch c := s[i]; {
			case quote != 0:
				if c == quote {
					quote = 0
				}
			case c == '"' || c == '\'':
				quote = c
			case c == '(':
				depth++
			case c == ')':
				depth = max(0, depth-1)
			case c == at && depth == 0:
				if !yield(s[from:i]) {
					return
				}
				from = i + 1
			}
		}
		yield(s[from:])
	}
}

func (d declarations) merge(other declarations) {
	for property, v := range other {
		d.set(property, v.value, v.important)
	}
}

// rules are what a page's own <style> elements hide by a class or an id alone.
type rules struct{ class, id map[string]declarations }

func (r rules) any() bool { return len(r.class)+len(r.id) > 0 }

// of are the declarations for an element.
func (r rules) of(e element) []declarations {
	var all []declarations
	if len(r.class) > 0 && e.class != "" {
		for name := range strings.FieldsSeq(e.class) {
			if d := r.class[name]; d != nil {
				all = append(all, d)
			}
		}
	}
	if d := r.id[e.id]; d != nil {
		all = append(all, d)
	}
	return all
}

// maxRules bounds the CSS of a page that is read, and maxRule what is read of one
// rule, in bytes.
const (
	maxRules = 1 << 20
	maxRule  = 2048
)

// pageRules reads the <style> elements of a page. A rule counts where it
// hides, its selector is one class or one id, with or without a tag, and no other
// rule that may show it has that name: many pages hide parts by a class and show
// them by another rule, at a click or on a small screen.
func pageRules(page string) rules {
	r := rules{map[string]declarations{}, map[string]declarations{}}
	shown := map[string]bool{} // by some other rule
	left := maxRules
	for rest := page; left > 0; {
		css, after, ok := nextStyle(rest)
		if !ok {
			break
		}
		css = css[:min(len(css), left)]
		left -= len(css)
		r.read(plainCSS(css), shown)
		rest = after
	}
	for _, of := range []struct {
		mark  string
		rules map[string]declarations
	}{{".", r.class}, {"#", r.id}} {
		for name := range of.rules {
			if shown[of.mark+name] || forScreenReaders(name) {
				delete(of.rules, name)
			}
		}
	}
	return r
}

// nextStyle cuts the content of the next <style> element; nothing of one for
// print, or for browsers without scripts.
func nextStyle(page string) (css, after string, ok bool) {
	i := indexFold(page, "<style")
	if i < 0 {
		return "", "", false
	}
	tag, rest, ok := strings.Cut(page[i:], ">")
	if !ok {
		return "", "", false
	}
	end := indexFold(rest, "</style")
	if end < 0 {
		end = len(rest)
	}
	tag = strings.ToLower(tag)
	before := strings.ToLower(page[max(0, i-1000):i])
	if strings.Contains(tag, "media") && !strings.Contains(tag, "screen") && !strings.Contains(tag, "all") ||
		strings.LastIndex(before, "<noscript") > strings.LastIndex(before, "</noscript") {
		return "", rest[end:], true
	}
	return rest[:end], rest[end:], true
}

// indexFold is strings.Index for a tag's beginning in either case.
func indexFold(s, tag string) int {
	for at := 0; ; {
		i := strings.IndexByte(s[at:], '<')
		if i < 0 {
			return -1
		}
		at += i
		if len(s)-at >= len(tag) && strings.EqualFold(s[at:at+len(tag)], tag) {
			return at
		}
		at++
	}
}

// read takes the rules of a style sheet. Those inside of @media and the like
// only count as other rules for a name.
func (r rules) read(css string, shown map[string]bool) {
	inner := 0 // open @ blocks
	for css != "" {
		i := strings.IndexAny(css, "{};")
		if i < 0 {
			return
		}
		head, c := strings.TrimSpace(css[:i]), css[i]
		css = css[i+1:]
		switch {
		case c == '}':
			inner = max(0, inner-1)
			continue
		case c == ';':
			continue
		case strings.HasPrefix(head, "@"):
			inner++
			continue
		}
		body, after, _ := strings.Cut(css, "}")
		css = after
		d := declarations{}
		d.read(body[:min(len(body), maxRule)])
		l := look{}.of(d, false)
		hides, shows := l.hides(), d.mayShow()
		for selector := range splitOutside(head, ',') {
			names := selectorNames(selector)
			simple := len(names) == 1 && strings.TrimLeft(strings.TrimSpace(selector), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == names[0]
			switch {
			case hides && simple && inner == 0:
				r.add(names[0], d)
			case shows && !hides:
				for _, name := range names {
					shown[name] = true
				}
			}
		}
	}
}

func (r rules) add(name string, d declarations) {
	if name[0] == '.' {
		r.class[name[1:]] = d
	} else {
		r.id[name[1:]] = d
	}
}

// mayShow says whether declarations may show what others hide.
func (d declarations) mayShow() bool {
	for property := range d {
		switch property {
		case "display", "visibility", "content-visibility", "opacity", "filter", "clip", "clip-path", "transform", "position", "left", "top", "right", "bottom",
			"text-indent", "margin-left", "margin-top", "margin", "width", "height", "max-width", "max-height", "overflow", "font-size", "font",
			"color", "background", "background-color", "background-image", "all", "inset":
			return true
		}
	}
	return false
}

// selectorNames are the classes and ids of a selector, with . and #.
func selectorNames(selector string) []string {
	var names []string
	for i := 0; i < len(selector); i++ {
		if selector[i] != '.' && selector[i] != '#' {
			continue
		}
		end := i + 1
		for end < len(selector) && (selector[end] >= utf8.RuneSelf || strings.IndexByte(" >+~:.#[]()*,\t\n\r\"'=", selector[end]) < 0) {
			end++
		}
		if end > i+1 {
			names = append(names, html.UnescapeString(selector[i:end]))
		}
		i = end - 1
	}
	return names
}

// forScreenReaders: the usual names of what is there to be heard.
func forScreenReaders(class string) bool {
	return slices.Contains([]string{
		"sr-only", "sr_only", "sronly", "visually-hidden", "visuallyhidden", "visually_hidden", "screen-reader-text", "screenreader", "screen-reader",
		"screen-reader-only", "show-for-sr", "a11y-hidden", "assistive-text", "offscreen", "usa-sr-only", "cdk-visually-hidden",
	}, strings.ToLower(class))
}
