package dialect

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ragproxy/ragproxy/retrieval"
)

// maxFrame is the size that no frame of ours passes: Go clients read lines
// with bufio.Scanner, whose default limit is 64 KiB.
const maxFrame = 60 << 10

// snippetLength is in characters.
const snippetLength = 240

type sourceJSON struct {
	N         int            `json:"n"`
	ID        string         `json:"id"`
	Title     string         `json:"title"`
	URL       string         `json:"url"`
	Link      string         `json:"link"`
	Score     float64        `json:"score"`
	Scores    scoresJSON     `json:"scores"`
	Text      string         `json:"text"`
	Truncated bool           `json:"truncated"`
	Position  positionJSON   `json:"position"`
	Metadata  map[string]any `json:"metadata"`
}

type scoresJSON struct {
	Vector *float64 `json:"vector"`
	BM25   *float64 `json:"bm25"`
}

type positionJSON struct {
	Chunk int `json:"chunk"`
	Start int `json:"start"`
	End   int `json:"end"`
}

type annotationJSON struct {
	Type string       `json:"type"`
	URL  citationJSON `json:"url_citation"`
}

type citationJSON struct {
	Start   int     `json:"start_index"`
	End     int     `json:"end_index"`
	URL     string  `json:"url"`
	Title   string  `json:"title"`
	ID      string  `json:"id"`
	Score   float64 `json:"score"`
	Content string  `json:"content"`
}

// sourcesJSON gives the sources as they go out, none longer than limit
// characters (no limit if it is negative). The list is never null.
func sourcesJSON(sources []retrieval.Source, text string, limit int) []sourceJSON {
	switch text {
	case TextNone:
		limit = 0
	case TextSnippet:
		if limit < 0 || limit > snippetLength {
			limit = snippetLength
		}
	}
	out := make([]sourceJSON, len(sources))
	for i, s := range sources {
		c := s.Chunk
		cut, truncated := cutText(c.Text, limit)
		meta := c.Meta
		if meta == nil || limit == 0 && text != TextNone {
			meta = map[string]any{} // what is left to drop when the texts are gone
		}
		out[i] = sourceJSON{
			N: s.N, ID: c.ID, Title: c.Title, URL: c.URL, Link: Link(s), Score: s.Score, Scores: scoresJSON{s.Vector, s.Keyword},
			Text: cut, Truncated: truncated, Position: positionJSON{c.Ordinal, c.Start, c.End}, Metadata: meta,
		}
	}
	return out
}

func cutText(s string, limit int) (cut string, truncated bool) {
	if limit < 0 || utf8.RuneCountInString(s) <= limit {
		return s, false
	}
	at := 0
	for range limit {
		_, n := utf8.DecodeRuneInString(s[at:])
		at += n
	}
	return s[:at], true
}

// Link is the address of one source, its own even where several are parts of
// one page: clients that merge equal addresses would lose all but one.
func Link(s retrieval.Source) string {
	part := "chunk-" + strconv.Itoa(s.Chunk.Ordinal)
	switch {
	case s.Chunk.URL == "":
		id := (&url.URL{Path: s.Chunk.DocumentID}).EscapedPath()
		return "urn:ragproxy:" + s.Collection + ":" + id + "#" + part
	case strings.Contains(s.Chunk.URL, "#"):
		return s.Chunk.URL + "-" + part
	default:
		return s.Chunk.URL + "#" + part
	}
}

// annotationsJSON gives one url_citation a source, in OpenAI's form, at the
// source's first mark in the answer.
func annotationsJSON(sources []sourceJSON, answer string) []annotationJSON {
	marks := findMarks(answer)
	out := make([]annotationJSON, len(sources))
	for i, s := range sources {
		at := marks[s.N]
		out[i] = annotationJSON{"url_citation", citationJSON{at.start, at.end, s.Link, s.Title, s.ID, s.Score, s.Text}}
	}
	return out
}

// fit calls encode with ever shorter limits for the texts until what it
// returns is at most max bytes. The longest texts are cut first, because all
// have the same limit.
func fit(max int, sources []retrieval.Source, encode func(limit int) []byte) []byte {
	out := encode(-1)
	if len(out) <= max {
		return out
	}
	limit := 0
	for _, s := range sources {
		if n := utf8.RuneCountInString(s.Chunk.Text); n > limit {
			limit = n
		}
	}
	for limit > 0 && len(out) > max {
		limit = limit * 3 / 4
		out = encode(limit)
	}
	return out
}

// marshal is json.Marshal without the escaping of <, > and &. Everything that
// goes out can be marshalled: metadata came from JSON.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte("null")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
