package builtin

import (
	"cmp"
	"slices"
	"strings"
)

// A passage is what the proxy puts into a message as
//
//	<passage n="1" marker="3f9c2ab1" title="LLM agents">
//	text
//	</passage marker="3f9c2ab1">
//
// The marker is random and the same for all passages of a request: text that
// merely looks like a tag has another one.
type passage struct {
	n     int
	title string
	text  string
}

const (
	openTag  = "<passage"
	closeTag = "</passage"
	// maxTag bounds the search for a tag's end, and so the work on text full
	// of tags that never end.
	maxTag      = 4096
	maxPassages = 200
)

type span struct{ start, end int }

// tag is one <passage ...> or </passage ...>.
type tag struct {
	span
	closes bool
	attrs  map[string]string
}

// findPassages returns the passages of a text, in order, and where they stand.
// marker is the only one to accept; "" accepts the first that opens and closes,
// which is returned.
func findPassages(text, marker string) ([]passage, []span, string) {
	tags := findTags(text)
	closes := map[string][]tag{}
	for _, t := range tags {
		if t.closes {
			closes[t.attrs["marker"]] = append(closes[t.attrs["marker"]], t)
		}
	}
	var found []passage
	var spans []span
	at := 0
	for _, t := range tags {
		m := t.attrs["marker"]
		n, ok := number(t.attrs["n"])
		if t.closes || !ok || t.start < at || !isMarker(m) || marker != "" && m != marker {
			continue
		}
		end, ok := firstAfter(closes[m], t.end)
		if !ok || len(found) == maxPassages {
			continue
		}
		marker, at = m, end.end
		found = append(found, passage{n: n, title: t.attrs["title"], text: strings.Trim(text[t.end:end.start], "\r\n")})
		spans = append(spans, span{t.start, end.end})
	}
	return found, spans, marker
}

func firstAfter(tags []tag, pos int) (tag, bool) {
	i, _ := slices.BinarySearchFunc(tags, pos, func(t tag, p int) int { return cmp.Compare(t.start, p) })
	if i == len(tags) {
		return tag{}, false
	}
	return tags[i], true
}

func findTags(text string) []tag {
	var tags []tag
	for i := 0; i < len(text); {
		j := strings.IndexByte(text[i:], '<')
		if j < 0 {
			break
		}
		i += j
		t, ok := parseTag(text, i)
		if !ok {
			i++
			continue
		}
		tags = append(tags, t)
		i = t.end
	}
	return tags
}

// parseTag reads the tag that begins at start.
func parseTag(text string, start int) (tag, bool) {
	rest := text[start:min(len(text), start+maxTag)]
	t := tag{span: span{start: start}}
	switch {
	case strings.HasPrefix(rest, openTag):
		rest = rest[len(openTag):]
	case strings.HasPrefix(rest, closeTag):
		t.closes, rest = true, rest[len(closeTag):]
	default:
		return t, false
	}
	t.attrs = map[string]string{}
	for {
		trimmed := strings.TrimLeft(rest, " \t")
		if strings.HasPrefix(trimmed, ">") {
			window := min(len(text)-start, maxTag)
			t.end = start + window - len(trimmed) + 1
			return t, true
		}
		if trimmed == rest { // no space before the next name: "<passages"
			return t, false
		}
		name, after, ok := strings.Cut(trimmed, `="`)
		if !ok || strings.ContainsAny(name, "<> \t\r\n\"") {
			return t, false
		}
		value, after, ok := strings.Cut(after, `"`)
		if !ok || strings.ContainsAny(value, "\r\n") {
			return t, false
		}
		t.attrs[name], rest = value, after
	}
}

func isMarker(s string) bool {
	if len(s) < 8 {
		return false
	}
	return strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// number reads 1 to 9999.
func number(s string) (int, bool) {
	if s == "" || len(s) > 4 {
		return 0, false
	}
	n := 0
	for _, r := range s {
		if r < '0' || r > '9' {
			return 0, false
		}
		n = n*10 + int(r-'0')
	}
	return n, n > 0
}
