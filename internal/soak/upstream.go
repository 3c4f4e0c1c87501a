package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"
)

// upstream is an OpenAI-like API. What a chat completion streams is in the
// name of the model: see modelName.
type upstream struct {
	mu   sync.Mutex
	idle map[net.Conn]bool // that have no request
}

func newUpstream() *http.Server {
	u := &upstream{idle: map[net.Conn]bool{}}
	return &http.Server{Handler: u, ConnState: u.track}
}

func (u *upstream) track(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state == http.StateIdle || state == http.StateNew {
		u.idle[c] = true
	} else {
		delete(u.idle, c)
	}
}

// closeIdle closes connections that its clients would keep for later, so that
// what is left is what was leaked. A server that did this under load would
// meet requests on their way.
func (u *upstream) closeIdle() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.idle {
		c.Close()
	}
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	switch {
	case r.URL.Path == "/v1/embeddings":
		embed(w, gjson.GetBytes(body, "input"))
	case r.Header.Get("X-Rag-Purpose") == "rewrite":
		rewrite(w, gjson.GetBytes(body, "stream").Bool())
	case r.URL.Path == "/v1/chat/completions":
		chat(w, gjson.GetBytes(body, "model").Str)
	case r.URL.Path == "/v1/close-idle":
		u.closeIdle()
	default:
		http.NotFound(w, r)
	}
}

func modelName(id, tokens int, pace time.Duration) string {
	return fmt.Sprintf("soak-%d-%d-%d", id, tokens, pace.Milliseconds())
}

// token is the text of delta i of stream id.
func token(id, i int) string { return fmt.Sprintf("%d.%d ", id, i) }

func chat(w http.ResponseWriter, model string) {
	var id, tokens, pace int
	if _, err := fmt.Sscanf(model, "soak-%d-%d-%d", &id, &tokens, &pace); err != nil {
		http.Error(w, "no such model", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	tick := time.NewTicker(time.Duration(max(pace, 1)) * time.Millisecond)
	defer tick.Stop()
	send(w, event(id, `"role":"assistant","content":""`, "null"))
	for i := range tokens {
		if !send(w, event(id, `"content":"`+token(id, i)+`"`, "null")) {
			return
		}
		<-tick.C
	}
	send(w, event(id, "", `"stop"`)+"data: [DONE]\n\n")
}

func event(id int, delta, finish string) string {
	return fmt.Sprintf(`data: {"id":"chatcmpl-%d","object":"chat.completion.chunk","created":1750000000,"model":"soak",`+
		`"choices":[{"index":0,"delta":{%s},"logprobs":null,"finish_reason":%s}]}`+"\n\n", id, delta, finish)
}

func send(w http.ResponseWriter, text string) bool {
	if _, err := io.WriteString(w, text); err != nil {
		return false
	}
	return http.NewResponseController(w).Flush() == nil
}

func rewrite(w http.ResponseWriter, streamed bool) {
	if streamed {
		w.Header().Set("Content-Type", "text/event-stream")
		send(w, event(0, `"role":"assistant","content":"harbour lantern"`, "null")+event(0, "", `"stop"`)+"data: [DONE]\n\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"id":"chatcmpl-0","object":"chat.completion","model":"soak","choices":[{"index":0,"message":{"role":"assistant","content":"harbour lantern"},"finish_reason":"stop"}]}`)
}

// dimensions of the embeddings.
const dimensions = 64

func embed(w http.ResponseWriter, input gjson.Result) {
	type item struct {
		Object    string    `json:"object"`
		Index     int       `json:"index"`
		Embedding []float32 `json:"embedding"`
	}
	var data []item
	for i, text := range input.Array() { // a single string is a list of one
		data = append(data, item{"embedding", i, wordVector(text.String())})
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"object": "list", "model": "soak", "data": data, "usage": map[string]int{"prompt_tokens": 1, "total_tokens": 1},
	})
}

// wordVector is the sum of vectors that depend on nothing but each word, of
// length 1: texts that share words are near.
func wordVector(text string) []float32 {
	v := make([]float32, dimensions)
	for word := range strings.FieldsSeq(text) {
		h := fnv.New64a()
		io.WriteString(h, word)
		rnd := rand.New(rand.NewPCG(h.Sum64(), 1))
		for i := range v {
			v[i] += float32(rnd.NormFloat64())
		}
	}
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		v[0], sum = 1, 1
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}
