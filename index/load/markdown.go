package load

import (
	"context"
	"regexp"
	"strings"

	"github.com/ragproxy/ragproxy/index"
)

// loadMarkdown takes the Markdown source less its front matter, whose entries
// become metadata. The title is that of the front matter, the first heading, or
// the file's name; the marks are the path of headings.
func loadMarkdown(_ context.Context, in input, opts Options) (index.Document, error) {
	source, err := readText(in, opts)
	if err != nil {
		return index.Document{}, err
	}
	meta, text := cutFrontMatter(source)
	title, _ := meta["title"].(string)
	delete(meta, "title")
	if len(meta) == 0 {
		meta = nil
	}
	if !opts.KeepHidden {
		text = visibleMarkdown(text)
	}
	headings := markdownHeadings(text)
	doc := in.titled("", meta)
	doc.Text, doc.Marks = text, headingMarks(text, headings)
	for _, h := range headings {
		if title == "" {
			title = collapse(text[h.start:h.end])
		}
	}
	if title != "" {
		doc.Title = title
	}
	return doc, nil
}

// atxHeading is "# text" with up to three spaces before and any # behind.
var atxHeading = regexp.MustCompile(`^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*(?:[ \t]#+)?[ \t]*$`)

// markdownHeadings finds the headings outside of fenced code.
func markdownHeadings(text string) []heading {
	var all []heading
	fence := ""
	previous := heading{}       // the line before, if it may be a heading by the line below it
	apart, blank := false, true // that line stands below an empty one; this one does
	at := 0
	for line := range strings.Lines(text) {
		start := at
		at += len(line)
		line = strings.TrimRight(line, "\r\n")
		bare := strings.TrimLeft(line, " ")
		switch {
		case fence != "":
			if strings.HasPrefix(bare, fence) {
				fence = ""
			}
			continue
		case strings.HasPrefix(bare, "```"), strings.HasPrefix(bare, "~~~"):
			fence, previous = bare[:3], heading{}
			continue
		}
		if len(all) == maxMarks {
			break
		}
		if strings.HasPrefix(bare, "#") {
			if m := atxHeading.FindStringSubmatchIndex(line); m != nil && m[4] < m[5] {
				all = append(all, heading{start: start + m[4], end: start + m[5], lead: m[4], level: m[3] - m[2]})
			}
			previous, blank = heading{}, true
			continue
		}
		if level := underline(bare); level > 0 && previous.end > 0 && (level == 1 || apart) {
			previous.level = level
			all = append(all, previous)
		}
		apart = blank
		previous, blank = heading{}, bare == ""
		if bare != "" && strings.IndexByte("-*+>|=#", bare[0]) < 0 && len(line)-len(bare) < 4 {
			indent := len(line) - len(bare)
			previous = heading{start: start + indent, end: start + len(strings.TrimRight(line, " \t")), lead: indent}
		}
	}
	return all
}

// underline is the level of the heading that a line makes of the one above.
func underline(line string) int {
	line = strings.TrimRight(line, " \t")
	switch {
	case line == "":
	case strings.Trim(line, "=") == "":
		return 1
	case strings.Trim(line, "-") == "" && len(line) > 2:
		return 2
	}
	return 0
}

// collapse makes every run of white space one space and drops it at the ends.
func collapse(s string) string { return strings.Join(strings.Fields(s), " ") }
