package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"
)

// stub is an OpenAI-like upstream. What a chat completion streams is in the
// model's name, which any proxy passes on: "n100" is 100 deltas as fast as
// they go, each flushed; "n100-5ms" is one every 5 ms; "n100-whole" is all in
// one write.
type stub struct {
	mu      sync.Mutex
	answers map[int][][]byte
	wholes  map[int][]byte

	open, peak atomic.Int64 // answers being streamed

	// A call that hangs says so, then waits for its client to go.
	reached chan struct{}
	gone    chan time.Time
}

// hangHeader names the call that is to hang: "rewrite", "first" (before the
// first token) or "middle". Embeddings get no client headers: a text with
// hangText in it hangs.
const (
	hangHeader = "Stub-Hang"
	hangText   = "hang-in-embedding"
	hangAfter  = 10 // deltas, for "middle"
)

// dimensions of the stub's embeddings.
const dimensions = 384

func newStub() *stub {
	return &stub{answers: map[int][][]byte{}, wholes: map[int][]byte{}, reached: make(chan struct{}, 1), gone: make(chan time.Time, 1)}
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	switch r.URL.Path {
	case "/v1/embeddings":
		s.embed(w, r, body)
	case "/v1/chat/completions":
		if r.Header.Get("X-Rag-Purpose") == "rewrite" {
			s.rewrite(w, r, body)
			return
		}
		s.chat(w, r, gjson.GetBytes(body, "model").Str)
	case "/peak":
		fmt.Fprint(w, s.peak.Swap(s.open.Load()))
	default:
		http.NotFound(w, r)
	}
}

// hang waits for the client to go.
func (s *stub) hang(r *http.Request) {
	s.reached <- struct{}{}
	<-r.Context().Done()
	s.gone <- time.Now()
}

func (s *stub) chat(w http.ResponseWriter, r *http.Request, model string) {
	n, mode, err := parseModel(model)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	hang := r.Header.Get(hangHeader)
	if hang == "first" {
		s.hang(r)
		return
	}
	open := s.open.Add(1)
	defer s.open.Add(-1)
	for p := s.peak.Load(); open > p && !s.peak.CompareAndSwap(p, open); p = s.peak.Load() {
	}
	w.Header().Set("Content-Type", "text/event-stream")
	events := s.answer(n)
	if mode == "whole" {
		events = [][]byte{s.whole(n)}
	}
	if hang == "middle" {
		stream(w, events[:hangAfter], 0)
		s.hang(r)
		return
	}
	pace, _ := time.ParseDuration(mode) // 0 for the other modes
	stream(w, events, pace)
}

// stream sends events, each flushed; the first two (role and first word) at
// once.
func stream(w http.ResponseWriter, events [][]byte, pace time.Duration) {
	flush := http.NewResponseController(w).Flush
	var tick *time.Ticker
	if pace > 0 {
		tick = time.NewTicker(pace)
		defer tick.Stop()
	}
	for i, e := range events {
		if tick != nil && i > 1 {
			<-tick.C
		}
		if _, err := w.Write(e); err != nil {
			return
		}
		if flush() != nil {
			return
		}
	}
}

func parseModel(model string) (n int, mode string, err error) {
	count, mode, _ := strings.Cut(strings.TrimPrefix(model, "n"), "-")
	if n, err = strconv.Atoi(count); err != nil || n < 1 || n > 10_000 {
		return 0, "", fmt.Errorf("the stub has no model %q", model)
	}
	return n, mode, nil
}

// answer is the stream of n deltas, event by event.
func (s *stub) answer(n int) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers[n] == nil {
		s.answers[n] = answerEvents(n)
		s.wholes[n] = bytes.Join(s.answers[n], nil)
	}
	return s.answers[n]
}

func (s *stub) whole(n int) []byte {
	s.answer(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wholes[n]
}

func answerEvents(n int) [][]byte {
	event := func(delta, finish string) []byte {
		return []byte(`data: {"id":"chatcmpl-stub","object":"chat.completion.chunk","created":1750000000,"model":"stub","service_tier":"default",` +
			`"system_fingerprint":"fp_stub","choices":[{"index":0,"delta":{` + delta + `},"logprobs":null,"finish_reason":` + finish + `}]}` + "\n\n")
	}
	events := [][]byte{event(`"role":"assistant","content":"","refusal":null`, "null")}
	for i := range n {
		events = append(events, event(`"content":"`+word(i)+`"`, "null"))
	}
	return append(events, event("", `"stop"`), []byte("data: [DONE]\n\n"))
}

// word is the text of delta i; each 25th has a citation mark.
func word(i int) string {
	if i%25 == 24 {
		return "delta" + strconv.Itoa(i) + " [1] "
	}
	return "delta" + strconv.Itoa(i) + " "
}

func (s *stub) rewrite(w http.ResponseWriter, r *http.Request, body []byte) {
	if r.Header.Get(hangHeader) == "rewrite" {
		s.hang(r)
		return
	}
	if gjson.GetBytes(body, "stream").Bool() {
		w.Header().Set("Content-Type", "text/event-stream")
		stream(w, s.answer(8), 0)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"id":"chatcmpl-stub","object":"chat.completion","model":"stub","choices":[{"index":0,"message":{"role":"assistant","content":"harbour lantern"},"finish_reason":"stop"}]}`)
}

func (s *stub) embed(w http.ResponseWriter, r *http.Request, body []byte) {
	type item struct {
		Object    string    `json:"object"`
		Index     int       `json:"index"`
		Embedding []float32 `json:"embedding"`
	}
	input := gjson.GetBytes(body, "input")
	if strings.Contains(input.Raw, hangText) {
		s.hang(r)
		return
	}
	var data []item
	for i, text := range input.Array() { // a single string is a list of one
		data = append(data, item{"embedding", i, unitVector(text.String())})
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"object": "list", "model": "stub", "data": data, "usage": map[string]int{"prompt_tokens": 1, "total_tokens": 1},
	})
}

// unitVector depends on nothing but the text.
func unitVector(text string) []float32 {
	h := fnv.New64a()
	io.WriteString(h, text)
	rnd := rand.New(rand.NewPCG(h.Sum64(), 1))
	v, sum := make([]float32, dimensions), 0.0
	for i := range v {
		x := rnd.NormFloat64()
		v[i], sum = float32(x), sum+x*x
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}
