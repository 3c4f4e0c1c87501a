package load

import (
	"regexp"
	"strconv"
	"strings"
)

// maxFrontMatter is how many entries of a front matter become metadata.
const maxFrontMatter = 100

// frontMatterEntry is a line that a YAML or TOML mapping may begin with.
var frontMatterEntry = regexp.MustCompile(`^["']?[\w.-]+["']?\s*[:=](\s|$)|^\[`)

// cutFrontMatter takes YAML between --- lines or TOML between +++ lines off
// the head of a Markdown source. What is no mapping (a text between two
// rules) stays. The mapping is read a line at a time and not by a parser:
// a title with a bare colon in it is common, and no YAML. meta has its entries
// with a text, number or truth value, or a list of texts, by their names in
// lower case; what is nested deeper is left out.
func cutFrontMatter(source string) (meta map[string]any, rest string) {
	first, body, _ := strings.Cut(source, "\n")
	fence := strings.TrimRight(first, " \t\r")
	if fence != "---" && fence != "+++" {
		return nil, source
	}
	f := frontMatter{meta: map[string]any{}}
	for mapping := false; len(body) > 0; {
		line, after, _ := strings.Cut(body, "\n")
		body = after
		line = strings.TrimRight(line, " \t\r")
		switch {
		case line == fence, fence == "---" && line == "...":
			if !mapping {
				return nil, source
			}
			return f.meta, body
		case line == "", strings.HasPrefix(line, "#"):
		case !mapping && !frontMatterEntry.MatchString(line):
			return nil, source
		default:
			mapping = true
			f.line(line)
		}
	}
	return nil, source // no closing fence
}

// frontMatter reads the lines of a mapping.
type frontMatter struct {
	meta  map[string]any
	list  string // the key of the list whose items follow
	table bool   // in a TOML table: its entries are nested
}

func (f *frontMatter) line(line string) {
	bare := strings.TrimSpace(line)
	if item, ok := strings.CutPrefix(bare, "- "); ok {
		if items, ok := f.meta[f.list].([]any); ok || f.list != "" && f.meta[f.list] == nil {
			if text := unquoted(item); text != "" && len(items) < maxFrontMatter {
				f.meta[f.list] = append(items, text)
			}
		}
		return
	}
	if strings.HasPrefix(line, "[") {
		f.table = true
	}
	i := strings.IndexAny(line, ":=")
	if i < 0 || line != strings.TrimLeft(line, " \t") || f.table {
		return
	}
	key := strings.ToLower(strings.Trim(strings.TrimSpace(line[:i]), `"'`))
	f.list = ""
	value := strings.TrimSpace(line[i+1:])
	if _, again := f.meta[key]; key == "" || again || len(f.meta) >= maxFrontMatter {
		return
	}
	switch {
	case value == "":
		f.list = key
	case strings.HasPrefix(value, "["):
		if items := inlineList(value); items != nil {
			f.meta[key] = items
		}
	case strings.IndexByte(">|{&*!", value[0]) >= 0: // a text in the lines below, or nested: rare
	default:
		if v := scalar(key, value); v != "" {
			f.meta[key] = v
		}
	}
}

// scalar is a number or a truth value if it looks like one, else a text, as a
// title is in any case.
func scalar(key, value string) any {
	text := unquoted(value)
	if key == "title" || strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'") {
		return text
	}
	switch text {
	case "true":
		return true
	case "false":
		return false
	case "null", "~":
		return ""
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && strings.Trim(text, "0123456789.-") == "" {
		return n
	}
	return text
}

// inlineList is the texts of "[a, b]"; nil if there are none.
func inlineList(value string) []any {
	value, _, _ = strings.Cut(strings.TrimPrefix(value, "["), "]")
	var items []any
	for item := range strings.SplitSeq(value, ",") {
		if text := unquoted(strings.TrimSpace(item)); text != "" && len(items) < maxFrontMatter {
			items = append(items, text)
		}
	}
	return items
}

// unquoted is the text of a YAML or TOML value on one line.
func unquoted(value string) string {
	if strings.HasPrefix(value, `"`) {
		if quoted, err := strconv.QuotedPrefix(value); err == nil {
			if text, err := strconv.Unquote(quoted); err == nil {
				return collapse(clean(text))
			}
		}
	}
	if rest, ok := strings.CutPrefix(value, "'"); ok {
		if end := strings.LastIndexByte(rest, '\''); end >= 0 {
			return collapse(strings.ReplaceAll(rest[:end], "''", "'"))
		}
	}
	value, _, _ = strings.Cut(value, " #")
	return collapse(value)
}
