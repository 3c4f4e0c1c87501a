package eval_test

import (
	"bytes"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/retrieval"
	"github.com/ragproxy/ragproxy/retrieval/eval"
)

const corpus = `{"_id":"d1","text":"one"}` + "\n"

func TestOpen(t *testing.T) {
	user := func(text string) []retrieval.Message { return []retrieval.Message{{Role: "user", Text: text}} }
	for _, test := range []struct {
		name  string
		files map[string]string
		want  eval.Set
	}{
		{"queries", map[string]string{
			"corpus.jsonl":  corpus,
			"queries.jsonl": "{\"_id\":\"q1\",\"text\":\"one?\"}\n\n{\"_id\":2,\"text\":\"two?\"}\n{\"_id\":\"q3\",\"text\":\"not judged\"}\n{\"_id\":\"q4\",\"text\":\"nothing relevant\"}\n",
			"qrels.tsv":     "q1\td1\t1\nq1\td2\t0\n2\ta b\t2\nq4\td1\t0\nq5\td1\t0\n",
		}, eval.Set{Layout: eval.Queries, Sources: []string{"corpus.jsonl"}, Questions: []eval.Question{
			{ID: "q1", Messages: user("one?"), Grades: map[string]float64{"d1": 1, "d2": 0}},
			{ID: "2", Messages: user("two?"), Grades: map[string]float64{"a b": 2}},
		}}},
		{"BEIR's own folders and header", map[string]string{
			"corpus.jsonl":   corpus,
			"queries.jsonl":  "\ufeff{\"_id\":\"q1\",\"text\":\"one?\"}\r\n",
			"qrels/test.tsv": "query-id\tcorpus-id\tscore\r\nq1\td1\t1\r\n",
		}, eval.Set{Layout: eval.Queries, Sources: []string{"corpus.jsonl"}, Questions: []eval.Question{
			{ID: "q1", Messages: user("one?"), Grades: map[string]float64{"d1": 1}},
		}}},
		{"conversations", map[string]string{
			"corpus.jsonl":        corpus,
			"conversations.jsonl": `{"_id":"H:1","messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":""},{"role":"user","content":"b"}],"rewrite":"b of a"}`,
			"qrels.tsv":           "H:1 d1 1\n",
		}, eval.Set{Layout: eval.Conversations, Sources: []string{"corpus.jsonl"}, Questions: []eval.Question{
			{ID: "H:1", Messages: []retrieval.Message{{Role: "user", Text: "a"}, {Role: "assistant"}, {Role: "user", Text: "b"}}, Rewrite: "b of a", Grades: map[string]float64{"d1": 1}},
		}}},
		{"spans", map[string]string{
			"corpora/x.md": "text", "corpora/y.md": "text", "corpora/notes.txt": "text",
			"questions.jsonl": `{"_id":"c0","doc":"y","question":"what?","spans":[[0,2],[3,4]]}`,
		}, eval.Set{Layout: eval.Spans, Sources: []string{"corpora/x.md", "corpora/y.md"}, Questions: []eval.Question{
			{ID: "c0", Messages: user("what?"), Spans: eval.Spanned{Document: "y.md", Spans: []eval.Span{{0, 2}, {3, 4}}}},
		}}},
		{"strings", map[string]string{
			"page.html":       "<p>text",
			"questions.jsonl": `{"_id":"w0","messages":[{"role":"user","content":"what?"}],"must_contain":["text"]}`,
		}, eval.Set{Layout: eval.Strings, Sources: []string{"page.html"}, Questions: []eval.Question{
			{ID: "w0", Messages: user("what?"), MustContain: []string{"text"}},
		}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t, test.files)
			got, err := eval.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			test.want.Name = filepath.Base(dir)
			for i, s := range test.want.Sources {
				test.want.Sources[i] = filepath.Join(dir, filepath.FromSlash(s))
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	const query, qrels = `{"_id":"q1","text":"one?"}`, "q1\td1\t1\n"
	questions := func(line string) map[string]string {
		return map[string]string{"corpora/x.md": "text", "questions.jsonl": line}
	}
	conversation := func(line string) map[string]string {
		return map[string]string{"corpus.jsonl": corpus, "conversations.jsonl": line, "qrels.tsv": qrels}
	}
	for _, test := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"empty", nil, "neither corpus.jsonl nor questions.jsonl"},
		{"no queries", map[string]string{"corpus.jsonl": corpus, "qrels.tsv": qrels}, "neither queries.jsonl nor conversations.jsonl"},
		{"both", map[string]string{"corpus.jsonl": corpus, "queries.jsonl": query, "conversations.jsonl": "", "qrels.tsv": qrels}, "keep one"},
		{"no qrels", map[string]string{"corpus.jsonl": corpus, "queries.jsonl": query}, "no qrels.tsv"},
		{"no page", map[string]string{"questions.jsonl": ""}, "no *.html"},
		{"no texts", map[string]string{"questions.jsonl": "", "corpora/x.txt": ""}, "no corpora/*.md"},
		{"nothing judged", map[string]string{"corpus.jsonl": corpus, "queries.jsonl": query, "qrels.tsv": ""}, "no question in it is judged"},
		{"unknown query", map[string]string{"corpus.jsonl": corpus, "queries.jsonl": query, "qrels.tsv": qrels + "q9\td1\t1\n"}, `query "q9" is judged, but not in queries.jsonl`},
		{"bad qrels", map[string]string{"corpus.jsonl": corpus, "queries.jsonl": query, "qrels.tsv": qrels + "q1\td2\n"}, "qrels.tsv: line 2: it has 2 columns"},
		{"bad JSON", conversation(`{"_id"`), "conversations.jsonl: line 1: "},
		{"no id", conversation(`{"messages":[{"role":"user","content":"x"}]}`), `line 1: it has no "_id"`},
		{"id twice", conversation(`{"_id":"q1","text":"x"}` + "\n" + `{"_id":"q1","text":"x"}`), `line 2: _id "q1" again, first in line 1`},
		{"id of a wrong type", conversation(`{"_id":["q1"],"text":"x"}`), "line 1: "},
		{"no messages", conversation(`{"_id":"q1"}`), "line 1: it has none of"},
		{"two questions", conversation(`{"_id":"q1","text":"x","messages":[{"role":"user","content":"x"}]}`), "line 1: it has more than one of"},
		{"last by the assistant", conversation(`{"_id":"q1","messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]}`), "line 1: its last message"},
		{"blank", conversation(`{"_id":"q1","messages":[{"role":"user","content":" "}]}`), "line 1: its last message"},
		{"unknown document", questions(`{"_id":"c0","doc":"z","question":"x","spans":[[0,1]]}`), `question "c0" is about "z"`},
		{"no spans", questions(`{"_id":"c0","doc":"x","question":"x"}`), `no "doc" or no "spans"`},
		{"span backwards", questions(`{"_id":"c0","doc":"x","question":"x","spans":[[3,3]]}`), "the span [3 3]"},
		{"nothing to contain", map[string]string{"a.html": "", "questions.jsonl": `{"_id":"w","question":"x","must_contain":[""]}`}, `no "must_contain"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t, test.files)
			_, err := eval.Open(dir)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got error %v, want one with %q and %s", err, test.want, dir)
			}
		})
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), "set_test.go"} {
		if _, err := eval.Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("got error %v, want one that names %s", err, path)
		}
	}
}

func TestReadQrelsErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"q\td\tgood\n", `line 1: the grade "good"`},
		{"q\td\tNaN\n", "line 1: the grade"},
		{"q\td\t1e9\n", "line 1: the grade"},
		{"q\t\t1\n", "line 1: "},
		{"q\td\t1\nquery-id\tcorpus-id\tscore\n", "line 2: the grade"},
	} {
		if _, err := eval.ReadQrels(strings.NewReader(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got error %v, want %q", test.text, err, test.want)
		}
	}
}

func TestGroups(t *testing.T) {
	set := func(layout string, ids ...string) *eval.Set {
		s := &eval.Set{Layout: layout}
		for _, id := range ids {
			s.Questions = append(s.Questions, eval.Question{ID: id})
		}
		return s
	}
	names, members := set(eval.Conversations, "U:1", "H:1", "U:2").Groups()
	if diff := cmp.Diff([]string{"U", "H"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string][]int{"U": {0, 2}, "H": {1}}, members); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, s := range []*eval.Set{
		set(eval.Queries, "U:1", "H:1"), set(eval.Conversations, "U:1", "H"), set(eval.Conversations, "U:1", "U:2"),
		set(eval.Conversations, "1:", "2:", "3:", "4:", "5:", "6:", "7:", "8:", "9:"),
	} {
		if names, members := s.Groups(); names != nil || members != nil {
			t.Errorf("got %v of %v, want no groups", names, s.Questions)
		}
	}
}

// Whatever is read as judgements, grades are finite and nDCG stays within
// [0, 1].
func FuzzReadQrels(f *testing.F) {
	f.Add([]byte("q1\td1\t1\nq1\td2\t0\nq2\td 3\t2\n"))
	f.Add([]byte("query-id\tcorpus-id\tscore\nq1\td1\t1\n"))
	f.Add([]byte("q1 d1 -1\nq1 d2 1e6\nq1 d3 1e-300"))
	f.Fuzz(func(t *testing.T, b []byte) {
		grades, err := eval.ReadQrels(bytes.NewReader(b))
		if err != nil {
			return
		}
		for query, g := range grades {
			var ranking []string
			for id, grade := range g {
				if math.IsNaN(grade) || math.IsInf(grade, 0) {
					t.Errorf("%q: got grade %v, want a finite one", query, grade)
				}
				ranking = append(ranking, id)
			}
			if n := eval.NDCG(ranking, g, 10); !(n >= 0 && n <= 1) {
				t.Errorf("%q: got nDCG %v, want 0 to 1", query, n)
			}
		}
	})
}

// Whatever questions.jsonl holds, it opens or is an error that names the
// folder.
func FuzzOpen(f *testing.F) {
	f.Add(`{"_id":"c0","doc":"x","question":"x","spans":[[0,1]]}`)
	f.Add(`{"_id":1,"doc":"x","messages":[{"role":"user","content":"x"}],"spans":[[0,1],[5,9]]}`)
	f.Add(`{"_id":null,"spans":[[1]]}`)
	f.Fuzz(func(t *testing.T, questions string) {
		dir := folder(t, map[string]string{"corpora/x.md": "text", "questions.jsonl": questions})
		set, err := eval.Open(dir)
		if err != nil && !strings.Contains(err.Error(), dir) {
			t.Errorf("got error %v, want one that names %s", err, dir)
		}
		if err == nil && len(set.Questions) == 0 {
			t.Error("got a set without questions, want an error")
		}
	})
}
