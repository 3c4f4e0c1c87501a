package retrieval

import (
	"regexp"
	"strings"
)

// maxContext bounds what is looked at before a link, in bytes.
const maxContext = 1024

// fetched says whether a client that renders text would load a link of it
// without being asked: an image in Markdown, a tag that loads, a style. images
// are the names of the references that text shows as images.
func fetched(text string, l link, images func() map[string]bool) bool {
	before := text[max(0, l.at-maxContext):l.at]
	if at := strings.LastIndexAny(before, "<>"); at >= 0 && at < len(before)-1 && before[at] == '<' {
		return loads(before[at+1:])
	}
	if strings.HasSuffix(strings.ToLower(strings.TrimRight(before, " \"'")), "url(") {
		return true
	}
	before = strings.TrimRight(strings.TrimSuffix(strings.TrimRight(before, " \n"), "<"), " \n")
	switch {
	case strings.HasSuffix(before, "]("):
		return opensImage(before[:len(before)-2])
	case strings.HasSuffix(before, "]:"):
		name := before[strings.LastIndexByte(before, '[')+1 : len(before)-2]
		return images()[label(name)]
	}
	return false
}

// loads says whether an open tag is one whose addresses are loaded at once.
func loads(tag string) bool {
	name, attributes, _ := strings.Cut(strings.ToLower(tag), " ")
	name, _, _ = strings.Cut(name, "/") // <img/src=...>
	switch name {
	case "img", "image", "picture", "source", "video", "audio", "track", "input", "iframe", "frame", "embed", "object", "link", "script", "use", "body", "table", "td":
		return true
	}
	return strings.Contains(attributes, "url(")
}

// opensImage says whether the bracket that a text's end is in was opened by
// "![".
func opensImage(before string) bool {
	depth := 0
	for i := len(before) - 1; i >= 0; i-- {
		switch before[i] {
		case ']':
			depth++
		case '[':
			if depth == 0 {
				return i > 0 && before[i-1] == '!'
			}
			depth--
		}
	}
	return false
}

// imageRef is an image by reference: ![text][name], ![name][], ![name].
var imageRef = regexp.MustCompile(`!\[([^\[\]]*)\](?:\[([^\[\]]*)\])?`)

// imageRefs are the names by which text shows images.
func imageRefs(text string) map[string]bool {
	names := map[string]bool{}
	for _, m := range imageRef.FindAllStringSubmatch(text, -1) {
		name := m[2]
		if name == "" {
			name = m[1]
		}
		names[label(name)] = true
	}
	return names
}

// label folds a reference's name as Markdown does.
func label(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }
