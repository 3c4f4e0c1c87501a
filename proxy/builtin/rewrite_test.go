package builtin

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRewrite(t *testing.T) {
	cases := []struct {
		name  string
		turns []string // separated as they were said, the last one is rewritten
		want  string
	}{
		{"pronoun", []string{"What is Task Decomposition?", "What are some common ways of doing it?"}, "What are some common ways of doing Task Decomposition?"},
		{"topic outlives a follow-up", []string{"What is Task Decomposition?", "What are some common ways of doing it?", "Why is it useful?"}, "Why is Task Decomposition useful?"},
		{"new topic replaces the old one", []string{"What is Task Decomposition?", "What is HNSW?", "How fast is it?"}, "How fast is HNSW?"},
		{"plural", []string{"What are LLM agents?", "How do they remember things?"}, "How do LLM agents remember things?"},
		{"possessive", []string{"What is BM25?", "What are its parameters?"}, "What are BM25's parameters?"},
		{"article kept", []string{"What is a vector store?", "How does it work?"}, "How does a vector store work?"},
		{"noun of noun", []string{"What is the capital of France?", "How big is it?"}, "How big is the capital of France?"},
		{"them for two", []string{"What are BM25 and vector search?", "Which of them is faster?"}, "Which of BM25 and vector search is faster?"},
		{"person", []string{"Who is Ada Lovelace?", "When was she born?"}, "When was Ada Lovelace born?"},
		{"contraction", []string{"What is SSE?", "When it's slow, what should I check?"}, "When SSE is slow, what should I check?"},
		{"that at the end", []string{"What is prompt injection?", "How do I prevent that?"}, "How do I prevent prompt injection?"},
		{"this with a noun of its own", []string{"What is bleve?", "Does this library support Chinese?"}, "Does this library (bleve) support Chinese?"},
		{"this approach", []string{"What is hybrid search?", "What are the drawbacks of this approach?"}, "What are the drawbacks of hybrid search?"},
		{"the noun again", []string{"What are LLM agents?", "Are these agents safe?"}, "Are LLM agents safe?"},
		{"those steps", []string{"What is Task Decomposition?", "Who writes those steps?"}, "Who writes the steps of Task Decomposition?"},
		{"do that", []string{"How do I parse a CSV file?", "Can I do that in Go?"}, "Can I parse a CSV file in Go?"},
		{"and in", []string{"How do I sort a list in Java?", "And in Python?"}, "How do I sort a list in Python?"},
		{"and in, nothing to replace", []string{"How do I read a file?", "And in Python?"}, "How do I read a file in Python?"},
		{"what about in", []string{"How do I read a file?", "What about in Rust?"}, "How do I read a file in Rust?"},
		{"why", []string{"What is Task Decomposition?", "why?"}, "Why Task Decomposition?"},
		{"why a fact", []string{"Does chunk overlap matter?", "Why?"}, "Why does chunk overlap matter?"},
		{"why is that", []string{"Are LLM agents reliable?", "Why is that?"}, "Why are LLM agents reliable?"},
		{"how", []string{"What is HNSW?", "How exactly?"}, "How does HNSW work?"},
		{"more examples", []string{"What is Task Decomposition?", "more examples"}, "More examples of Task Decomposition"},
		{"advantages", []string{"What is hybrid search?", "What are the advantages?"}, "What are the advantages of hybrid search?"},
		{"difference", []string{"What are BM25 and vector search?", "What is the difference?"}, "What is the difference between BM25 and vector search?"},
		{"tell me more", []string{"What is a reranker?", "Tell me more."}, "Tell me more about a reranker"},
		{"elaborate", []string{"What is a reranker?", "Can you elaborate?"}, "Can you elaborate about a reranker?"},
		{"which one", []string{"What are the types of agent memory?", "Which one is the best?"}, "Which one is the best for agent memory?"},
		{"how many", []string{"What are LLM agents?", "How many are there?"}, "How many are there for LLM agents?"},
		{"what about", []string{"What is Task Decomposition?", "What about memory?"}, "What about memory and Task Decomposition?"},
		{"what about sets the topic", []string{"What is Task Decomposition?", "What about memory?", "How long does it last?"}, "How long does memory last?"},
		{"and a noun", []string{"What is the capital of France?", "And Germany?"}, "What about Germany and the capital of France?"},
		{"noun with a question mark", []string{"What is BM25?", "parameters?"}, "What about parameters and BM25?"},
		{"thanks first", []string{"What is HNSW?", "Thanks! And how does it scale?"}, "How does HNSW scale?"},
		{"own subject becomes the topic", []string{"What are embeddings?", "Does HNSW use them?", "Who invented it?"}, "Who invented HNSW?"},
		{"small talk first", []string{"Hello!", "What is HNSW?", "Who invented it?"}, "Who invented HNSW?"},
		{"a statement before the question", []string{"I have a problem. What is chunk overlap?", "Is it needed?"}, "Is chunk overlap needed?"},

		{"first turn", []string{"How does it work?"}, "How does it work?"},
		{"stands alone", []string{"What is Task Decomposition?", "How does HNSW work?"}, "How does HNSW work?"},
		{"names its own it", []string{"What is HNSW?", "When a chunk is too long, how is it cut?"}, "When a chunk is too long, how is it cut?"},
		{"names its own its", []string{"What is HNSW?", "Does bleve keep its files open?"}, "Does bleve keep its files open?"},
		{"relative that", []string{"What is HNSW?", "Which tools that read PDF exist?"}, "Which tools that read PDF exist?"},
		{"empty it", []string{"What is HNSW?", "Is it possible to index PDF files?"}, "Is it possible to index PDF files?"},
		{"empty it, then a real one", []string{"What are agents?", "Is it safe to trust them?"}, "Is it safe to trust agents?"},
		{"how long does it take", []string{"What is HNSW?", "How long does it take to boil an egg?"}, "How long does it take to boil an egg?"},
		{"this year", []string{"What is HNSW?", "Which papers won prizes this year?"}, "Which papers won prizes this year?"},
		{"thanks", []string{"What is HNSW?", "Thank you!"}, "Thank you!"},
		{"nothing to refer to", []string{"Hello!", "Why?"}, "Why?"},
		{"in Python, with a question", []string{"What is HNSW?", "In Python, how do I read a file?"}, "In Python, how do I read a file?"},

		{"Chinese", []string{"什么是任务分解？", "有哪些常见的方法？"}, "有哪些常见的方法 任务分解？"},
		{"Chinese, alone", []string{"什么是任务分解？", "什么是向量数据库？"}, "什么是向量数据库？"},
		{"Japanese", []string{"検索拡張生成とは何ですか？", "それはなぜ必要？"}, "それはなぜ必要 検索拡張生成？"},
		{"Russian", []string{"Что такое векторный поиск?", "Зачем он нужен?"}, "Зачем он нужен векторный поиск?"},
		{"Chinese, long", []string{"什么是任务分解？", "请告诉我怎样在大型项目里评估检索质量和排序的好坏"}, "请告诉我怎样在大型项目里评估检索质量和排序的好坏"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := rewrite(c.turns); got != c.want {
				t.Errorf("rewrite(%q)\n got %q\nwant %q", strings.Join(c.turns, " | "), got, c.want)
			}
		})
	}
}

func TestTopicOf(t *testing.T) {
	cases := map[string]string{
		"What is Task Decomposition?":                            "Task Decomposition",
		"What are some common ways of doing Task Decomposition?": "Task Decomposition",
		"What is Task Decomposition in LLM agents?":              "Task Decomposition",
		"How does chunk overlap affect recall?":                  "chunk overlap",
		"Who wrote The Hobbit?":                                  "The Hobbit",
		"Tell me about the HNSW index.":                          "the HNSW index",
		"The vector store is slow. Can you explain why?":         "the vector store",
		"What are the benefits of vector search in Go?":          "vector search",
		"How do I install HNSW on Ubuntu?":                       "HNSW",
		"Hello!":                                                 "",
		"Thanks, great!":                                         "",
		"":                                                       "",
		"?!":                                                     "",
	}
	for text, want := range cases {
		if got := topicOf(text); got != want {
			t.Errorf("topicOf(%q): got %q, want %q", text, got, want)
		}
	}
}

func FuzzRewrite(f *testing.F) {
	f.Add("What is Task Decomposition?", "What are some common ways of doing it?")
	f.Add("How do I parse a CSV file?", "do that — in Go?")
	f.Add("the", "what about it and its?")
	f.Add("什么是任务分解？", "怎么做？")
	f.Add("İ ǅ ß", "And İ?")
	f.Add("A", "\xff\xfe why?")
	f.Fuzz(func(t *testing.T, first, last string) {
		got := rewrite([]string{first, last})
		if got != rewrite([]string{first, last}) {
			t.Errorf("rewrite(%q, %q) is not deterministic", first, last)
		}
		if strings.TrimSpace(last) != "" && strings.TrimSpace(got) == "" {
			t.Errorf("rewrite(%q, %q): got nothing", first, last)
		}
		if utf8.ValidString(first) && utf8.ValidString(last) && !utf8.ValidString(got) {
			t.Errorf("rewrite(%q, %q): got %q, not UTF-8", first, last, got)
		}
		if limit := len(last) + 4*len(first) + 100; len(got) > limit {
			t.Errorf("rewrite(%q, %q): got %d bytes, want at most %d", first, last, len(got), limit)
		}
	})
}
