package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/retrieval"
)

func TestTokensOfARequest(t *testing.T) {
	counter := &retrieval.TokenCounter{}
	tests := []struct {
		name, body string
		want       int
	}{
		{"a turn", `{"messages":[{"role":"user","content":"hello world"}]}`, 3 + 4 + 1 + 2},
		{"an image", `{"messages":[{"role":"user","content":[{"type":"text","text":"hello world"},{"type":"image_url","image_url":{"url":"data:,"}}]}]}`, 3 + 4 + 1 + 2 + 1445},
		{"room for the answer", `{"max_tokens":500,"messages":[{"role":"user","content":"hello world"}]}`, 3 + 4 + 1 + 2 + 500},
		{"tools", `{"tools":[{"a":"b"}],"messages":[{"role":"user","content":"hello world"}]}`, 3 + 4 + 1 + 2 + 7},
		{"nothing said", `{"messages":[{"role":"assistant","content":null},{"role":"user","content":"hello world"}]}`, 3 + 4 + 1 + 4 + 1 + 2},
	}
	for _, tt := range tests {
		req, err := parseRequest([]byte(tt.body), bounds{})
		if err != nil {
			t.Fatal(err)
		}
		s := &Server{opts: Options{MaxContextTokens: 10_000, Tokens: counter}}
		if got, err := s.tokens(req); err != nil || got != tt.want {
			t.Errorf("%s: got %d (%v), want %d", tt.name, got, err, tt.want)
		}
	}
	if got, err := (&Server{}).tokens(&chatRequest{}); got != 0 || err != nil {
		t.Errorf("without a bound: got %d (%v), want 0", got, err)
	}
}

// TestContextIsNeverExceeded asks with ever longer histories and counts what
// reaches the upstream.
func TestContextIsNeverExceeded(t *testing.T) {
	const limit = 400
	counter := &retrieval.TokenCounter{}
	var sent []byte
	base := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		sent, _ = io.ReadAll(r.Body)
		io.WriteString(w, "{}")
	}, func(o *Options) {
		*o = boundedOptions(t, o.Upstream.BaseURL, &fakeSearcher{TextLength: 150}, limit, counter)
	})
	passages := map[int]bool{}
	for words := 0; words < 400; words += 40 {
		body := `{"messages":[{"role":"assistant","content":"` + strings.Repeat("word ", words) + `"},{"role":"user","content":"q"}],"max_tokens":50,"rag":{"rewrite":"never"}}`
		resp, err := postChat(t, t.Context(), base, body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("got %v, %v", resp, err)
		}
		n := 50
		gjson.GetBytes(sent, "messages").ForEach(func(_, m gjson.Result) bool {
			k, err := counter.Count(m.Get("content").String(), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			n += k + 4
			return true
		})
		found := strings.Count(string(sent), `\n[`)
		passages[found] = true
		if found > 0 && n > limit {
			t.Errorf("%d words of history: %d tokens with %d passages, want at most %d", words, n, found, limit)
		}
	}
	if !passages[2] || !passages[0] {
		t.Errorf("got passages %v, want requests with two and with none", passages)
	}
}
