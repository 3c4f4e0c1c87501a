package retrieval

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"text/template"
	"unicode"
)

//go:embed prompts/answer.tmpl
var answerPrompt string

//go:embed prompts/rewrite.tmpl
var rewritePrompt string

// Prompts are the two templates (text/template) of a pipeline.
//
// The answer template gets .Passages (each with .N, .Title, .Text), .Marker
// (random, new for each request, so that no indexed text can forge a
// passage's end) and .Query. Titles and texts are quoted: what is not seen is
// gone, and no control token of a chat template is whole. The rewrite template gets nothing; it is the
// system message before the chat history.
type Prompts struct {
	answer  *template.Template
	rewrite string
}

type promptPassage struct {
	N           int
	Title, Text string
}

type promptData struct {
	Passages []promptPassage
	Marker   string
	Query    string
}

// LoadPrompts reads the templates from files; an empty path means the one
// that is built in. The error names the file.
func LoadPrompts(answerFile, rewriteFile string) (Prompts, error) {
	answer, err := readTemplate(answerFile, "answer", answerPrompt)
	if err != nil {
		return Prompts{}, fmt.Errorf("prompt.answer_file: %w", err)
	}
	rewrite, err := readTemplate(rewriteFile, "rewrite", rewritePrompt)
	if err != nil {
		return Prompts{}, fmt.Errorf("prompt.rewrite_file: %w", err)
	}
	// Executed with made-up passages, full and empty, so that a wrong field is
	// told at the start and not with the first question.
	for _, try := range []promptData{
		{Passages: []promptPassage{{1, "title", "text"}}, Marker: "marker", Query: "query"},
		{Passages: []promptPassage{{N: 1}}, Marker: "marker"},
	} {
		if _, err := execute(answer, try); err != nil {
			return Prompts{}, fmt.Errorf("prompt.answer_file: %w", err)
		}
	}
	text, err := execute(rewrite, struct{}{})
	if err != nil {
		return Prompts{}, fmt.Errorf("prompt.rewrite_file: %w", err)
	}
	return Prompts{answer, text}, nil
}

// readTemplate names the template after its file, as its errors then do.
func readTemplate(path, name, builtin string) (*template.Template, error) {
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read template: %w", err)
		}
		name, builtin = path, string(b)
	}
	t, err := template.New(name).Parse(builtin)
	if err != nil {
		return nil, fmt.Errorf("parse template: %w", err)
	}
	return t, nil
}

// Answer is the text that goes to the upstream beside the client's messages.
func (p Prompts) Answer(query string, sources []Source) (string, error) {
	data := promptData{Marker: newMarker(), Query: query}
	for _, s := range sources {
		data.Passages = append(data.Passages, promptPassage{N: s.N, Title: breakTokens(attribute(visible(s.Chunk.Title))), Text: quoted(s.Chunk.Text)})
	}
	return execute(p.answer, data)
}

// Delimits says whether the answer template has the marker before and behind
// each passage's text, as the built-in one has. One that has not leaves a model
// no way to tell where an indexed text ends.
func (p Prompts) Delimits() bool {
	const first, second, marker = "\x01", "\x02", "\x03"
	prompt, err := execute(p.answer, promptData{Passages: []promptPassage{{1, "", first}, {2, "", second}}, Marker: marker})
	if err != nil {
		return false
	}
	before, rest, one := strings.Cut(prompt, first)
	between, behind, two := strings.Cut(rest, second)
	return one && two && strings.Contains(before, marker) && strings.Count(between, marker) > 1 && strings.Contains(behind, marker)
}

func execute(t *template.Template, data any) (string, error) {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return "", fmt.Errorf("write prompt: %w", err)
	}
	return strings.TrimSpace(b.String()), nil
}

// attribute keeps a title from ending the line or the quotes it stands in.
func attribute(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r == '<':
			return '('
		case r == '>':
			return ')'
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		}
		return r
	}, s)
}

func newMarker() string {
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand since Go 1.24)
	return hex.EncodeToString(b[:])
}
