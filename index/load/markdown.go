package load

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/ragproxy/ragproxy/index"
)

// loadMarkdown takes the Markdown source less its front matter. The title is
// that of the front matter, the first heading, or the file's name.
func loadMarkdown(in input, opts Options) (index.Document, error) {
	source, err := readText(in, opts)
	if err != nil {
		return index.Document{}, err
	}
	title, text := cutFrontMatter(source)
	if title == "" {
		title = firstHeading(text)
	}
	if title == "" {
		title = in.name
	}
	return index.Document{ID: in.id, URL: in.url, Title: title, Text: text}, nil
}

// frontMatterEntry is a line that a YAML or TOML mapping may begin with.
var frontMatterEntry = regexp.MustCompile(`^["']?[\w.-]+["']?\s*[:=](\s|$)|^\[`)

// cutFrontMatter takes YAML between --- lines or TOML between +++ lines off
// the head of a Markdown source. What is no mapping (a text between two
// rules) stays. The mapping is read a line at a time and not by a parser:
// a title with a bare colon in it is common, and no YAML.
func cutFrontMatter(source string) (title, rest string) {
	first, body, _ := strings.Cut(source, "\n")
	fence := strings.TrimRight(first, " \t\r")
	if fence != "---" && fence != "+++" {
		return "", source
	}
	mapping := false
	for len(body) > 0 {
		line, after, _ := strings.Cut(body, "\n")
		body = after
		line = strings.TrimRight(line, " \t\r")
		switch {
		case line == fence, fence == "---" && line == "...":
			if !mapping {
				return "", source
			}
			return title, body
		case line == "", strings.HasPrefix(line, "#"):
		case !mapping && !frontMatterEntry.MatchString(line):
			return "", source
		default:
			mapping = true
			if value, ok := titleEntry(line); ok && title == "" {
				title = value
			}
		}
	}
	return "", source // no closing fence
}

// titleEntry is the value of a `title: value` or `title = "value"` line.
func titleEntry(line string) (string, bool) {
	i := strings.IndexAny(line, ":=")
	if i < 0 || !strings.EqualFold(strings.Trim(strings.TrimSpace(line[:i]), `"'`), "title") || line[0] == ' ' {
		return "", false
	}
	value := strings.TrimSpace(line[i+1:])
	if strings.HasPrefix(value, `"`) {
		if quoted, err := strconv.QuotedPrefix(value); err == nil {
			value, err = strconv.Unquote(quoted)
			return collapse(value), err == nil
		}
	}
	if rest, ok := strings.CutPrefix(value, "'"); ok {
		if end := strings.LastIndexByte(rest, '\''); end >= 0 {
			return collapse(strings.ReplaceAll(rest[:end], "''", "'")), true
		}
	}
	value, _, _ = strings.Cut(value, " #")
	switch strings.TrimSpace(value) {
	case ">", ">-", "|", "|-": // the value follows in indented lines: rare
		return "", false
	}
	return collapse(value), true
}

// atxHeading is "# text" with up to three spaces before and any # behind.
var atxHeading = regexp.MustCompile(`^ {0,3}#{1,6}[ \t]+(.*?)[ \t]*(?:[ \t]#+)?[ \t]*$`)

// firstHeading is the text of the first heading outside of fenced code.
func firstHeading(text string) string {
	fence, previous := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		bare := strings.TrimLeft(line, " ")
		switch {
		case fence != "":
			if strings.HasPrefix(bare, fence) {
				fence = ""
			}
			continue
		case strings.HasPrefix(bare, "```"), strings.HasPrefix(bare, "~~~"):
			fence = bare[:3]
			continue
		}
		if m := atxHeading.FindStringSubmatch(line); m != nil && m[1] != "" {
			return collapse(m[1])
		}
		if previous != "" && bare != "" && strings.Trim(bare, "=") == "" {
			return previous
		}
		previous = collapse(line)
	}
	return ""
}

// collapse makes every run of white space one space and drops it at the ends.
func collapse(s string) string { return strings.Join(strings.Fields(s), " ") }
