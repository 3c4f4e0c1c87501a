package openwebui

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"
)

// What is asked, and what the upstream makes of it. In the answers {words}
// stands for the number of the passage that holds the words.
const (
	first       = "What is task decomposition?"
	firstAnswer = "It breaks a large task into smaller steps, each of which can be checked by itself [{breaks a large task}]. " +
		"Somebody should read the steps before the first one runs [{reviews a plan}]."
	followUp       = "What are common ways of doing it?"
	rewritten      = "What are common ways of doing task decomposition?"
	followUpAnswer = "Three ways are common:\n\n" +
		"- **Simple prompting**: ask the model for the steps [{ask the model}].\n" +
		"- **Instructions** that fit the kind of task, such as an outline for a manual [{ask the model}].\n" +
		"- **Human input**, where a person writes or corrects the steps [{a person writes}].\n\n" +
		"A plan that nobody has read is the expensive one [{a person writes}][{reviews a plan}]."
)

// passage is one as the upstream was given it.
type passage struct {
	title, text string
}

// turn is what the upstream got and gave.
type turn struct {
	passages []passage // by number less one
	answer   string    // with [n]
}

// upstream answers as a model would that numbers what it was given rightly.
type upstream struct {
	url string

	mu    sync.Mutex
	turns []turn
}

func startUpstream(t *testing.T) *upstream {
	u := &upstream{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { u.serve(t, w, r) }))
	t.Cleanup(srv.Close)
	u.url = srv.URL + "/v1"
	return u
}

func (u *upstream) serve(t *testing.T, w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went
	}
	body := gjson.ParseBytes(raw)
	stream := body.Get("stream").Bool()
	switch question := body.Get("messages.@reverse.0.content").String(); {
	case strings.HasSuffix(r.URL.Path, "/models"):
		w.Header().Set("Content-Type", "application/json") // Open WebUI insists on it
		io.WriteString(w, `{"object":"list","data":[{"id":"model","object":"model","created":1,"owned_by":"test"}]}`)
	case r.Header.Get("X-RAG-Purpose") == "rewrite":
		reply(w, stream, rewritten)
	case question == first:
		reply(w, stream, u.fill(t, firstAnswer, raw))
	case question == followUp:
		reply(w, stream, u.fill(t, followUpAnswer, raw))
	default:
		t.Errorf("upstream got %s with the question %q, which nobody asked", r.URL.Path, question)
		http.Error(w, "no such question", http.StatusBadRequest)
	}
}

var (
	passages = regexp.MustCompile(`(?s)<passage n="(\d+)"[^>]* title="([^"]*)">\n(.*?)\n</passage`)
	blank    = regexp.MustCompile(`\{[^}]+\}`)
)

// fill numbers an answer by the passages of the request.
func (u *upstream) fill(t *testing.T, answer string, request []byte) string {
	var given []passage
	for _, m := range passages.FindAllStringSubmatch(gjson.GetBytes(request, "messages.0.content").String(), -1) {
		given = append(given, passage{m[2], m[3]})
		if m[1] != strconv.Itoa(len(given)) {
			t.Errorf("passage %d of the request has the number %s", len(given), m[1])
		}
	}
	answer = blank.ReplaceAllStringFunc(answer, func(words string) string {
		n := numberOf(given, strings.Trim(words, "{}"))
		if n == 0 {
			t.Errorf("no passage of the request holds %s: %s", words, request)
		}
		return strconv.Itoa(n)
	})
	u.mu.Lock()
	defer u.mu.Unlock()
	u.turns = append(u.turns, turn{given, answer})
	return answer
}

// numberOf is the number of the passage that holds the words, 0 for none.
func numberOf(given []passage, words string) int {
	for i, p := range given {
		if strings.Contains(p.text, words) {
			return i + 1
		}
	}
	return 0
}

// turn is the n-th answer, from 0.
func (u *upstream) turn(t *testing.T, n int) turn {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.turns) <= n {
		t.Fatalf("upstream gave %d answers, want more than %d", len(u.turns), n)
	}
	return u.turns[n]
}

func reply(w http.ResponseWriter, stream bool, text string) {
	if !stream {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"x","object":"chat.completion","created":1,"model":"model","choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":"stop"}]}`, quote(text))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	chunk := func(delta, finish string) {
		fmt.Fprintf(w, `data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"model","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}`+"\n\n", delta, finish)
	}
	chunk(`{"role":"assistant","content":""}`, "null")
	for _, word := range strings.SplitAfter(text, " ") {
		chunk(`{"content":`+quote(word)+`}`, "null")
	}
	chunk(`{}`, `"stop"`)
	io.WriteString(w, "data: [DONE]\n\n")
}

// quote writes a JSON string.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // a string always can
		panic(err)
	}
	return string(b)
}
