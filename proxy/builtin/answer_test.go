package builtin

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChoose(t *testing.T) {
	cases := []struct {
		name     string
		question string
		passages []string
		want     []string // texts, in order
	}{
		{"definition before mention", "What is a planner?",
			[]string{"Many people like a planner. A planner is a program that orders steps. The planner was late."},
			[]string{"A planner is a program that orders steps."}},
		{"means", "What does overlap mean?",
			[]string{"Choose the overlap with care. Overlap means that two chunks share some text."},
			[]string{"Overlap means that two chunks share some text."}},
		{"relative clause", "What is a reranker?",
			[]string{"Then comes the reranker, which is a model that sorts hits anew. It is slow and the reranker is often skipped."},
			[]string{"Then comes the reranker, which is a model that sorts hits anew."}},
		{"enumeration", "What are common ways of sorting?",
			[]string{"Sorting is old. Ways of sorting: (1) by hand, (2) by merging, (3) by heap. Sorting takes time."},
			[]string{"Ways of sorting: (1) by hand, (2) by merging, (3) by heap."}},
		{"markdown list", "What kinds of fruit are there?",
			[]string{"# Fruit\n\nThere are these kinds of fruit:\n\n- apples, which keep\n- **pears**;\n- [plums](http://x.example/).\n\nVegetables differ."},
			[]string{"There are these kinds of fruit: apples, which keep; pears; plums."}},
		{"html list", "What kinds of fruit are there?",
			[]string{"Kinds of fruit are:\napples, which keep;\npears;\nplums.\nVegetables differ."},
			[]string{"Kinds of fruit are: apples, which keep; pears; plums."}},
		{"list cut by the chunk", "What kinds of fruit are there?",
			[]string{"Kinds of fruit are:\napples, which keep;\npears;"},
			[]string{"Kinds of fruit are: apples, which keep; pears; …"}},
		{"why", "Why is the stream slow?",
			[]string{"The stream is slow on Mondays. The stream is slow because a proxy buffers it."},
			[]string{"The stream is slow because a proxy buffers it.", "The stream is slow on Mondays."}},
		{"how many", "How many steps has the plan?",
			[]string{"The plan has steps of many sorts. The plan of today has 20 steps in all."},
			[]string{"The plan of today has 20 steps in all.", "The plan has steps of many sorts."}},
		{"heading is no answer, but helps", "What is chunk overlap?",
			[]string{"Chunk overlap\n\nThe shared part of two neighbouring pieces is 200 characters long. Weather is another topic altogether."},
			[]string{"The shared part of two neighbouring pieces is 200 characters long.", "Weather is another topic altogether."}},
		{"cut at the start", "What is recall?",
			[]string{"and recall is the part that matters here. Recall is the share of the relevant hits that were found."},
			[]string{"Recall is the share of the relevant hits that were found."}},
		{"cut at the end", "What is recall?",
			[]string{"Recall is the share of the relevant hits that were found. Recall is a number which everybody who"},
			[]string{"Recall is the share of the relevant hits that were found."}},
		{"same sentence in two chunks", "What is recall?",
			[]string{"Recall is the share of the relevant hits that were found.", "Recall is the share of the relevant hits that were found."},
			[]string{"Recall is the share of the relevant hits that were found."}},
		{"hard-wrapped", "What is recall?",
			[]string{"Recall is the share of the relevant hits that\nwere found by the search, which nobody can know\nwithout judgements."},
			[]string{"Recall is the share of the relevant hits that were found by the search, which nobody can know without judgements."}},
		{"abbreviations and its own citations", "What is recall?",
			[]string{"Recall, i.e. Share of hits, is a measure [3, 4] used by Dr. Smith et al. In their work."},
			[]string{"Recall, i.e. Share of hits, is a measure used by Dr. Smith et al. In their work."}},
		{"code and tables are no answers", "What is recall?",
			[]string{"```\nrecall is a function.\n```\n| recall is | a column. |\n|---|---|\n    recall --help"},
			nil},
		{"rare terms weigh more", "Does the agent use HNSW?",
			[]string{"The agent is fast. The agent is small. Use the agent. HNSW is used by the agent."},
			[]string{"HNSW is used by the agent."}},
		{"questions are no answers", "What is recall?",
			[]string{"What is recall? Recall is the share of hits found."},
			[]string{"Recall is the share of hits found."}},
		{"nothing overlaps", "What is the capital of France?", []string{"Recall is the share of hits found."}, nil},
		{"only stop words", "What is it?", []string{"It is what it is and that is all."}, nil},
		{"empty passages", "What is recall?", []string{"", "\n\n"}, nil},
		{"stemmed", "How are documents decomposed?",
			[]string{"Decomposition of documents happens at blank lines. Other text stands here."},
			[]string{"Decomposition of documents happens at blank lines."}},
		{"Chinese", "什么是召回率？", []string{"今天天气很好。召回率是被找到的相关结果的比例。"}, []string{"召回率是被找到的相关结果的比例。"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var passages []passage
			for i, text := range c.passages {
				passages = append(passages, passage{n: i + 1, text: text})
			}
			var got []string
			for _, u := range choose(c.question, passages) {
				got = append(got, u.text)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("choose(%q) (-want +got):\n%s", c.question, diff)
			}
		})
	}
}

