package load

import (
	"path"
	"regexp"
	"strings"
)

// ignores are the .gitignore files that bear on a walk, those of outer
// folders first.
type ignores []ignoreFile

// ignoreFile is the rules of one .gitignore file.
type ignoreFile struct {
	folder string // the folder it is in, relative to the walk; "" for its root
	below  string // for a file above the walk's root: the path from there to the root
	rules  []ignoreRule
}

// ignoreRule is one pattern, see gitignore(5). Patterns become regular
// expressions because Go's are linear in the name, whatever the pattern.
type ignoreRule struct {
	name       *regexp.Regexp
	include    bool // !pattern
	folderOnly bool // pattern/
	anywhere   bool // a pattern without a slash: matches the last element
}

// match says whether a file or folder is excluded. Its folder is not: the
// walk does not enter an excluded one.
func (all ignores) match(name string, isFolder bool) bool {
	for i := len(all) - 1; i >= 0; i-- {
		relative := path.Join(all[i].below, name)
		if all[i].folder != "" {
			var ok bool
			if relative, ok = strings.CutPrefix(name, all[i].folder+"/"); !ok {
				continue
			}
		}
		whole, last := byteString(relative), byteString(path.Base(name))
		for j := len(all[i].rules) - 1; j >= 0; j-- {
			r := all[i].rules[j]
			subject := whole
			if r.anywhere {
				subject = last
			}
			if (isFolder || !r.folderOnly) && r.name.MatchString(subject) {
				return !r.include
			}
		}
	}
	return false
}

func parseIgnore(text, folder, below string) ignoreFile {
	f := ignoreFile{folder: folder, below: below}
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		if r, ok := parseIgnoreRule(line); ok {
			f.rules = append(f.rules, r)
		}
	}
	return f
}

// parseIgnoreRule reads one line; a comment, and a pattern that git takes for
// broken, is none.
func parseIgnoreRule(line string) (ignoreRule, bool) {
	pattern := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if strings.HasPrefix(pattern, "#") {
		return ignoreRule{}, false
	}
	pattern = trimSpaces(pattern)
	var r ignoreRule
	pattern, r.include = strings.CutPrefix(pattern, "!")
	pattern, r.folderOnly = strings.CutSuffix(pattern, "/")
	r.anywhere = !strings.Contains(pattern, "/")
	pattern = strings.TrimPrefix(pattern, "/")
	if pattern == "" {
		return r, false
	}
	expression, ok := globExpression(byteString(pattern))
	if !ok {
		return r, false
	}
	name, err := regexp.Compile(`(?s)^` + expression + `$`)
	r.name = name
	return r, err == nil
}

// byteString makes every byte a character, as git has it: "?" is one byte.
func byteString(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// trimSpaces drops the spaces at the end that no backslash escapes.
func trimSpaces(s string) string {
	end := 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			end = i + 1
		case s[i] != ' ':
			end = i + 1
		}
	}
	return s[:end]
}

// globExpression makes a regular expression of a pattern.
func globExpression(pattern string) (string, bool) {
	var e strings.Builder
	for i := 0; i < len(pattern); {
		switch c := pattern[i]; c {
		case '*':
			stars := len(pattern[i:]) - len(strings.TrimLeft(pattern[i:], "*"))
			begins, after := i == 0 || pattern[i-1] == '/', i+stars
			i = after
			switch {
			case stars > 1 && begins && after == len(pattern):
				e.WriteString(".*")
			case stars > 1 && begins && pattern[after] == '/':
				e.WriteString("(?:.*/)?")
				i++
			default:
				e.WriteString("[^/]*")
			}
		case '?':
			e.WriteString("[^/]")
			i++
		case '[':
			class, n := globClass(pattern[i:])
			if n == 0 {
				return "", false
			}
			e.WriteString(class)
			i += n
		case '\\':
			if i+1 == len(pattern) {
				return "", false
			}
			i++
			fallthrough
		default:
			n := 1
			for i+n < len(pattern) && strings.IndexByte(`*?[\`, pattern[i+n]) < 0 {
				n++
			}
			e.WriteString(regexp.QuoteMeta(pattern[i : i+n]))
			i += n
		}
	}
	return e.String(), true
}
