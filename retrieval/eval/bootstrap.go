package eval

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
)

const (
	resamples    = 1_000
	permutations = 10_000
)

// generator always begins the same sequence, so that the same scores have the
// same interval.
func generator() *rand.Rand { return rand.New(rand.NewPCG(20, 26)) }

// Mean is a mean over questions with its 95% interval.
type Mean struct {
	Measure          string
	Value, Low, High float64
}

// Summary is a report, or a part of it, in one number a measure.
type Summary struct {
	Queries int
	Means   []Mean
}

// All summarises the whole report.
func (r *Report) All() Summary {
	every := make([]int, len(r.Scores))
	for i := range every {
		every[i] = i
	}
	return r.Of(every)
}

// Of summarises some of the questions, named by their positions.
func (r *Report) Of(questions []int) Summary {
	s := Summary{Queries: len(questions)}
	for m, name := range r.Measures {
		values := make([]float64, len(questions))
		for i, q := range questions {
			values[i] = r.Scores[q][m]
		}
		low, high := Interval(values)
		s.Means = append(s.Means, Mean{name, mean(values), low, high})
	}
	return s
}

// Interval is the 95% interval of the mean of values, by the percentiles of
// 1,000 bootstrap resamples; the same values in the same order give the same
// interval. No values give 0, 0.
func Interval(values []float64) (low, high float64) {
	n := len(values)
	if n == 0 {
		return 0, 0
	}
	rng := generator()
	means := make([]float64, resamples)
	for i := range means {
		var sum float64
		for range n {
			sum += values[rng.IntN(n)]
		}
		means[i] = sum / float64(n)
	}
	slices.Sort(means)
	return means[resamples*25/1000], means[resamples*975/1000-1]
}

// Comparison is the mean of one run's scores less that of another.
type Comparison struct {
	Difference, Low, High float64 // 95% interval of paired bootstrap resamples
	// P is how often runs that differ by chance only would differ as much:
	// Fisher's randomisation test, two-sided, 10,000 permutations (Smucker,
	// Allan, Carterette: A Comparison of Statistical Significance Tests for
	// Information Retrieval Evaluation, CIKM 2007).
	P float64
}

// Real says whether the difference is more than chance: P is below .05 and the
// interval leaves 0 out.
func (c Comparison) Real() bool { return c.P < .05 && (c.Low > 0 || c.High < 0) }

// Compare compares the scores of two runs on the same questions; a[i] and b[i]
// belong to the same one.
func Compare(a, b []float64) (Comparison, error) {
	if len(a) != len(b) {
		return Comparison{}, errors.New("compare runs: they do not answer the same questions")
	}
	diff := make([]float64, len(a))
	for i := range a {
		diff[i] = a[i] - b[i]
	}
	low, high := Interval(diff)
	return Comparison{mean(diff), low, high, randomised(diff)}, nil
}

// randomised flips the signs of the differences at random and counts how often
// their mean is as far from 0 as it was.
func randomised(diff []float64) float64 {
	const rounding = 1e-12 // equal sums may differ by it
	observed := math.Abs(mean(diff)) - rounding
	rng := generator()
	asFar := 1 // what was observed is one of the permutations
	for range permutations {
		var sum float64
		for _, d := range diff {
			if rng.Uint64()&1 == 0 {
				d = -d
			}
			sum += d
		}
		if len(diff) == 0 || math.Abs(sum/float64(len(diff))) >= observed {
			asFar++
		}
	}
	return float64(asFar) / (permutations + 1)
}

func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	if len(values) == 0 {
		return 0
	}
	return sum / float64(len(values))
}
