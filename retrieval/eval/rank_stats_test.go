package eval_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/embed/minilm"
	"github.com/ragproxy/ragproxy/index/load"
	"github.com/ragproxy/ragproxy/retrieval"
	"github.com/ragproxy/ragproxy/retrieval/eval"
)

var update = flag.Bool("update", false, "write testdata/rank_stats.txt anew")

// sampleQuestion is a line of testdata/questions.jsonl. Relevant are strings
// of the sample, each of which some chunk holds.
type sampleQuestion struct {
	ID       string   `json:"_id"`
	Question string   `json:"question"`
	Relevant []string `json:"relevant"`
}

// TestRankStats holds what the whole search finds in the shipped sample to
// testdata/rank_stats.txt, so that a change of ranking is a diff. With -update
// the file is written anew.
func TestRankStats(t *testing.T) {
	if raceEnabled {
		t.Skip("the embedder is too slow under the race detector")
	}
	embedder, err := minilm.New(minilm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	loader, err := load.Open(filepath.Join("..", "..", "testdata", "sample"),
		load.Options{Classes: []string{"post-title", "post-header", "post-content"}})
	if err != nil {
		t.Fatal(err)
	}
	idx := build(t, embedder, loader)
	questions := sampleQuestions(t)
	var head, tail strings.Builder
	fmt.Fprintf(&head, "%d questions about testdata/sample\n\nleg       MRR   R@1   R@4   nDCG@10\n", len(questions))
	ranks := make([][]string, len(questions))
	for _, leg := range []struct {
		name   string
		weight float64
	}{{"vector", 1}, {"bm25", 0}, {"hybrid", .5}} {
		sums := [4]float64{}
		for i, q := range questions {
			scores, rank := sampleScores(t, idx, leg.weight, q)
			for m, s := range scores {
				sums[m] += s / float64(len(questions))
			}
			ranks[i] = append(ranks[i], rank)
		}
		fmt.Fprintf(&head, "%-8s  %.3f %.3f %.3f %.3f\n", leg.name, sums[0], sums[1], sums[2], sums[3])
	}
	fmt.Fprintf(&tail, "\nrank of the first relevant passage, - if not among the first 10\nvector  bm25  hybrid\n")
	for i, q := range questions {
		fmt.Fprintf(&tail, "%6s  %4s  %6s  %s\n", ranks[i][0], ranks[i][1], ranks[i][2], q.ID)
	}
	golden(t, "rank_stats.txt", head.String()+tail.String())
}

// sampleScores are MRR, R@1, R@4 and nDCG@10 of one question, and the rank of
// the first relevant passage.
func sampleScores(t *testing.T, idx *index.Index, weight float64, q sampleQuestion) ([4]float64, string) {
	t.Helper()
	found, err := pipeline(t, idx, weight).Search(t.Context(), retrieval.SearchRequest{Query: q.Question, Collection: collection, TopK: 40})
	if err != nil || len(found.Failed) > 0 {
		t.Fatal(err, found.Failed)
	}
	// What is ranked are the relevant strings, each where its best chunk is:
	// where chunks overlap two hold it.
	var ranking []string
	for _, s := range found.Sources {
		held := slices.DeleteFunc(slices.Clone(q.Relevant), func(r string) bool { return !strings.Contains(s.Chunk.Text, r) })
		if len(held) == 0 {
			held = []string{s.Chunk.ID}
		}
		for _, r := range held {
			if !slices.Contains(ranking, r) {
				ranking = append(ranking, r)
			}
		}
	}
	grades := map[string]float64{}
	for _, r := range q.Relevant {
		if grades[r] = 1; weight == 1 && !slices.Contains(ranking, r) { // the vector leg alone ranks every chunk
			t.Fatalf("question %s: no chunk of the sample holds %q", q.ID, r)
		}
	}
	mrr, rank := eval.ReciprocalRank(ranking, grades, 10), "-"
	if mrr > 0 {
		rank = fmt.Sprintf("%.0f", 1/mrr)
	}
	return [4]float64{mrr, eval.Recall(ranking, grades, 1), eval.Recall(ranking, grades, 4), eval.NDCG(ranking, grades, 10)}, rank
}

func sampleQuestions(t *testing.T) []sampleQuestion {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "questions.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []sampleQuestion
	for dec := json.NewDecoder(bytes.NewReader(b)); dec.More(); {
		var q sampleQuestion
		if err := dec.Decode(&q); err != nil {
			t.Fatal(err)
		}
		all = append(all, q)
	}
	return all
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("the ranking changed; if it is meant to, run this test with -update (-want +got):\n%s", diff)
	}
}
