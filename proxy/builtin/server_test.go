package builtin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// send serves one request and gives status, content type and body.
func send(t *testing.T, method, path, body string, header http.Header) (int, string, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	New(Options{}).ServeHTTP(w, r)
	return w.Code, w.Header().Get("Content-Type"), w.Body.String()
}

var volatile = regexp.MustCompile(`"id":"chatcmpl-[0-9a-f]{24}"|"created":\d{10}`)

// stable hides what differs from reply to reply.
func stable(s string) string {
	return volatile.ReplaceAllStringFunc(s, func(m string) string {
		name, _, _ := strings.Cut(m, ":")
		return name + ":X"
	})
}

func rewriteHeader() http.Header { return http.Header{"X-Rag-Purpose": {"rewrite"}} }

const followUp = `"messages":[{"role":"system","content":"s"},{"role":"user","content":"What is HNSW?"},` +
	`{"role":"assistant","content":"A graph."},{"role":"user","content":[{"type":"text","text":"How fast is it?"},{"type":"image_url","image_url":{"url":"data:,"}}]}]`

func TestObjectShape(t *testing.T) {
	status, contentType, body := send(t, "POST", "/v1/chat/completions", `{"model":"gpt-4o","n":2,`+followUp+`}`, rewriteHeader())
	want := `{"id":X,"object":"chat.completion","created":X,"model":"builtin-extractive","choices":[` +
		`{"index":0,"message":{"role":"assistant","content":"How fast is HNSW?","refusal":null},"logprobs":null,"finish_reason":"stop"},` +
		`{"index":1,"message":{"role":"assistant","content":"How fast is HNSW?","refusal":null},"logprobs":null,"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":10,"completion_tokens":8,"total_tokens":18},"system_fingerprint":"builtin-extractive-not-a-language-model"}` + "\n"
	if status != 200 || contentType != "application/json" {
		t.Errorf("got %d %s, want 200 application/json", status, contentType)
	}
	if diff := cmp.Diff(want, stable(body)); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestStreamShape(t *testing.T) {
	chunk := func(choices, usage string) string {
		return `data: {"id":X,"object":"chat.completion.chunk","created":X,"model":"builtin-extractive","system_fingerprint":"builtin-extractive-not-a-language-model",` +
			`"choices":[` + choices + `]` + usage + `}` + "\n\n"
	}
	choice := func(index int, delta, finish string) string {
		return fmt.Sprintf(`{"index":%d,"delta":%s,"logprobs":null,"finish_reason":%s}`, index, delta, finish)
	}
	for _, usage := range []bool{false, true} {
		body, null, last := `{"stream":true,`, "", ""
		if usage {
			body += `"stream_options":{"include_usage":true},`
			null = `,"usage":null`
			last = chunk("", `,"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}`)
		}
		want := chunk(choice(0, `{"role":"assistant","content":""}`, "null"), null)
		for _, word := range []string{"How", " fast", " is", " HNSW?"} {
			want += chunk(choice(0, `{"content":"`+word+`"}`, "null"), null)
		}
		want += chunk(choice(0, `{}`, `"stop"`), null) + last + "data: [DONE]\n\n"
		status, contentType, got := send(t, "POST", "/v1/chat/completions", body+followUp+`}`, rewriteHeader())
		if status != 200 || contentType != "text/event-stream; charset=utf-8" {
			t.Errorf("got %d %s, want 200 text/event-stream", status, contentType)
		}
		if diff := cmp.Diff(want, stable(got)); diff != "" {
			t.Errorf("stream, usage %v (-want +got):\n%s", usage, diff)
		}
	}
}

func TestStreamChoices(t *testing.T) {
	_, _, body := send(t, "POST", "/v1/chat/completions", `{"stream":true,"n":3,`+followUp+`}`, rewriteHeader())
	for index := range 3 {
		text := ""
		for line := range strings.Lines(body) {
			var c struct {
				Choices []struct {
					Index int
					Delta struct{ Content string }
				}
			}
			data, ok := strings.CutPrefix(line, "data: {")
			if !ok {
				continue
			}
			if err := json.Unmarshal([]byte("{"+data), &c); err != nil {
				t.Fatal(err)
			}
			if c.Choices[0].Index == index {
				text += c.Choices[0].Delta.Content
			}
		}
		if want := "How fast is HNSW?"; text != want {
			t.Errorf("choice %d: got %q, want %q", index, text, want)
		}
		if got := strings.Count(body, fmt.Sprintf(`{"index":%d,"delta":{},"logprobs":null,"finish_reason":"stop"}`, index)); got != 1 {
			t.Errorf("choice %d: got %d finish chunks, want 1", index, got)
		}
	}
}

func TestLimits(t *testing.T) {
	cases := []struct{ option, content, finish string }{
		{`"max_tokens":2`, "How fast", "length"},
		{`"max_completion_tokens":3,"max_tokens":1`, "How fast is", "length"},
		{`"max_tokens":4`, "How fast is HNSW?", "stop"},
		{`"max_tokens":null`, "How fast is HNSW?", "stop"},
		{`"stop":"is"`, "How fast ", "stop"},
		{`"stop":["x","fast","How "]`, "", "stop"},
		{`"stop":["",null]`, "", ""},
		{`"stop":""`, "How fast is HNSW?", "stop"},
		{`"stop":"HNSW","max_tokens":1`, "How", "length"},
	}
	for _, c := range cases {
		status, _, body := send(t, "POST", "/v1/chat/completions", "{"+c.option+","+followUp+"}", rewriteHeader())
		if c.finish == "" {
			if status != 400 {
				t.Errorf("%s: got %d, want 400", c.option, status)
			}
			continue
		}
		want := fmt.Sprintf(`"content":%q,"refusal":null},"logprobs":null,"finish_reason":%q`, c.content, c.finish)
		if !strings.Contains(body, want) {
			t.Errorf("%s: got %s, want %s", c.option, body, want)
		}
	}
}

func TestModels(t *testing.T) {
	const model = `{"id":"builtin-extractive","object":"model","created":1767225600,"owned_by":"ragproxy"}`
	for path, want := range map[string]string{
		"/v1/models":            `{"object":"list","data":[` + model + `]}`,
		"/v1/models/" + Model:   model,
		"/v1/models/gpt-4o":     `{"error":{"message":"The model \"gpt-4o\" does not exist: the builtin upstream has only \"builtin-extractive\".","type":"invalid_request_error","param":"model","code":"model_not_found"}}`,
		"/v1/models/ft%3Aa%2Fb": `{"error":{"message":"The model \"ft:a/b\" does not exist: the builtin upstream has only \"builtin-extractive\".","type":"invalid_request_error","param":"model","code":"model_not_found"}}`,
	} {
		if _, _, got := send(t, "GET", path, "", nil); got != want+"\n" {
			t.Errorf("GET %s: got %s, want %s", path, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	cases := []struct {
		method, path, body string
		status             int
		param, code        string
	}{
		{"POST", "/v1/embeddings", `{"input":"x"}`, 404, "", "unknown_url"},
		{"POST", "/v1/responses", `{}`, 404, "", "unknown_url"},
		{"GET", "/v1/chat/completions", "", 404, "", "unknown_url"},
		{"DELETE", "/v1/models/x", "", 404, "", "unknown_url"},
		{"GET", "/", "", 404, "", "unknown_url"},
		{"POST", "/v1/chat/completions", ``, 400, "", "invalid_json"},
		{"POST", "/v1/chat/completions", `{"messages":`, 400, "", "invalid_json"},
		{"POST", "/v1/chat/completions", `{"messages":[]} x`, 400, "", "invalid_json"},
		{"POST", "/v1/chat/completions", `[]`, 400, "", "invalid_json"},
		{"POST", "/v1/chat/completions", `{}`, 400, "messages", "invalid_messages"},
		{"POST", "/v1/chat/completions", `{"messages":[]}`, 400, "messages", "invalid_messages"},
		{"POST", "/v1/chat/completions", `{"messages":"hi"}`, 400, "messages", "invalid_messages"},
		{"POST", "/v1/chat/completions", `{"messages":[{"role":"user"},"hi"]}`, 400, "messages[1]", "invalid_messages"},
		{"POST", "/v1/chat/completions", `{"messages":[{"content":"hi"}]}`, 400, "messages[0]", "invalid_messages"},
		{"POST", "/v1/chat/completions", `{"n":0,"messages":[{"role":"user"}]}`, 400, "n", "invalid_value"},
		{"POST", "/v1/chat/completions", `{"n":1.5,"messages":[{"role":"user"}]}`, 400, "n", "invalid_value"},
		{"POST", "/v1/chat/completions", `{"n":1e99,"messages":[{"role":"user"}]}`, 400, "n", "invalid_value"},
		{"POST", "/v1/chat/completions", `{"max_tokens":"9","messages":[{"role":"user"}]}`, 400, "max_tokens", "invalid_value"},
		{"POST", "/v1/chat/completions", `{"stop":[1],"messages":[{"role":"user"}]}`, 400, "stop", "invalid_value"},
		{"POST", "/v1/chat/completions", `{"stop":{},"messages":[{"role":"user"}]}`, 400, "stop", "invalid_value"},
	}
	for _, c := range cases {
		t.Run(c.method+" "+c.path+" "+c.body, func(t *testing.T) {
			status, contentType, body := send(t, c.method, c.path, c.body, nil)
			var got struct {
				Error struct{ Message, Type, Param, Code string }
			}
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			e := got.Error
			if status != c.status || contentType != "application/json" || e.Type != "invalid_request_error" || e.Param != c.param || e.Code != c.code || e.Message == "" {
				t.Errorf("got %d %s %+v, want %d, param %q, code %q", status, contentType, e, c.status, c.param, c.code)
			}
			if c.status == 404 && !strings.Contains(e.Message, "POST /v1/chat/completions") {
				t.Errorf("message: got %q, want it to say what there is", e.Message)
			}
		})
	}
}

func TestBodyTooLarge(t *testing.T) {
	body := io.MultiReader(strings.NewReader(`{"messages":"`), io.LimitReader(spaces{}, maxBodyBytes))
	w := httptest.NewRecorder()
	New(Options{}).ServeHTTP(w, httptest.NewRequest("POST", "/v1/chat/completions", body))
	if w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), `"code":"request_too_large"`) {
		t.Errorf("got %d %s, want 413", w.Code, w.Body)
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// TestInvalidUTF8: a body that is JSON but not UTF-8 gets an answer that is
// both.
func TestInvalidUTF8(t *testing.T) {
	status, _, body := send(t, "POST", "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"caf\xe9?\"}]}", rewriteHeader())
	if status != 200 || !strings.Contains(body, "caf\uFFFD?") {
		t.Errorf("got %d %s, want the text with U+FFFD", status, body)
	}
}

// TestDelay: the pauses are as long as asked and there is one for each delta.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(`{"stream":true,`+followUp+`}`))
		r.Header = rewriteHeader()
		begin := time.Now()
		New(Options{Delay: time.Second}).ServeHTTP(httptest.NewRecorder(), r)
		if got, want := time.Since(begin), 4*time.Second; got != want {
			t.Errorf("a stream of four words took %v, want %v", got, want)
		}
	})
}

// TestClientGone: the handler returns although its stream would go on for an
// hour.
func TestClientGone(t *testing.T) {
	returned := make(chan struct{})
	upstream := New(Options{Delay: time.Hour})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		upstream.ServeHTTP(w, r)
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "POST", server.URL+"/v1/chat/completions", strings.NewReader(`{"stream":true,`+followUp+`}`))
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if line, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil || !strings.Contains(line, `"role":"assistant"`) {
		t.Fatalf("first line: got %q, %v, want the role chunk at once", line, err)
	}
	cancel()
	select {
	case <-returned:
	case <-time.After(10 * time.Second):
		t.Error("the handler still runs after its client has gone")
	}
}

