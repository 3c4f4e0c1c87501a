package retrieval

import (
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

// TestTokenCounts holds the counter to tiktoken's cl100k_base.
func TestTokenCounts(t *testing.T) {
	var c TokenCounter
	tests := []struct {
		text string
		want int
	}{
		{"", 0}, {"hello world", 2}, {"tiktoken is great!", 6}, {"antidisestablishmentarianism", 6}, {"2 + 2 = 4", 7}, {"お誕生日おめでとう", 9},
	}
	for _, tt := range tests {
		got, err := c.Count(tt.text, 1000)
		if err != nil || got != tt.want {
			t.Errorf("Count(%q): got %d (%v), want %d", tt.text, got, err, tt.want)
		}
	}
}

// TestTokenCountOfHostileText has words without an end and bytes that are no
// text: a count in bounded time, never less than it would be whole.
func TestTokenCountOfHostileText(t *testing.T) {
	var c TokenCounter
	for name, text := range map[string]string{
		"one word": strings.Repeat("a", 1<<20), "no text": strings.Repeat("\xff\xfe", 1<<19), "emoji": strings.Repeat("\U0001F600", 1<<17),
	} {
		n, err := c.Count(text, 1<<30)
		if err != nil || n < len(text)/16 {
			t.Errorf("%s: got %d tokens for %d bytes (%v)", name, n, len(text), err)
		}
	}
	if n, err := c.Count(strings.Repeat("word ", 1<<20), 100); err != nil || n <= 100 || n > 100+block {
		t.Errorf("got %d (%v), want some number soon above the limit of 100", n, err)
	}
}

func TestBudgetLeavesOutTheLastPassages(t *testing.T) {
	long := func(id string) index.Hit {
		h := hit(id, 1)
		h.Chunk.Text = strings.Repeat("word ", 200) + id
		return h
	}
	s := finds(index.Legs{Vector: leg(long("a"), long("b"), long("c"))})
	tests := []struct {
		name      string
		max, used int
		want      int
	}{
		{"no bound", 0, 0, 3}, {"room for all", 2000, 0, 3}, {"room for two", 800, 0, 2}, {"the request takes some", 2000, 1450, 1}, {"no room", 300, 200, 0}, {"none at all", 100, 5000, 0},
	}
	for _, tt := range tests {
		opts := options(t, s)
		opts.TopK, opts.MaxContextTokens, opts.Tokens = 3, tt.max, &TokenCounter{}
		var got tape
		res, err := New(opts).Retrieve(t.Context(), Request{Turn: "q", Tokens: tt.used}, got.on)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if len(res.Sources) != tt.want || (res.Prompt == "") != (tt.want == 0) {
			t.Errorf("%s: got %d sources and a prompt of %d bytes, want %d sources", tt.name, len(res.Sources), len(res.Prompt), tt.want)
		}
		n, err := opts.Tokens.Count(res.Prompt, 1<<20)
		if err != nil || tt.max > 0 && tt.want > 0 && n+tt.used > tt.max {
			t.Errorf("%s: prompt and request take %d tokens (%v), want at most %d", tt.name, n+tt.used, err, tt.max)
		}
	}
}
