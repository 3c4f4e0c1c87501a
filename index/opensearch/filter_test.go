package opensearch

import (
	"cmp"
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

// Words of numbers sort as the numbers do, and equal numbers are one word.
func TestSortableNumber(t *testing.T) {
	texts := []string{
		"0", "-0", "0.0", "0e7", "1", "1.0", "10e-1", "-1", "-1.00", "2", "10", "9", "99", "100", "-10", "-9", "-99", "-100", "12", "123", "-12", "-123",
		"0.1", "0.01", "0.012", "0.12", "-0.1", "-0.01", "-0.012", "-0.12", "1e300", "1E+300", "-1e300", "1e-300", "-1e-300", "1e9999", "-1e9999", "1e-9999",
		"9007199254740992", "9007199254740993", "-9007199254740993", "2024", "2025.5", "12345678901234567890", "0.30000000000000004", "0.3",
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		texts = append(texts, strconv.FormatFloat((rng.Float64()-.5)*float64(int(1)<<rng.IntN(60)), 'g', rng.IntN(17)+1, 64))
	}
	for _, a := range texts {
		for _, b := range texts {
			want := number(t, a).Cmp(number(t, b))
			if got := strings.Compare(sortableNumber(a), sortableNumber(b)); got != want {
				t.Fatalf("%s and %s: the words %q and %q compare as %d, want %d", a, b, sortableNumber(a), sortableNumber(b), got, want)
			}
		}
	}
}

func number(t *testing.T, text string) *big.Float {
	f, _, err := big.ParseFloat(text, 10, 256, big.ToNearestEven)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Facts tell what filters tell: kinds apart, strings by their bytes, and no key
// with a value from another one.
func TestFacts(t *testing.T) {
	values := []any{"", "a", "b", "B", "ä", "a\x00b", "1", json.Number("1"), 2.5, true, false, nil, []any{"a"}, map[string]any{"a": "b"}, strings.Repeat("x", 9000), strings.Repeat("x", 9001)}
	for _, a := range values {
		for _, b := range values {
			va, errA := index.ToFilterValue(a)
			vb, errB := index.ToFilterValue(b)
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			want := va.IsText == vb.IsText && va.Number == vb.Number && va.Text == vb.Text
			if got := fact("k", va) == fact("k", vb); got != want {
				t.Errorf("%.20v and %.20v: got equal %v, want %v", a, b, got, want)
			}
			if va.IsText && vb.IsText && len(va.Text) < longestFact && len(vb.Text) < longestFact {
				if got, want := cmp.Compare(fact("k", va), fact("k", vb)), cmp.Compare(va.Text, vb.Text); got != want {
					t.Errorf("%q and %q: got the order %d, want %d", a, b, got, want)
				}
			}
		}
	}
	text := func(s string) index.FilterValue { return index.FilterValue{IsText: true, Text: s} }
	if fact("a", text("sb")) == fact("as", text("b")) || fact("1:k", text("x")) == fact("1", text(":kx")) {
		t.Error("got one word for two keys")
	}
	for _, long := range []string{strings.Repeat("ä", 9000), strings.Repeat("x", 40_000)} {
		if n := len(fact(long, text(long))); n > 32_766 {
			t.Errorf("got a word of %d bytes, Lucene takes 32766", n)
		}
	}
}
