package proxy

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
)

// TestSaysTooLong has the errors as the servers write them.
func TestSaysTooLong(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		want bool
	}{
		"openai":        {`{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. Please reduce the length of the messages.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`, true},
		"openai, newer": {`{"error":{"message":"Your input exceeds the context window of this model. Please adjust your input and try again.","type":"invalid_request_error","param":"input","code":"context_length_exceeded"}}`, true},
		"vllm, flat":    {`{"object":"error","message":"This model's maximum context length is 6048 tokens. However, you requested 6616 tokens (568 in the messages, 6048 in the completion). Please reduce the length of the messages or completion.","type":"BadRequestError","param":null,"code":400}`, true},
		"vllm":          {`{"error":{"message":"'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 4096 tokens and your request has 30 input tokens","type":"BadRequestError","param":"max_tokens","code":400}}`, true},
		"vllm, old":     {`{"object":"error","message":"max_tokens must be at least 1, got -186.","type":"BadRequestError","param":null,"code":400}`, true},
		"llama.cpp":     {`{"error":{"code":400,"message":"request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9412,"n_ctx":8192}}`, true},
		"llama-cpp-py":  {`{"error":{"message":"Requested tokens (2285) exceed context window of 2048","type":"internal_server_error","param":null,"code":null}}`, true},
		"ollama":        {`{"error":{"message":"prompt too long; exceeded max context length by 100918 tokens","type":"invalid_request_error","param":null,"code":null}}`, true},
		"ollama, plain": {`{"error":"the input length exceeds the context length"}`, true},
		"anthropic":     {`{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 215000 tokens > 200000 maximum"}}`, true},
		"anthropic, 2":  {"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000\"}}", true},
		"mistral":       {`{"object":"error","message":"Prompt contains 40911 tokens and 0 draft tokens, too large for model with 32768 maximum context length","type":"invalid_request_invalid_args","code":"3051"}`, true},
		"litellm":       {`{"error":{"message":"litellm.ContextWindowExceededError: litellm.BadRequestError: AnthropicException - too much","type":null,"param":null,"code":"400"}}`, true},
		"openrouter":    {`{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"This model's maximum context length is 8192 tokens\"}}","provider_name":"x"}}}`, true},
		"tgi":           {"{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 100 `max_new_tokens`\",\"error_type\":\"validation\"}", true},

		"answer too long":  {`{"error":{"message":"max_tokens is too large: 6000. This model supports at most 4096 completion tokens, whereas you provided 6000.","type":"invalid_request_error","param":"max_tokens","code":"invalid_value"}}`, false},
		"another fault":    {`{"error":{"message":"Invalid 'temperature'","type":"invalid_request_error","param":"temperature","code":"decimal_above_max_value"}}`, false},
		"request repeated": {`{"error":{"message":"messages.0: unknown role","code":400},"input":"what is the maximum context length?"}`, false},
		"no JSON":          {`<html>maximum context length</html>`, false},
		"nothing":          {``, false},
		"no object":        {`"maximum context length"`, false},
	} {
		if got := saysTooLong([]byte(tt.body)); got != tt.want {
			t.Errorf("%s: got %t, want %t", name, got, tt.want)
		}
	}
}

const refusal = `{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`

// passages counts the passages in a request; testdata/answer.tmpl names them.
func passages(body []byte) int {
	n := 0
	for _, text := range []string{"Planning breaks", "Memory"} {
		if strings.Contains(string(body), text) {
			n++
		}
	}
	return n
}

// TestFewerPassages has an upstream with room for so many passages.
func TestFewerPassages(t *testing.T) {
	for _, tt := range []struct {
		name  string
		room  int
		gzip  bool
		asked []int
		found int64 // sources in retrieval.done and in the summary
		ok    bool
	}{
		{"all", 2, false, []int{2}, 2, true},
		{"half", 1, false, []int{2, 1}, 1, true},
		{"half, compressed", 1, true, []int{2, 1}, 1, true},
		{"none", 0, false, []int{2, 1, 0}, 0, true},
		{"not even none", -1, false, []int{2, 1, 0}, 0, false},
	} {
		for _, stream := range []bool{true, false} {
			var asked []int
			base := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				n := passages(body)
				if len(asked) > 0 && r.Header.Get("Idempotency-Key") != "" {
					t.Errorf("%s: the second request has the key of the first", tt.name)
				}
				asked = append(asked, n)
				if n <= tt.room {
					answerTo(w, stream)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Request-Id", "theirs")
				if tt.gzip {
					w.Header().Set("Content-Encoding", "gzip")
				}
				w.WriteHeader(http.StatusBadRequest)
				w.Write(packed(refusal, tt.gzip))
			}, nil)
			body := `{"model":"m","stream":` + map[bool]string{true: "true", false: "false"}[stream] + `,"messages":[{"role":"user","content":"q"}]}`
			resp, err := postWithKey(t, base, body)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.asked, asked); diff != "" {
				t.Errorf("%s: passages sent (-want +got):\n%s", tt.name, diff)
			}
			if !tt.ok {
				if resp.StatusCode != http.StatusBadRequest || string(got) != refusal || resp.Header.Get("X-Request-Id") != "theirs" {
					t.Errorf("%s: got %d %s, want the upstream's own refusal", tt.name, resp.StatusCode, got)
				}
				continue
			}
			for _, n := range told(got, stream) {
				if n != tt.found {
					t.Errorf("%s, stream %t: got %d sources told, want %d, in %s", tt.name, stream, n, tt.found, got)
				}
			}
		}
	}
}

// told is how many sources each part of an answer names that has any.
func told(body []byte, stream bool) []int64 {
	if !stream {
		return []int64{gjson.GetBytes(body, "rag.sources.#").Int()}
	}
	var out []int64
	for line := range bytes.Lines(body) {
		if rag := gjson.GetBytes(bytes.TrimPrefix(line, []byte("data: ")), "rag.sources"); rag.Exists() {
			out = append(out, rag.Get("#").Int())
		}
	}
	return out
}

func answerTo(w http.ResponseWriter, stream bool) {
	if !stream {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"u","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}`)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, "data: {\"id\":\"u\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"yes\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
}

func packed(text string, compress bool) []byte {
	if !compress {
		return []byte(text)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, text)
	z.Close()
	return b.Bytes()
}

// TestFewerPassagesLive has the client read the first retrieval.done before:
// the second says what was sent.
func TestFewerPassagesLive(t *testing.T) {
	base := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if passages(body) > 1 {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, refusal)
			return
		}
		answerTo(w, true)
	}, nil)
	resp, err := postChat(t, t.Context(), base, `{"model":"m","stream":true,"messages":[{"role":"user","content":"q"}],"rag":{"live":true}}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{2, 1, 1}, told(got, true)); diff != "" { // done, done, summary
		t.Errorf("sources told (-want +got):\n%s\n%s", diff, got)
	}
}

func postWithKey(t *testing.T, base, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", "k")
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	t.Cleanup(client.CloseIdleConnections)
	resp, err := client.Do(req)
	if err == nil {
		t.Cleanup(func() { resp.Body.Close() })
	}
	return resp, err
}
