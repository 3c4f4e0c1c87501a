package eval_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ragproxy/ragproxy/retrieval/eval"
)

// randomScores are the scores of n questions, uniform in [0, 1].
func randomScores(seed uint64, n int) []float64 {
	rng := rand.New(rand.NewPCG(seed, seed))
	out := make([]float64, n)
	for i := range out {
		out[i] = rng.Float64()
	}
	return out
}

func TestInterval(t *testing.T) {
	values := randomScores(7, 400)
	low, high := eval.Interval(values)
	if l, h := eval.Interval(values); l != low || h != high {
		t.Errorf("got [%v, %v] and then [%v, %v], want the same", low, high, l, h)
	}
	// The standard error of the mean of 400 uniform values is
	// sqrt(1/12)/20 = .0144, so the interval is about .0566 wide.
	if width := high - low; math.Abs(width-.0566) > .008 {
		t.Errorf("got a width of %.4f, want about .0566", width)
	}
	if low > .5 || high < .5 {
		t.Errorf("got [%.3f, %.3f], want .5 in it", low, high)
	}
	for _, test := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{.3}, .3}, {[]float64{1, 1, 1}, 1}} {
		if low, high := eval.Interval(test.values); low != test.want || high != test.want {
			t.Errorf("interval of %v: got [%v, %v], want %v", test.values, low, high, test.want)
		}
	}
}

// Of 200 samples, nearly all 95% intervals hold the true mean.
func TestIntervalCoverage(t *testing.T) {
	held := 0
	for seed := range uint64(200) {
		if low, high := eval.Interval(randomScores(seed, 50)); low <= .5 && .5 <= high {
			held++
		}
	}
	if held < 178 || held > 199 {
		t.Errorf("got the true mean in %d of 200 intervals, want about 190", held)
	}
}

func TestCompare(t *testing.T) {
	base := randomScores(1, 100)
	shifted := func(by float64, noise []float64) []float64 {
		out := make([]float64, len(base))
		for i := range out {
			out[i] = base[i] + by + .2*(noise[i]-.5)
		}
		return out
	}
	none := make([]float64, len(base))
	for i := range none {
		none[i] = .5
	}
	for _, test := range []struct {
		name string
		a, b []float64
		diff float64
		real bool
	}{
		{"equal", base, base, 0, false},
		{"better by the same everywhere", shifted(.1, none), base, .1, true},
		{"worse", base, shifted(.1, none), -.1, true},
		{"noise", shifted(0, randomScores(2, 100)), base, 0, false},
		{"better in spite of noise", shifted(.1, randomScores(2, 100)), base, .1, true},
		{"no questions", nil, nil, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := eval.Compare(test.a, test.b)
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(c.Difference-test.diff) > .02 || c.Real() != test.real || c.Low > c.Difference+1e-9 || c.High < c.Difference-1e-9 {
				t.Errorf("got %+v, real %v, want a difference of %v, real %v", c, c.Real(), test.diff, test.real)
			}
			if again, _ := eval.Compare(test.a, test.b); again != c {
				t.Errorf("got %+v and then %+v, want the same", c, again)
			}
		})
	}
	if c, _ := eval.Compare(base, base); c != (eval.Comparison{P: 1}) {
		t.Errorf("equal runs: got %+v, want no difference and a p of 1", c)
	}
	if _, err := eval.Compare(base, base[1:]); err == nil {
		t.Error("got no error for runs of different length, want one")
	}
}

// By chance alone, p is below .05 about one time in twenty.
func TestCompareFalseAlarms(t *testing.T) {
	alarms := 0
	for seed := range uint64(200) {
		c, err := eval.Compare(randomScores(2*seed, 30), randomScores(2*seed+1, 30))
		if err != nil {
			t.Fatal(err)
		}
		if c.P < .05 {
			alarms++
		}
	}
	if alarms < 2 || alarms > 20 {
		t.Errorf("got %d of 200 comparisons of noise below .05, want about 10", alarms)
	}
}
