package embed

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestBatches(t *testing.T) {
	long := strings.Repeat("x", 3000) // about 1,001 tokens
	for _, tc := range []struct {
		name         string
		texts        []string
		size, tokens int
		want         []int
	}{
		{"none", nil, 2, 100, nil},
		{"by count", []string{"a", "b", "c", "d", "e"}, 2, 100, []int{2, 2, 1}},
		{"exactly full", []string{"a", "b"}, 2, 100, []int{2}},
		{"by tokens", []string{long, long, long}, 64, 2500, []int{2, 1}},
		{"one too long", []string{"a", long, "b"}, 64, 500, []int{1, 1, 1}},
		{"one too long first", []string{long, "b", "c"}, 64, 500, []int{1, 2}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []int
			var all []string
			for _, b := range batches(tc.texts, tc.size, tc.tokens) {
				got = append(got, len(b))
				all = append(all, b...)
			}
			if !slices.Equal(got, tc.want) || !slices.Equal(all, tc.texts) {
				t.Errorf("got %v, want %v and every text once, in order", got, tc.want)
			}
		})
	}
}

// The counts are those of cl100k_base.
func TestEstimateIsNotTooLow(t *testing.T) {
	for text, least := range map[string]int{
		"The quick brown fox jumps over the lazy dog.":     10,
		"if err != nil { return fmt.Errorf(\"%w\", err) }": 14,
		"你好世界": 5,
	} {
		if got := estimateTokens(text); got < least || got > 10*least {
			t.Errorf("%q: got %d, want at least %d", text, got, least)
		}
	}
}

func FuzzDecodeAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"data":[{"index":0,"embedding":[1,2]}]}`, `{"data":[{"index":1,"embedding":[1]},{"embedding":[2]}]}`,
		`{"data":[{"index":0,"embedding":"AACAPw=="}]}`, `{"error":{"message":"x","code":1}}`, `{"data":[{"embedding":[1,null]}]}`,
		`{"data":[{"embedding":[]}]}`, `{"data":null}`, `[]`, ``, `{"data":[{"embedding":"\u0041"}]}`, `{"error":"x"}`,
	} {
		f.Add([]byte(seed), 1)
		f.Add([]byte(seed), 2)
	}
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		if n < 1 {
			n = 1
		}
		vectors, err := decodeAnswer(body, n)
		if err != nil {
			return
		}
		if len(vectors) != n || !json.Valid(body) {
			t.Fatalf("got %d vectors of %q, want %d or an error", len(vectors), body, n)
		}
		for _, v := range vectors {
			if len(v) == 0 || len(v) != len(vectors[0]) {
				t.Fatalf("got vectors of %d and %d dimensions, want one length", len(v), len(vectors[0]))
			}
			for _, x := range v {
				if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
					t.Fatalf("got %v, want finite numbers", x)
				}
			}
		}
	})
}

func FuzzErrorBody(f *testing.F) {
	for _, seed := range []string{``, `{"error":{"message":"x","code":"y"}}`, `{"error":[1]}`, `<html>`, "{\"error\":\"\xff\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, message := errorBody(body)
		if len([]rune(message)) > 301 || strings.ContainsAny(message, "\r\n") {
			t.Fatalf("got %q, want one short line", message)
		}
	})
}
