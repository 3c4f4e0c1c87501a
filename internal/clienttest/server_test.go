package clienttest

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/proxy"
	"github.com/ragproxy/ragproxy/retrieval"
)

// answer is what the upstream says, in pieces that cut a mark, a word and a
// paragraph in two.
var answer = []string{"Break it \u00fcp", " into steps [1", "][2]", ": \"plan\" <first>", " &\n", "\nthen \u6b63\u3057\u3044 \U0001f9e9\U0001f468\u200d\U0001f4bb", " [3].", "\n"}

const (
	model     = "gpt-4o"
	question  = "What are common ways of doing it?"
	rewritten = "What are common ways of task decomposition?"
	toolName  = "get_weather"
	toolSays  = "12 degrees"
	refusal   = "Rate limit reached"
)

// startProxy serves ragproxy over the scripted upstream and four passages;
// it gives the base URL that a client is told.
func startProxy(t *testing.T) string {
	up := httptest.NewServer(http.HandlerFunc(upstream))
	t.Cleanup(up.Close)
	prompts, err := retrieval.LoadPrompts("", "")
	if err != nil {
		t.Fatal(err)
	}
	on := true
	client := proxy.NewHTTPClient()
	t.Cleanup(client.CloseIdleConnections)
	srv := httptest.NewServer(proxy.New(proxy.Options{
		Upstream: proxy.Upstream{BaseURL: up.URL + "/v1"}, HTTPClient: client,
		Retriever: retrieval.New(retrieval.Options{
			Searcher: searcher{}, Prompts: prompts, Collection: "default", TopK: 4, Depth: 100, VectorWeight: 1,
			Rewrite:  retrieval.RewriteOptions{Mode: retrieval.RewriteAuto, MaxTurns: 10, Deadline: time.Minute},
			Deadline: time.Minute,
		}),
		Collection: "default", TopK: 4, Placement: proxy.PlacementSystem, Dialect: "rag", KeepAlive: 15 * time.Second,
		Aliases: []proxy.Alias{
			{Name: model + ":markdown", Model: model, Markdown: &on}, {Name: model + ":reasoning", Model: model, Reasoning: &on},
		},
		MaxBodyBytes: 1 << 20, Logger: slog.New(slog.DiscardHandler), Version: "test",
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/v1"
}

// pages and links are the sources' in order: two chunks of one page, one
// without an address, and one whose address has a fragment already.
var (
	pages = []string{"https://example.org/agents", "https://example.org/agents", "", "https://example.org/caf\u00e9#top"}
	links = []string{"https://example.org/agents#chunk-3", "https://example.org/agents#chunk-4", "urn:ragproxy:default:notes.md#chunk-0", "https://example.org/caf\u00e9#top-chunk-1"}
)

// footer is what the switch "markdown" adds to an answer.
const footer = "\n\n**Sources**\n\n" +
	"1. [LLM \"agents\"](<https://example.org/agents#chunk-3>)\n" +
	"2. [LLM \"agents\"](<https://example.org/agents#chunk-4>)\n" +
	"3. Notes\n" +
	"4. [cafe](<https://example.org/caf\u00e9#top-chunk-1>)\n"

// searcher answers every query with the four sources.
type searcher struct{}

func (searcher) Exists(context.Context, string) error { return nil }

func (searcher) Search(context.Context, index.Query) (index.Legs, error) {
	chunks := []index.Chunk{
		{ID: "agents#3", DocumentID: "agents", URL: pages[0], Title: "LLM \"agents\"", Text: "Planning breaks a task into steps.", Ordinal: 3, Start: 300, End: 334},
		{ID: "agents#4", DocumentID: "agents", URL: pages[1], Title: "LLM \"agents\"", Text: "Prompts ask for <steps>\nor subgoals.", Ordinal: 4, Start: 400, End: 436},
		{ID: "notes.md#0", DocumentID: "notes.md", Title: "Notes", Text: "\u6b63\u3057\u3044\u624b\u9806 & more", End: 13, Meta: map[string]any{"lang": "ja"}},
		{ID: "cafe#1", DocumentID: "cafe", URL: pages[3], Title: "", Text: "Coffee helps.", Ordinal: 1, Start: 90, End: 103},
	}
	var legs index.Legs
	for i, c := range chunks {
		legs.Vector.Hits = append(legs.Vector.Hits, index.Hit{Chunk: c, Score: .9 - float64(i)/10})
	}
	return legs, nil
}

// upstream answers as OpenAI does, and is as strict: it refuses what must not
// leave ragproxy, and an answer call that lacks the passages.
func upstream(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	body := gjson.ParseBytes(raw)
	last := body.Get("messages.@reverse.0")
	switch {
	case body.Get("rag").Exists():
		refuse(w, "Unrecognized request argument supplied: rag")
	case r.Header.Get("X-RAG-Dialect") != "":
		refuse(w, "ragproxy's headers came through")
	case r.Header.Get("Authorization") != "Bearer client-key":
		refuse(w, "the client's key did not come through")
	case body.Get("model").String() != model:
		refuse(w, "the model "+body.Get("model").String()+" does not exist")
	case body.Get("user").String() == "refused":
		w.Header().Set("Retry-After", "1")
		fail(w, http.StatusTooManyRequests, refusal)
	case r.Header.Get("X-RAG-Purpose") == "rewrite":
		reply{text: []string{"What are common", " ways of task", " decomposition?"}}.send(w, body)
	case last.Get("role").String() == "tool" && !strings.Contains(last.Get("content").String(), toolSays):
		refuse(w, "the tool's result did not come through: "+last.Raw)
	case last.Get("role").String() != "tool" && !strings.Contains(body.Get("messages.0.content").String(), "Planning breaks a task"):
		refuse(w, "the first message has no passages: "+body.Get("messages.0").Raw)
	case body.Get("tools").Exists() && last.Get("role").String() != "tool":
		reply{tool: `{"city":"Zürich"}`}.send(w, body)
	default:
		reply{text: answer, cut: body.Get("user").String() == "cut"}.send(w, body)
	}
}

func refuse(w http.ResponseWriter, message string) { fail(w, http.StatusBadRequest, message) }

func fail(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, `{"error":{"message":`+quote(message)+`,"type":"invalid_request_error","param":null,"code":null}}`)
}

// reply is one answer: text, or a call of the tool with these arguments. cut
// breaks the answer off.
type reply struct {
	text []string
	tool string
	cut  bool
}

const (
	chunkHead = `{"id":"chatcmpl-U","object":"chat.completion.chunk","created":1790000000,"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_1",`
	bodyHead  = `{"id":"chatcmpl-U","object":"chat.completion","created":1790000000,"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_1",`
	usage     = `{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`
)

func (p reply) send(w http.ResponseWriter, body gjson.Result) {
	if !body.Get("stream").Bool() {
		w.Header().Set("Content-Type", "application/json")
		whole := bodyHead + `"choices":[{"index":0,"message":` + p.message() + `,"logprobs":null,"finish_reason":"` + p.finish() + `"}],"usage":` + usage + `}`
		if p.cut {
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
			whole = whole[:len(whole)/2]
		}
		io.WriteString(w, whole)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	withUsage := body.Get("stream_options.include_usage").Bool()
	nullUsage := ""
	if withUsage {
		nullUsage = `,"usage":null`
	}
	rc := http.NewResponseController(w)
	for i, delta := range p.deltas() {
		if p.cut && i == len(p.text) {
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, "data: "+chunkHead+`"choices":[{"index":0,"delta":`+delta+`,"logprobs":null,"finish_reason":null}]`+nullUsage+"}\n\n")
		rc.Flush() // a client that went away is seen by the next write
	}
	io.WriteString(w, "data: "+chunkHead+`"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"`+p.finish()+`"}]`+nullUsage+"}\n\n")
	if withUsage {
		io.WriteString(w, "data: "+chunkHead+`"choices":[],"usage":`+usage+"}\n\n")
	}
	io.WriteString(w, "data: [DONE]\n\n")
}

func (p reply) finish() string {
	if p.tool != "" {
		return "tool_calls"
	}
	return "stop"
}

func (p reply) deltas() []string {
	if p.tool != "" {
		half := len(p.tool) / 2
		return []string{
			`{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"` + toolName + `","arguments":""}}],"refusal":null}`,
			`{"tool_calls":[{"index":0,"function":{"arguments":` + quote(p.tool[:half]) + `}}]}`,
			`{"tool_calls":[{"index":0,"function":{"arguments":` + quote(p.tool[half:]) + `}}]}`,
		}
	}
	out := []string{`{"role":"assistant","content":"","refusal":null}`}
	for _, piece := range p.text {
		out = append(out, `{"content":`+quote(piece)+`}`)
	}
	return out
}

func (p reply) message() string {
	if p.tool != "" {
		return `{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"` + toolName + `","arguments":` + quote(p.tool) + `}}],"refusal":null,"annotations":[]}`
	}
	return `{"role":"assistant","content":` + quote(strings.Join(p.text, "")) + `,"refusal":null,"annotations":[]}`
}

// quote writes a JSON string.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // a string always can
		panic(err)
	}
	return string(b)
}

var _ retrieval.Searcher = searcher{}
