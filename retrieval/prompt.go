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
)

//go:embed prompts/answer.tmpl
var answerPrompt string

//go:embed prompts/rewrite.tmpl
var rewritePrompt string

// Prompts are the two templates (text/template) of a pipeline.
//
// The answer template gets .Passages (each with .N, .Title, .Text), .Marker
// (random, new for each request, so that no indexed text can forge a
// passage's end) and .Query. The rewrite template gets nothing; it is the
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
	answer, err := readPrompt(answerFile, answerPrompt)
	if err != nil {
		return Prompts{}, fmt.Errorf("prompt.answer_file: %w", err)
	}
	rewrite, err := readPrompt(rewriteFile, rewritePrompt)
	if err != nil {
		return Prompts{}, fmt.Errorf("prompt.rewrite_file: %w", err)
	}
	var p Prompts
	if p.answer, err = template.New("answer").Option("missingkey=error").Parse(answer); err != nil {
		return Prompts{}, fmt.Errorf("prompt.answer_file: parse template: %w", err)
	}
	// Executed once with made-up passages, so that a wrong field is told at
	// the start and not with the first question.
	if _, err := p.execute(promptData{Passages: []promptPassage{{N: 1}}, Marker: "marker"}); err != nil {
		return Prompts{}, fmt.Errorf("prompt.answer_file: %w", err)
	}
	t, err := template.New("rewrite").Parse(rewrite)
	if err != nil {
		return Prompts{}, fmt.Errorf("prompt.rewrite_file: parse template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, nil); err != nil {
		return Prompts{}, fmt.Errorf("prompt.rewrite_file: %w", err)
	}
	p.rewrite = strings.TrimSpace(b.String())
	return p, nil
}

func readPrompt(path, builtin string) (string, error) {
	if path == "" {
		return builtin, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read template: %w", err)
	}
	return string(b), nil
}

// Answer is the text that goes to the upstream beside the client's messages.
func (p Prompts) Answer(query string, sources []Source) (string, error) {
	data := promptData{Marker: newMarker(), Query: query}
	for _, s := range sources {
		data.Passages = append(data.Passages, promptPassage{N: s.N, Title: attribute(s.Chunk.Title), Text: s.Chunk.Text})
	}
	return p.execute(data)
}

func (p Prompts) execute(data promptData) (string, error) {
	var b bytes.Buffer
	if err := p.answer.Execute(&b, data); err != nil {
		return "", fmt.Errorf("write answer prompt: %w", err)
	}
	return strings.TrimSpace(b.String()), nil
}

// attribute keeps a title from ending the line or the quotes it stands in.
func attribute(s string) string {
	return strings.NewReplacer(`"`, "'", "\n", " ", "\r", " ", "<", "(", ">", ")").Replace(s)
}

func newMarker() string {
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand since Go 1.24)
	return hex.EncodeToString(b[:])
}
