package builtin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const sampleFolder = "../../testdata/sample"

var (
	htmlNoise = regexp.MustCompile(`(?s)<(script|style|nav|footer|head)\b.*?</(script|style|nav|footer|head)>`)
	htmlTag   = regexp.MustCompile(`<[^>]+>`)
	manyLines = regexp.MustCompile(`\n\s*\n+`)
)

// samplePassages is the sample corpus in chunks of 1000 characters that
// overlap by 200, cut at line ends or spaces as the real splitter does.
func samplePassages(t *testing.T) []passage {
	t.Helper()
	files, err := filepath.Glob(sampleFolder + "/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sample corpus: %v", err)
	}
	var all []passage
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch filepath.Ext(file) {
		case ".html":
			text := htmlTag.ReplaceAllString(htmlNoise.ReplaceAllString(string(content), ""), "")
			all = append(all, chunks("LLM agents", manyLines.ReplaceAllString(html.UnescapeString(text), "\n"))...)
		case ".md":
			title, _, _ := strings.Cut(strings.TrimPrefix(string(content), "# "), "\n")
			all = append(all, chunks(title, string(content))...)
		case ".jsonl":
			for line := range strings.Lines(string(content)) {
				var d struct{ Title, Text string }
				if err := json.Unmarshal([]byte(line), &d); err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				all = append(all, chunks(d.Title, d.Text)...)
			}
		}
	}
	return all
}

func chunks(title, text string) []passage {
	const size, overlap = 1000, 200
	var out []passage
	runes := []rune(strings.TrimSpace(text))
	for start := 0; start < len(runes); {
		end := min(start+size, len(runes))
		if end < len(runes) {
			end = start + cutBefore(runes[start:end])
		}
		out = append(out, passage{title: title, text: strings.TrimSpace(string(runes[start:end]))})
		if end == len(runes) {
			break
		}
		start = end - overlap
		for start < end && runes[start-1] != ' ' && runes[start-1] != '\n' {
			start++
		}
	}
	return out
}

func cutBefore(runes []rune) int {
	for _, sep := range []rune{'\n', ' '} {
		for i := len(runes) - 1; i > len(runes)/2; i-- {
			if runes[i] == sep {
				return i
			}
		}
	}
	return len(runes)
}

// found is the four chunks that share most with the query, a stand-in for the
// real search.
func found(query string, all []passage) []passage {
	type hit struct {
		passage
		score float64
	}
	frequency := map[string]int{}
	for _, p := range all {
		for term := range termSet(p.title + " " + p.text) {
			frequency[term]++
		}
	}
	var hits []hit
	for _, p := range all {
		counts := map[string]float64{}
		for _, term := range terms(p.title + " " + p.text) {
			counts[term]++
		}
		h := hit{passage: p}
		for _, term := range terms(query) {
			if tf := counts[term]; tf > 0 {
				h.score += math.Log(float64(len(all)+1)/float64(frequency[term])) * tf / (tf + 1)
			}
		}
		hits = append(hits, h)
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(b.score, a.score) })
	var out []passage
	for i, h := range hits[:4] {
		h.n = i + 1
		out = append(out, h.passage)
	}
	return out
}

// prompt is the system message that carries passages.
func prompt(passages []passage) string {
	var b strings.Builder
	b.WriteString("Use the following passages to answer the question.\n\n")
	for _, p := range passages {
		fmt.Fprintf(&b, "<passage n=\"%d\" marker=\"3f9c2ab1\" title=\"%s\">\n%s\n</passage marker=\"3f9c2ab1\">\n\n", p.n, p.title, p.text)
	}
	return b.String()
}

// TestSampleAnswers asks the sample corpus what a newcomer would. What is
// wanted is where the answer begins; the two turns of the demo are whole.
func TestSampleAnswers(t *testing.T) {
	const unknown = "I don't know: none of the passages"
	all := samplePassages(t)
	cases := []struct {
		turns []string
		want  string
	}{
		{[]string{"What is Task Decomposition?"}, "Task decomposition means breaking a complicated task into smaller steps, each simple enough to be carried out and checked by itself. [1]\n\n" + disclosure},
		{[]string{"What is Task Decomposition?", "What are some common ways of doing it?"}, "There are three common ways of doing task decomposition: (1) simple prompting of the model, " +
			"with a question such as “Which steps lead to this result?”; (2) task-specific instructions, for example “Draft the table of contents first” when the result is a manual; " +
			"and (3) human input, where a person writes the steps or corrects those of the model. [1]\n\n" + disclosure},
		{[]string{"What are LLM agents?"}, "An LLM agent is a program that lets a large language model decide what to do next. [1]"},
		{[]string{"What is chain of thought?"}, "Chain of thought is a prompting technique that"},
		{[]string{"What are the types of agent memory?"}, "Agent memory comes in two kinds: short-term memory"},
		{[]string{"How do LLM agents remember things?"}, "Agents remember things by writing them down"},
		{[]string{"What kinds of tools do agents use?"}, "Common kinds of tools are: search and retrieval, for facts"},
		{[]string{"Why are checks between steps important?"}, "If every step succeeds in 95 of 100 cases"},
		{[]string{"What is BM25?"}, "BM25 is a formula that ranks texts"},
		{[]string{"What is nDCG?"}, "nDCG, normalised discounted cumulative gain, is a measure of ranking quality between 0 and 1. [1]"},
		{[]string{"What is HNSW?"}, "HNSW, hierarchical navigable small world, is a graph index"},
		{[]string{"What is hybrid search?"}, "Hybrid search runs a vector search and a keyword search"},
		{[]string{"What is hybrid search?", "How are the lists merged?"}, "Hybrid search runs a vector search and a keyword search for the same question and merges the two lists. [1] There are two usual ways of merging: score fusion"},
		{[]string{"What is an embedding?"}, "An embedding is a"},
		{[]string{"What does the index command do?"}, "The index command loads documents"},
		{[]string{"What does the index command do?", "Which flags does it have?"}, "Useful flags are: --collection NAME"},
		{[]string{"Why does my stream arrive in one lump?"}, "Buffering is the usual reason"},
		{[]string{"What is MRR?"}, "MRR, mean reciprocal rank, looks at"},
		{[]string{"什么是向量数据库？"}, "向量数据库是专门存储和检索向量的数据库。 ["},
		{[]string{"検索拡張生成とは何ですか？"}, "検索拡張生成とは、質問に関係する文書を検索し"},
		{[]string{"Was ist eine Volltextsuche?"}, "Die Volltextsuche durchsucht den gesamten Text"},
		{[]string{"What is the capital of France?"}, unknown},
		{[]string{"How do I cook rice?"}, unknown},
	}
	for _, c := range cases {
		t.Run(c.turns[len(c.turns)-1], func(t *testing.T) {
			messages := []message{{"system", prompt(found(rewrite(c.turns), all))}}
			for _, turn := range c.turns {
				messages = append(messages, message{"user", turn})
			}
			if got := reply(messages); !strings.HasPrefix(got, c.want) {
				t.Errorf("reply(%q)\n got %q\nwant %q...", c.turns, got, c.want)
			} else if !strings.HasSuffix(got, "\n\n"+disclosure) {
				t.Errorf("reply(%q): got %q, want it to say what it is at the end", c.turns, got)
			}
		})
	}
}

func TestSampleSize(t *testing.T) {
	files, err := filepath.Glob(sampleFolder + "/*")
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if limit := int64(60 << 10); total == 0 || total > limit {
		t.Errorf("the sample has %d bytes, want 1 to %d: it is embedded in the binary", total, limit)
	}
}
