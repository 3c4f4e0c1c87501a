package eval

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/retrieval"
)

// cutOff is where a ranking of documents ends for nDCG and MRR.
const cutOff = 10

// measure scores what was found for one question, 0 to 1.
type measure struct {
	name string
	of   func(Question, []retrieval.Source) float64
}

// measures are those of the set's layout, the most telling first.
func (s *Set) measures(topK int) []measure {
	switch s.Layout {
	case Spans:
		return []measure{{fmt.Sprintf("covered@%d", topK), func(q Question, found []retrieval.Source) float64 {
			return Covered(q.Spans, chunks(found))
		}}}
	case Strings:
		return []measure{{fmt.Sprintf("contained@%d", topK), func(q Question, found []retrieval.Source) float64 {
			return Contained(q.MustContain, chunks(found))
		}}}
	}
	ranked := func(name string, score func([]string, map[string]float64, int) float64, k int) measure {
		return measure{name, func(q Question, found []retrieval.Source) float64 {
			return score(ids(documents(found)), q.Grades, k)
		}}
	}
	return []measure{
		ranked(ndcgName, NDCG, cutOff), ranked("r@4", Recall, 4), ranked("r@5", Recall, 5), ranked("mrr", ReciprocalRank, cutOff),
	}
}

const ndcgName = "ndcg@10"

func chunks(found []retrieval.Source) []index.Chunk {
	out := make([]index.Chunk, len(found))
	for i, s := range found {
		out[i] = s.Chunk
	}
	return out
}

func ids(ranking []Ranked) []string {
	out := make([]string, len(ranking))
	for i, r := range ranking {
		out[i] = r.Document
	}
	return out
}

// NDCG is the normalised discounted cumulative gain of the first k of a
// ranking without repetitions, 0 to 1. A document's gain is its grade, and
// none for a grade below 0 (Järvelin, Kekäläinen: Cumulated gain-based
// evaluation of IR techniques, ACM TOIS 2002; trec_eval's ndcg_cut). 0 where
// no grade is above 0.
func NDCG(ranking []string, grades map[string]float64, k int) float64 {
	var ideal []float64
	for _, g := range grades {
		ideal = append(ideal, max(0, g))
	}
	slices.SortFunc(ideal, func(a, b float64) int { return cmp.Compare(b, a) })
	best := discounted(ideal, k)
	if best == 0 {
		return 0
	}
	gains := make([]float64, min(k, len(ranking)))
	for i := range gains {
		gains[i] = max(0, grades[ranking[i]])
	}
	return min(1, discounted(gains, k)/best)
}

func discounted(gains []float64, k int) float64 {
	var sum float64
	for i, g := range gains[:min(k, len(gains))] {
		sum += g / math.Log2(float64(i)+2)
	}
	return sum
}

// Recall is the share of the relevant documents (grade above 0) that are
// among the first k; 0 where there are none.
func Recall(ranking []string, grades map[string]float64, k int) float64 {
	all := relevant(grades)
	if all == 0 {
		return 0
	}
	n := 0
	for _, id := range ranking[:min(k, len(ranking))] {
		if grades[id] > 0 {
			n++
		}
	}
	return float64(n) / float64(all)
}

// ReciprocalRank is 1 divided by the rank of the first relevant document, 0 if
// there is none among the first k. Its mean is the MRR.
func ReciprocalRank(ranking []string, grades map[string]float64, k int) float64 {
	for i, id := range ranking[:min(k, len(ranking))] {
		if grades[id] > 0 {
			return 1 / float64(i+1)
		}
	}
	return 0
}

func relevant(grades map[string]float64) int {
	n := 0
	for _, g := range grades {
		if g > 0 {
			n++
		}
	}
	return n
}

// Covered is the share of the characters of want that lie in a chunk, each
// counted once (the recall of Smith, Troynikov: Evaluating Chunking Strategies
// for Retrieval, Chroma 2024).
func Covered(want Spanned, found []index.Chunk) float64 {
	var have []Span
	for _, c := range found {
		if c.DocumentID == want.Document {
			have = append(have, Span{c.Start, c.End})
		}
	}
	have = union(have)
	all, covered := 0, 0
	for _, w := range union(want.Spans) {
		all += w[1] - w[0]
		for _, h := range have {
			covered += max(0, min(w[1], h[1])-max(w[0], h[0]))
		}
	}
	if all == 0 {
		return 0
	}
	return float64(covered) / float64(all)
}

// union joins spans that touch or overlap.
func union(spans []Span) []Span {
	var out []Span
	for _, s := range slices.SortedFunc(slices.Values(spans), func(a, b Span) int { return slices.Compare(a[:], b[:]) }) {
		if n := len(out); n > 0 && s[0] <= out[n-1][1] {
			out[n-1][1] = max(out[n-1][1], s[1])
			continue
		}
		out = append(out, s)
	}
	return out
}

// Contained is 1 if each of the strings is, to the letter, in the text of some
// chunk, else 0.
func Contained(want []string, found []index.Chunk) float64 {
	for _, w := range want {
		if !slices.ContainsFunc(found, func(c index.Chunk) bool { return strings.Contains(c.Text, w) }) {
			return 0
		}
	}
	return 1
}
