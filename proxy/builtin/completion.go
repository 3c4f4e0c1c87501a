package builtin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/clipperhouse/uax29/v2/words"
)

// completion is one reply, ready to be sent in either form.
type completion struct {
	req     *request
	id      string
	created int64
	pieces  []string // the text, cut into deltas; each counts as a token
	finish  string   // "stop" or "length"
	prompt  int      // tokens of the prompt
}

func newCompletion(req *request, text string) *completion {
	c := &completion{req: req, id: newID(), created: time.Now().Unix(), finish: "stop"}
	c.pieces = pieces(cutAtStop(text, req.stop))
	if req.maxTokens > 0 && len(c.pieces) > req.maxTokens {
		c.pieces, c.finish = c.pieces[:req.maxTokens], "length"
	}
	for _, m := range req.messages {
		c.prompt += countPieces(m.text)
	}
	return c
}

func newID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return "chatcmpl-" + hex.EncodeToString(b[:])
}

func cutAtStop(text string, stop []string) string {
	for _, s := range stop {
		if i := strings.Index(text, s); i >= 0 {
			text = text[:i]
		}
	}
	return text
}

// pieces cuts text into words with the white space before them, as models'
// tokens have it. Scripts without spaces are cut every few characters. The
// pieces joined are the text.
func pieces(text string) []string {
	var out []string
	eachPiece(text, func(p string) { out = append(out, p) })
	return out
}

func countPieces(text string) int {
	n := 0
	eachPiece(text, func(string) { n++ })
	return n
}

func eachPiece(text string, yield func(string)) {
	const maxUnspaced = 4 // ideographs to a piece
	start, unspaced, inWord := 0, 0, false
	tokens := words.FromString(text)
	for tokens.Next() {
		token := tokens.Value()
		space := strings.TrimSpace(token) == ""
		punctuation := unicode.IsPunct(firstRune(token))
		if inWord && (space || unspaced >= maxUnspaced && !punctuation) {
			yield(text[start:tokens.Start()])
			start, unspaced, inWord = tokens.Start(), 0, false
		}
		if !space {
			inWord = true
		}
		if r := firstRune(token); isUnspaced(r) || unicode.Is(unicode.Katakana, r) {
			unspaced++
		}
	}
	if start < len(text) {
		yield(text[start:])
	}
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

func (c *completion) usage() *usage {
	out := len(c.pieces) * c.req.n
	return &usage{PromptTokens: c.prompt, CompletionTokens: out, TotalTokens: c.prompt + out}
}

type replyObject struct {
	ID                string        `json:"id"`
	Object            string        `json:"object"`
	Created           int64         `json:"created"`
	Model             string        `json:"model"`
	Choices           []replyChoice `json:"choices"`
	Usage             *usage        `json:"usage"`
	SystemFingerprint string        `json:"system_fingerprint"`
}

type replyChoice struct {
	Index        int          `json:"index"`
	Message      replyMessage `json:"message"`
	Logprobs     *struct{}    `json:"logprobs"`
	FinishReason string       `json:"finish_reason"`
}

type replyMessage struct {
	Role    string  `json:"role"`
	Content string  `json:"content"`
	Refusal *string `json:"refusal"`
}

func (c *completion) object() replyObject {
	obj := replyObject{
		ID: c.id, Object: "chat.completion", Created: c.created, Model: Model,
		Usage: c.usage(), SystemFingerprint: fingerprint,
	}
	text := strings.Join(c.pieces, "")
	for i := range c.req.n {
		obj.Choices = append(obj.Choices, replyChoice{
			Index: i, Message: replyMessage{Role: "assistant", Content: text}, FinishReason: c.finish,
		})
	}
	return obj
}

type chunkObject struct {
	ID                string        `json:"id"`
	Object            string        `json:"object"`
	Created           int64         `json:"created"`
	Model             string        `json:"model"`
	SystemFingerprint string        `json:"system_fingerprint"`
	Choices           []chunkChoice `json:"choices"`
	// Usage is present in every chunk, null but in the last, when the client
	// asked for it, and in none otherwise: hence a pointer to a pointer.
	Usage **usage `json:"usage,omitempty"`
}

type chunkChoice struct {
	Index        int        `json:"index"`
	Delta        chunkDelta `json:"delta"`
	Logprobs     *struct{}  `json:"logprobs"`
	FinishReason *string    `json:"finish_reason"`
}

type chunkDelta struct {
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content,omitempty"`
}

// stream sends the reply as server-sent events and returns when all is sent,
// ctx is done or the client no longer reads.
func (c *completion) stream(ctx context.Context, w http.ResponseWriter, delay time.Duration) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	out := &eventWriter{w: w, control: http.NewResponseController(w)}
	c.sendToAll(out, chunkDelta{Role: "assistant", Content: ptr("")}, nil)
	for _, piece := range c.pieces {
		if !out.wait(ctx, delay) {
			return
		}
		c.sendToAll(out, chunkDelta{Content: ptr(piece)}, nil)
	}
	c.sendToAll(out, chunkDelta{}, ptr(c.finish))
	if c.req.includeUsage {
		chunk := c.chunk([]chunkChoice{})
		*chunk.Usage = c.usage()
		out.sendJSON(chunk)
	}
	out.send([]byte("[DONE]"))
}

// sendToAll sends the same delta for every choice, a chunk each.
func (c *completion) sendToAll(out *eventWriter, delta chunkDelta, finish *string) {
	for i := range c.req.n {
		out.sendJSON(c.chunk([]chunkChoice{{Index: i, Delta: delta, FinishReason: finish}}))
	}
}

func (c *completion) chunk(choices []chunkChoice) chunkObject {
	obj := chunkObject{
		ID: c.id, Object: "chat.completion.chunk", Created: c.created, Model: Model,
		SystemFingerprint: fingerprint, Choices: choices,
	}
	if c.req.includeUsage {
		obj.Usage = new(*usage)
	}
	return obj
}

// eventWriter writes "data:" events and remembers the first failure, after
// which it writes nothing.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func (e *eventWriter) sendJSON(v any) {
	body, err := json.Marshal(v)
	if err != nil {
		e.err = err
		return
	}
	e.send(body)
}

func (e *eventWriter) send(data []byte) {
	if e.err != nil {
		return
	}
	line := make([]byte, 0, len(data)+8)
	line = append(append(append(line, "data: "...), data...), "\n\n"...)
	if _, e.err = e.w.Write(line); e.err == nil {
		_ = e.control.Flush() // a writer that cannot flush still gets the bytes
	}
}

// wait pauses for d and says whether there is a reason to go on.
func (e *eventWriter) wait(ctx context.Context, d time.Duration) bool {
	if d > 0 && e.err == nil {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
	return e.err == nil && ctx.Err() == nil
}
