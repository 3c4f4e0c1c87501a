package load

import "strings"

// visibleMarkdown is Markdown less the HTML comments and the hidden HTML in it;
// what stands in code stays as it is.
func visibleMarkdown(text string) string {
	if !strings.Contains(text, "<") {
		return text
	}
	return without(text, hiddenRanges(maskCode(text), true))
}

// maskCode puts x for every byte of fenced code and of code between backquotes,
// but for line ends, so that nothing in it is taken for HTML.
func maskCode(text string) string {
	if !strings.ContainsAny(text, "`~") {
		return text
	}
	b := []byte(text)
	fence := ""
	at, open := 0, 0 // a paragraph begins at open
	for line := range strings.Lines(text) {
		bare := strings.TrimLeft(line, " \t>")
		switch {
		case fence != "":
			if strings.HasPrefix(bare, fence) {
				fence = ""
			}
			mask(b[at : at+len(line)])
			open = at + len(line)
		case strings.HasPrefix(bare, "```"), strings.HasPrefix(bare, "~~~"):
			maskSpans(b[open:at])
			fence = bare[:3]
			mask(b[at : at+len(line)])
			open = at + len(line)
		case strings.TrimSpace(bare) == "":
			maskSpans(b[open:at])
			open = at + len(line)
		}
		at += len(line)
	}
	if open < at {
		maskSpans(b[open:at])
	}
	return string(b)
}

func mask(b []byte) {
	for i, c := range b {
		if c != '\n' && c != '\r' {
			b[i] = 'x'
		}
	}
}

// maskSpans masks what stands between runs of as many backquotes. A comment
// that begins before one is none of its.
func maskSpans(b []byte) {
	last := map[int]int{} // the last run of each length
	for i := 0; i < len(b); {
		n := quotes(b[i:])
		last[n] = i
		i += max(n, 1)
	}
	for i := 0; i < len(b); {
		n := quotes(b[i:])
		if n == 0 || last[n] <= i {
			i += max(n, 1)
			continue
		}
		end := i + n
		for quotes(b[end:]) != n {
			end += max(quotes(b[end:]), 1)
		}
		mask(b[i : end+n])
		i = end + n
	}
}

func quotes(b []byte) int {
	n := 0
	for n < len(b) && b[n] == '`' {
		n++
	}
	return n
}
