package retrieval

import (
	"html"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// link is one that stands in a text, in any of the ways in which a client
// would make it one: Markdown, HTML, or bare with a scheme or www.
type link struct {
	raw   string // as it stands there
	plain string // without character references and Markdown's backslashes
	host  string // lower case, ASCII; "javascript:" and the like for those without
	at    int    // where raw begins
}

// eachLink calls found with each link of text until it returns false. bare takes
// example.org/page for a link, too. It takes linear time.
func eachLink(text string, bare bool, found func(link) bool) {
	r := run{text: text}
	for more := true; more && r.next(); {
		if r.telling || r.dotted {
			more = r.links(bare, found)
		}
	}
}

// run is a piece of text that no link goes beyond.
type run struct {
	text     string
	from, to int
	telling  bool // holds a character that nearly every link has
	dotted   bool // holds a dot
}

// next finds the next run; false at the end. Brackets are part of a link where
// they stand in pairs, as in wiki addresses and IPv6.
func (r *run) next() bool {
	r.telling, r.dotted = false, false
	i, depth := r.to, 0
	for i < len(r.text) && kinds[r.text[i]] >= opening {
		i++
	}
	for r.from = i; i < len(r.text); i++ {
		switch c := r.text[i]; kinds[c] {
		case inRun:
		case dot:
			r.dotted = true
		case telling:
			r.telling = true
		case opening:
			if !r.opens(c, i) {
				r.to = i
				return true
			}
			depth++
		case closes:
			if depth--; depth < 0 {
				r.to = i
				return true
			}
		case ending:
			r.to = i
			return true
		}
	}
	r.to = i
	return r.from < i
}

// opens says whether a bracket can be part of a link that it stands in.
func (r *run) opens(c byte, at int) bool {
	if c == '[' {
		return strings.HasSuffix(r.text[r.from:at], "//")
	}
	return r.telling && strings.Contains(r.text[r.from:at], "//")
}

// Kinds of bytes.
const (
	inRun uint8 = iota
	dot
	telling
	opening // may end a link
	closes
	ending // ends it
)

// kinds is read only.
var kinds = func() (k [256]uint8) {
	for c := range ' ' + 1 {
		k[c] = ending
	}
	for class, bytes := range map[uint8]string{dot: ".", telling: `:/&\`, opening: "([", closes: ")]", ending: "<>\"'`{}^|\x7F"} {
		for _, c := range []byte(bytes) {
			k[c] = class
		}
	}
	return k
}()

// target says whether the run is what Markdown or HTML takes for an address,
// whatever it holds: [text](//example.org).
func (r *run) target() bool {
	before := r.text[max(0, r.from-4):r.from]
	if before == "" {
		return false
	}
	if strings.IndexByte("(\"'<", before[len(before)-1]) >= 0 {
		return true
	}
	before = strings.TrimRight(before, " \t\n")
	return strings.HasSuffix(before, "](") || strings.HasSuffix(before, "]:")
}

// links finds the links in a run and says whether to go on. There may be several,
// with punctuation of other scripts between them.
func (r *run) links(bare bool, found func(link) bool) (more bool) {
	s := r.text[r.from:r.to]
	if !bare && !strings.ContainsAny(s, ":&\\") && !strings.Contains(s, "//") && !hasWWW(s) {
		return true
	}
	plain, target := unescape(s), r.target()
	for plain != "" {
		piece := plain
		if !target {
			piece = sentence(plain)
		}
		plain = strings.TrimLeftFunc(plain[len(piece):], stops)
		start := linkStart(piece, target)
		if start < 0 && !bare {
			continue
		}
		l := strings.TrimRight(piece[max(start, 0):], ".,;:!?*_~")
		host := hostOf(l)
		if host == "" || start < 0 && strings.IndexByte(host, '.') <= 0 {
			continue
		}
		raw := l
		if !strings.Contains(s, l) {
			raw = s // which part of it cannot be told
		}
		if !found(link{raw, l, host, r.from + max(0, strings.Index(s, raw))}) {
			return false
		}
	}
	return true
}

// sentence is s up to where a bare link ends in other scripts.
func sentence(s string) string {
	if i := strings.IndexFunc(s, stops); i > 0 {
		return s[:i]
	} else if i == 0 {
		return ""
	}
	return s
}

func stops(r rune) bool {
	return r >= utf8.RuneSelf && (unicode.IsSpace(r) || unicode.In(r, unicode.Po, unicode.Ps, unicode.Pe, unicode.Pi, unicode.Pf))
}

// unescape is what a renderer makes of a link's target.
func unescape(s string) string {
	if strings.Contains(s, `\`) {
		var b strings.Builder
		for i := 0; i < len(s); i++ {
			if s[i] == '\\' && i+1 < len(s) && strings.IndexByte("!#$%&'()*+,-./:;=?@[\\]^_~", s[i+1]) >= 0 {
				i++
			}
			b.WriteByte(s[i])
		}
		s = b.String()
	}
	if strings.Contains(s, "&#") || strings.Contains(s, ";") && strings.Contains(s, "&") {
		s = html.UnescapeString(s)
	}
	return strings.ReplaceAll(s, `\`, "/") // as browsers do
}

// linkStart is where a scheme, www. or, in a target, // begins; -1 if nowhere.
func linkStart(s string, target bool) int {
	for i := range len(s) {
		if s[i] != ':' {
			continue
		}
		start := i
		for start > 0 && schemeByte(s[start-1]) {
			start--
		}
		if start < i && (strings.HasPrefix(s[i+1:], "//") && len(s) > i+3 || loose(s[start:i], s[i+1:])) {
			return start
		}
	}
	if hasWWW(s) {
		www := strings.TrimLeftFunc(s, func(r rune) bool { return !letterOrDigit(r) })
		if len(www) > 4 && strings.EqualFold(www[:4], "www.") {
			return len(s) - len(www)
		}
	}
	if target && strings.HasPrefix(s, "//") {
		return 0
	}
	if i := strings.Index(s, "=//"); i >= 0 { // <img src=//host/x>
		return i + 1
	}
	return -1
}

func hasWWW(s string) bool {
	return strings.Contains(s, "www.") || strings.Contains(s, "WWW.") || strings.Contains(s, "Www.")
}

// loose says whether a browser reads what follows a scheme without // behind
// it as a link, too.
func loose(scheme, rest string) bool {
	switch strings.ToLower(scheme) {
	case "http", "https":
		return strings.HasPrefix(rest, "/") && len(rest) > 1 || strings.Contains(rest, ".")
	case "mailto":
		return strings.Contains(rest, "@")
	case "javascript", "vbscript":
		return rest != ""
	case "data":
		return strings.Contains(rest, ",")
	}
	return false
}

func schemeByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '+' || c == '-'
}

// hostOf is the host that a browser would ask, in lower case and ASCII, without
// port; the scheme with its colon where a link has no host; "" for what is no
// link.
func hostOf(link string) string {
	rest := link
	if scheme, after, ok := strings.Cut(rest, ":"); ok && !strings.ContainsAny(scheme, "/.?#[@") {
		switch scheme = strings.ToLower(scheme); scheme {
		case "javascript", "vbscript", "data":
			return scheme + ":"
		case "mailto":
			_, after, _ = strings.Cut(after, "@")
		}
		rest = after
	}
	rest = strings.TrimLeft(rest, "/")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if len(rest) > maxURL {
		rest = rest[len(rest)-maxURL:] // no host is as long
	}
	if strings.Contains(rest, "%") {
		if plain, err := url.PathUnescape(rest); err == nil {
			rest = plain
		}
	}
	if inner, _, ok := strings.Cut(rest, "]"); ok {
		return strings.ToLower(inner + "]")
	}
	rest, _, _ = strings.Cut(rest, ":")
	return asciiHost(rest)
}

func asciiHost(host string) string {
	host = strings.Trim(strings.ToLower(host), ".")
	for i := range len(host) {
		if host[i] >= utf8.RuneSelf {
			if ascii, err := idna.Lookup.ToASCII(host); err == nil {
				return strings.Trim(ascii, ".")
			}
			break
		}
	}
	return host
}

// linkKey is the same for links that lead to the same place: without scheme,
// fragment and the last slash, its host in ASCII, its path without escapes.
func linkKey(link string) string {
	link, _, _ = strings.Cut(link, "#")
	if _, rest, ok := strings.Cut(link, "//"); ok {
		link = rest
	}
	host, path := link, ""
	if i := strings.IndexAny(link, "/?"); i >= 0 {
		host, path = link[:i], link[i:]
	}
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	return asciiHost(host) + strings.TrimRight(path, "/")
}

// eachDomain calls add with each word of text that can be a domain or an IPv4
// address, also with the dots that people disarm as "[.]".
func eachDomain(text string, add func(host string)) {
	for _, dot := range []string{"[.]", "(.)", "[dot]", "(dot)"} {
		text = strings.ReplaceAll(text, dot, ".")
	}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return !letterOrDigit(r) && r != '.' && r != '-' && r != '_' }) {
		word = strings.Trim(word, ".-_")
		i := strings.LastIndexByte(word, '.')
		if i > 0 && len(word)-i > 2 && strings.IndexFunc(word[i+1:], unicode.IsLetter) == 0 || strings.Count(word, ".") == 3 {
			add(asciiHost(word))
		}
	}
}