// TestWriteFails: a dead connection ends the stream, delay or not.
func TestWriteFails(t *testing.T) {
	w := &deadWriter{header: http.Header{}}
	r := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(`{"stream":true,`+followUp+`}`))
	r.Header = rewriteHeader()
	New(Options{Delay: time.Hour}).ServeHTTP(w, r)
	if w.writes != 1 {
		t.Errorf("got %d writes, want none after the first has failed", w.writes)
	}
}

type deadWriter struct {
	header http.Header
	writes int
}

func (w *deadWriter) Header() http.Header       { return w.header }
func (w *deadWriter) WriteHeader(int)           {}
func (w *deadWriter) Write([]byte) (int, error) { w.writes++; return 0, io.ErrClosedPipe }

func TestPieces(t *testing.T) {
	cases := map[string][]string{
		"":                            nil,
		"One, two.  Three\n\n(four) ": {"One,", " two.", "  Three", "\n\n(four)", " "},
		"向量数据库是专门存储。":                 {"向量数据", "库是专门", "存储。"},
		"https://a.example/b [1]":     {"https://a.example/b", " [1]"},
		"検索とは、質問です。 End":              {"検索とは、", "質問です。", " End"},
	}
	for text, want := range cases {
		got := pieces(text)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pieces(%q) (-want +got):\n%s", text, diff)
		}
		if joined := strings.Join(got, ""); joined != text {
			t.Errorf("pieces(%q) join to %q", text, joined)
		}
		if n := countPieces(text); n != len(got) {
			t.Errorf("countPieces(%q): got %d, want %d", text, n, len(got))
		}
	}
}

func FuzzPieces(f *testing.F) {
	f.Add("One, two.  Three\n\n(four) 向量数据库是专门存储。")
	f.Fuzz(func(t *testing.T, text string) {
		if got := strings.Join(pieces(text), ""); got != text {
			t.Errorf("pieces(%q) join to %q", text, got)
		}
	})
}
