package eval_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/retrieval/eval"
)

// The values are computed by hand: the gain at rank 1 counts 1, at rank 2
// 1/log2(3) = .63093, at rank 3 1/2, at rank 4 .43068.
func TestMetrics(t *testing.T) {
	one := map[string]float64{"a": 1}
	graded := map[string]float64{"a": 2, "b": 1, "c": 0, "d": -1}
	for _, test := range []struct {
		name            string
		ranking         []string
		grades          map[string]float64
		k               int
		ndcg, r, mrrank float64
	}{
		{"first", []string{"a", "x"}, one, 10, 1, 1, 1},
		{"second", []string{"x", "a"}, one, 10, .63093, 1, .5},
		{"third", []string{"x", "y", "a"}, one, 10, .5, 1, 1. / 3},
		{"cut off", []string{"x", "y", "a"}, one, 2, 0, 0, 0},
		{"nothing found", nil, one, 10, 0, 0, 0},
		{"nothing judged", []string{"a"}, nil, 10, 0, 0, 0},
		{"nothing relevant", []string{"c", "d"}, map[string]float64{"c": 0, "d": -1}, 10, 0, 0, 0},
		{"grades in order", []string{"a", "b"}, graded, 10, 1, 1, 1},
		// (1 + 2*.63093) / (2 + 1*.63093)
		{"grades swapped", []string{"b", "a"}, graded, 10, .85972, 1, 1},
		// A grade below 0 is no loss: 2*.63093 / (2 + .63093).
		{"below 0 first", []string{"d", "a"}, graded, 10, .47963, .5, .5},
		// The ideal ends at k, too: both of 1 and 2 fit in, the third cannot.
		{"more relevant than k", []string{"a", "b"}, map[string]float64{"a": 1, "b": 1, "c": 1}, 2, 1, 2. / 3, 1},
		// (.63093 + .43068) / (1 + .63093)
		{"second and fourth", []string{"x", "a", "y", "b"}, map[string]float64{"a": 1, "b": 1}, 10, .65092, 1, .5},
	} {
		t.Run(test.name, func(t *testing.T) {
			near(t, "NDCG", eval.NDCG(test.ranking, test.grades, test.k), test.ndcg)
			near(t, "Recall", eval.Recall(test.ranking, test.grades, test.k), test.r)
			near(t, "ReciprocalRank", eval.ReciprocalRank(test.ranking, test.grades, test.k), test.mrrank)
		})
	}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-5 {
		t.Errorf("%s: got %.6f, want %.6f", what, got, want)
	}
}

// However a ranking is made, nDCG lies in [0, 1], is 1 for the ideal order,
// and does not fall when a document moves up past one of a lower grade.
func TestNDCGProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5_000 {
		grades := map[string]float64{}
		var ranking []string
		for i := range 1 + rng.IntN(15) {
			id := strconv.Itoa(i)
			if rng.IntN(4) > 0 {
				grades[id] = float64(rng.IntN(5)-1) * rng.Float64()
			}
			if rng.IntN(3) > 0 {
				ranking = append(ranking, id)
			}
		}
		rng.Shuffle(len(ranking), func(i, j int) { ranking[i], ranking[j] = ranking[j], ranking[i] })
		k := 1 + rng.IntN(12)
		got := eval.NDCG(ranking, grades, k)
		if !(got >= 0 && got <= 1) {
			t.Fatalf("got %v for %v of %v, want 0 to 1", got, ranking, grades)
		}
		for i := 1; i < len(ranking); i++ {
			if grades[ranking[i]] > grades[ranking[i-1]] {
				ranking[i], ranking[i-1] = ranking[i-1], ranking[i]
				better := eval.NDCG(ranking, grades, k)
				if better < got-1e-12 {
					t.Fatalf("got %v after a better document moved up, want at least %v", better, got)
				}
				got = better
			}
		}
	}
}

func TestCovered(t *testing.T) {
	chunk := func(doc string, start, end int) index.Chunk {
		return index.Chunk{DocumentID: doc, Start: start, End: end}
	}
	want := eval.Spanned{Document: "d", Spans: []eval.Span{{10, 20}, {15, 30}, {50, 60}}} // 30 characters
	for _, test := range []struct {
		name   string
		chunks []index.Chunk
		want   float64
	}{
		{"none", nil, 0},
		{"all", []index.Chunk{chunk("d", 0, 100)}, 1},
		{"another document", []index.Chunk{chunk("e", 0, 100)}, 0},
		{"half of each", []index.Chunk{chunk("d", 20, 55)}, .5},
		{"overlapping chunks count once", []index.Chunk{chunk("d", 10, 18), chunk("d", 12, 25)}, .5},
		{"the end is exclusive", []index.Chunk{chunk("d", 0, 10), chunk("d", 30, 50), chunk("d", 60, 70)}, 0},
	} {
		t.Run(test.name, func(t *testing.T) { near(t, "Covered", eval.Covered(want, test.chunks), test.want) })
	}
	near(t, "Covered without spans", eval.Covered(eval.Spanned{Document: "d"}, []index.Chunk{chunk("d", 0, 9)}), 0)
}

func TestContained(t *testing.T) {
	chunks := []index.Chunk{{Text: "Planning and memory"}, {Text: "tools"}}
	for _, test := range []struct {
		want   []string
		reward float64
	}{
		{[]string{"Planning", "tools"}, 1},
		{[]string{"Planning", "Tools"}, 0},
		{[]string{"memory\ntools"}, 0},
		{[]string{"memory", "reflection"}, 0},
	} {
		near(t, test.want[0], eval.Contained(test.want, chunks), test.reward)
	}
}
