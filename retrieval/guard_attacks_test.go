package retrieval

import (
	"bufio"
	"bytes"
	"encoding/json"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// attack is a line of testdata/attacks.jsonl: what somebody wrote into a
// document, and the word by which it is known again.
type attack struct{ ID, Kind, Text, Title, Canary string }

func attacks(t *testing.T) []attack {
	t.Helper()
	b, err := os.ReadFile("testdata/attacks.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var out []attack
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		var a attack
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.Fatalf("line %d: %v", len(out)+1, err)
		}
		out = append(out, a)
	}
	return append(out, autoGPT(t)...)
}

// autoGPT is the system message of AutoGPT that a much-read blog post quotes:
// harmless there, and the best-known order in any index.
func autoGPT(t *testing.T) []attack {
	t.Helper()
	dir := os.Getenv("RAGPROXY_TEST_DATA")
	if dir == "" {
		t.Log("RAGPROXY_TEST_DATA is not set: without the blog post")
		return nil
	}
	b, err := os.ReadFile(filepath.Join(dir, "weng", "2023-06-23-agent.html"))
	if err != nil {
		t.Fatal(err)
	}
	text := html.UnescapeString(string(b))
	from, to := strings.Index(text, "You are {{ai-name}}"), strings.Index(text, "Ensure the response can be parsed by Python json.loads")
	if from < 0 || to < from {
		t.Fatal("the post does not hold AutoGPT's message")
	}
	text = text[from : to+len("Ensure the response can be parsed by Python json.loads")]
	return []attack{
		{ID: "autogpt-whole", Text: text, Canary: "parsed by Python json.loads"},
		{ID: "autogpt-end", Text: text[strings.Index(text, "You should only respond"):], Canary: "only respond in JSON format"},
	}
}

func TestAttackSet(t *testing.T) {
	all, seen := attacks(t), map[string]bool{}
	if len(all) < 50 {
		t.Errorf("got %d attacks, want at least 50", len(all))
	}
	for _, a := range all {
		if a.ID == "" || seen[a.ID] || seen[a.Canary] || len(a.Canary) < 6 {
			t.Errorf("%+v: want an id and a word of its own", a)
		}
		seen[a.ID], seen[a.Canary] = true, true
	}
}

var tagLine = regexp.MustCompile(`(?m)^<passage n="(\d+)" marker="([0-9a-f]{16})" title="([^"<>\n]*)">$|^</passage marker="([0-9a-f]{16})">$`)

// outside checks that a prompt's passages are opened and closed in turn with
// one marker, and returns what stands outside of them.
func outside(t *testing.T, prompt string, passages int) string {
	t.Helper()
	tags := tagLine.FindAllStringSubmatchIndex(prompt, -1)
	if len(tags) != 2*passages {
		t.Fatalf("got %d lines that open or close, want %d:\n%s", len(tags), 2*passages, prompt)
	}
	rest, at, marker := "", 0, prompt[tags[0][4]:tags[0][5]]
	for i := 0; i < len(tags); i += 2 {
		open, end := tags[i], tags[i+1]
		if open[4] < 0 || end[8] < 0 || prompt[open[4]:open[5]] != marker || prompt[end[8]:end[9]] != marker {
			t.Errorf("passage %d is not opened and closed with the marker %s:\n%s", i/2+1, marker, prompt)
		}
		rest += prompt[at:open[0]] + "\n"
		at = end[1]
	}
	if n := strings.Count(prompt, marker); n != 1+2*passages {
		t.Errorf("got the marker %d times, want %d", n, 1+2*passages)
	}
	return rest + prompt[at:]
}

// TestAttacksStayDelimited: of no attack does anything reach the model outside
// of the lines that open and close its passage, nor as a control token, nor
// unseen.
func TestAttacksStayDelimited(t *testing.T) {
	p, escaped := prompts(t), 0
	all := attacks(t)
	clean := outside(t, answer(t, p, sources("a", "b", "c")), 3)
	clean = regexp.MustCompile(`[0-9a-f]{16}`).ReplaceAllString(clean, "M")
	for _, a := range all {
		s := sources("Before.", a.Text, "After.")
		s[1].Chunk.Title = a.Title
		prompt := answer(t, p, s)
		if !strings.Contains(strings.ReplaceAll(prompt, "- ", ""), a.Canary) && !strings.Contains(a.Text, "H-E-L") && a.ID != "unseen-1" {
			t.Errorf("%s: its text did not reach the prompt", a.ID)
		}
		rest := regexp.MustCompile(`[0-9a-f]{16}`).ReplaceAllString(outside(t, prompt, 3), "M")
		if rest != clean {
			escaped++
			t.Errorf("%s: outside of the passages stands\n%q, want\n%q", a.ID, rest, clean)
		}
		for name, tokens := range controlTokens() {
			for _, token := range tokens {
				if !strings.HasPrefix(name, "this") && strings.Contains(prompt, token) {
					t.Errorf("%s: the prompt holds %s's %s", a.ID, name, token)
				}
			}
		}
		if visible(prompt) != prompt {
			t.Errorf("%s: the prompt holds something unseen: %+q", a.ID, prompt)
		}
	}
	t.Logf("%d of %d attacks reach the prompt un-delimited", escaped, len(all))
}