func TestReply(t *testing.T) {
	passages := prompt([]passage{{n: 1, text: "Recall is the share of hits found."}, {n: 7, title: "BM25", text: "BM25 is a ranking function."}})
	long := "Recall is " + strings.Repeat("very ", 100) + "good."
	cases := []struct {
		name     string
		messages []message
		want     string
	}{
		{"system", []message{{"system", passages}, {"user", "What is BM25?"}}, "BM25 is a ranking function. [7]"},
		{"developer", []message{{"developer", passages}, {"user", "What is BM25?"}}, "BM25 is a ranking function. [7]"},
		{"in the user's message, before the question", []message{{"user", passages + "\n\nWhat is BM25?"}}, "BM25 is a ranking function. [7]"},
		{"in the user's message, after the question", []message{{"user", "What is BM25?\n\n" + passages}}, "BM25 is a ranking function. [7]"},
		{"follow-up", []message{{"system", passages}, {"user", "What is BM25?"}, {"assistant", "A function."}, {"user", "What is it for ranking?"}}, "BM25 is a ranking function. [7]"},
		{"the assistant's passages do not count", []message{{"assistant", passages}, {"user", "What is BM25?"}}, "I don't know: no passages came"},
		{"no passages", []message{{"user", "What is BM25?"}}, "I don't know: no passages came"},
		{"no question", []message{{"system", passages}}, "I don't know: there is no question"},
		{"long sentence", []message{{"system", prompt([]passage{{n: 1, text: long}})}, {"user", "What is recall?"}}, "Recall is very very"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := reply(c.messages)
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("reply: got %q, want it to begin with %q", got, c.want)
			}
			if !strings.HasSuffix(got, "\n\n"+disclosure) {
				t.Errorf("reply: got %q, want it to say what it is at the end", got)
			}
			if limit := maxSentence + len(disclosure) + 10; c.name == "long sentence" && (len(got) > limit || !strings.Contains(got, "very… [1]")) {
				t.Errorf("reply: got %q, want it clipped at a word", got)
			}
		})
	}
}

func FuzzReply(f *testing.F) {
	f.Add("What is recall?", "Recall is a share.\n\n- a\n- b;\n```\nx")
	f.Add("什么是召回率？", "召回率是比例。\n| a | b |\n")
	f.Add("why: [1](2) **x**", "Kinds are:\na;\nb;\n  c\n(1) d [1-3] e.g. F")
	f.Fuzz(func(t *testing.T, question, text string) {
		passages := []passage{{n: 1, text: text}, {n: 2, title: question, text: question + "\n" + text}}
		got := choose(question, passages)
		if len(got) > maxSentences {
			t.Errorf("choose: got %d units, want at most %d", len(got), maxSentences)
		}
		if diff := cmp.Diff(got, choose(question, passages), cmp.AllowUnexported(unit{})); diff != "" {
			t.Errorf("choose is not deterministic:\n%s", diff)
		}
		for _, u := range got {
			if s := shorten(u); len([]rune(s)) > maxList+3 || strings.ContainsAny(s, "\n\r") {
				t.Errorf("shorten: got %q", s)
			}
		}
	})
}
