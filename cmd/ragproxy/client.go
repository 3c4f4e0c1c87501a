package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/proxy/sse"
)

// client asks the proxy over HTTP, as any client would.
type client struct {
	base   string // with /v1
	model  string
	key    string
	rag    map[string]any // asked for beside the rest: top_k, rewrite, filters
	events []string       // which ones are wanted; nil is rewrite, retrieval and guard
}

type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// reply is what a stream carried: the query and sources come before the
// answer's first delta.
type reply struct {
	query   string
	ms      int64 // that the retrieval took
	sources []gjson.Result
	answer  string // so far
}

// watcher is told what a stream brings, as it comes. Rewriting, rewritten,
// flagged and event may be nil.
type watcher struct {
	rewriting func(delta string)
	rewritten func(query string)
	retrieved func(*reply)
	degraded  func(what string)
	delta     func(string)
	flagged   func(link gjson.Result) // only a passage has it
	event     func(raw string)        // each event of ours, as JSON
}

// apiError is an error that a server answered with, in OpenAI's shape.
type apiError struct {
	status              int // 0 in a stream that had begun
	message, kind, code string
}

func (e *apiError) Error() string { return e.message }

// readError makes the best of a body that should be {"error":{...}}.
func readError(status int, body []byte) *apiError {
	fault := gjson.GetBytes(body, "error")
	e := &apiError{status: status, message: errorText(body), kind: fault.Get("type").String(), code: fault.Get("code").String()}
	if e.message == "" {
		e.message = "the server answered " + http.StatusText(status)
	}
	return e
}

func errorText(body []byte) string {
	if m := gjson.GetBytes(body, "error.message"); m.Exists() {
		return m.String()
	}
	return strings.TrimSpace(string(body))
}

// chat asks one question and follows the answer. With an error the reply holds
// what had come, or is nil.
func (c client) chat(ctx context.Context, messages []chatMessage, collection string, w watcher) (*reply, error) {
	// Said outright, so that it holds whatever the configuration's defaults are.
	rag := map[string]any{"live": true, "dialect": "rag", "events": []string{"rewrite", "retrieval", "guard"}}
	if c.events != nil {
		rag["events"] = c.events
	}
	for name, value := range c.rag {
		rag[name] = value
	}
	if collection != "" {
		rag["collection"] = collection
	}
	body, err := json.Marshal(map[string]any{"model": c.model, "messages": messages, "stream": true, "rag": rag})
	if err != nil {
		return nil, err
	}
	resp, err := c.do(ctx, http.MethodPost, "/chat/completions", string(body))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return follow(sse.NewReader(resp.Body, nil), w)
}

// do makes a request; any answer but a 200 is an [*apiError].
func (c client) do(ctx context.Context, method, path, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask server: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // what came of it is told
		resp.Body.Close()
		return nil, readError(resp.StatusCode, b)
	}
	return resp, nil
}

// collections are the names of those that may be searched.
func (c client) collections(ctx context.Context) ([]string, error) {
	resp, err := c.do(ctx, http.MethodGet, "/rag/collections", "")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return nil, fmt.Errorf("list collections: %w", err)
	}
	var names []string
	for _, name := range gjson.GetBytes(b, "data.#.name").Array() {
		names = append(names, name.String())
	}
	return names, nil
}

func follow(lines *sse.Reader, w watcher) (*reply, error) {
	r := &reply{}
	var answer strings.Builder
	defer func() { r.answer = answer.String() }()
	for {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return r, fmt.Errorf("read answer: %w", err)
		}
		from, to, ok := sse.Data(line)
		if !ok {
			continue
		}
		if sse.IsDone(line[from:to]) {
			return r, nil
		}
		chunk := gjson.Parse(string(line[from:to]))
		if chunk.Get("error").IsObject() {
			return r, readError(0, line[from:to])
		}
		if event := chunk.Get("rag"); event.IsObject() {
			w.tell(event, r)
		}
		if delta := chunk.Get("choices.0.delta.content").String(); delta != "" {
			answer.WriteString(delta)
			w.delta(delta)
		}
	}
}

// tell passes one event on.
func (w watcher) tell(event gjson.Result, r *reply) {
	if w.event != nil {
		w.event(event.Raw)
	}
	cause := event.Get("error.message").String()
	switch event.Get("type").String() {
	case "rewrite.delta":
		if w.rewriting != nil {
			w.rewriting(event.Get("delta").String())
		}
	case "rewrite.done":
		if w.rewritten != nil {
			w.rewritten(event.Get("query").String())
		}
	case "rewrite.failed":
		w.degraded("the rewrite failed, the question is searched as it is: " + cause)
	case "retrieval.failed":
		w.degraded(legFailure(event.Get("leg").String(), event.Get("fallback").String(), cause))
	case "retrieval.done":
		r.query, r.ms, r.sources = event.Get("query").String(), event.Get("ms").Int(), event.Get("sources").Array()
		w.retrieved(r)
	case "guard.flagged":
		for _, link := range event.Get("links").Array() {
			if w.flagged != nil {
				w.flagged(link)
			}
		}
	}
}
