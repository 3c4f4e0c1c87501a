package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/proxy/sse"
)

// client asks the proxy over HTTP, as any client would.
type client struct {
	base  string // with /v1
	model string
	key   string
}

type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// reply is what a stream carried: the query and sources come before the
// answer's first delta.
type reply struct {
	query   string
	sources []gjson.Result
	answer  string
}

// watcher is told what a stream brings, as it comes.
type watcher struct {
	retrieved func(*reply)
	degraded  func(what string)
	delta     func(string)
}

// chat asks one question and follows the answer.
func (c client) chat(ctx context.Context, messages []chatMessage, collection string, w watcher) (*reply, error) {
	// Said outright, so that it holds whatever the configuration's defaults are.
	rag := map[string]any{"live": true, "dialect": "rag", "events": []string{"rewrite", "retrieval"}}
	if collection != "" {
		rag["collection"] = collection
	}
	body, err := json.Marshal(map[string]any{"model": c.model, "messages": messages, "stream": true, "rag": rag})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/chat/completions", strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // what came of it is told
		return nil, fmt.Errorf("ask: %s: %s", resp.Status, errorText(b))
	}
	return follow(sse.NewReader(resp.Body, nil), w)
}

func errorText(body []byte) string {
	if m := gjson.GetBytes(body, "error.message"); m.Exists() {
		return m.String()
	}
	return strings.TrimSpace(string(body))
}

func follow(lines *sse.Reader, w watcher) (*reply, error) {
	r := &reply{}
	var answer strings.Builder
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
			r.answer = answer.String()
			return r, nil
		}
		chunk := gjson.Parse(string(line[from:to]))
		if chunk.Get("error").IsObject() {
			return r, errors.New(errorText(line[from:to]))
		}
		switch event := chunk.Get("rag"); event.Get("type").String() {
		case "rewrite.failed":
			w.degraded("the rewrite failed, the question is searched as it is: " + event.Get("error.message").String())
		case "retrieval.failed":
			w.degraded(legFailure(event.Get("leg").String(), event.Get("fallback").String(), event.Get("error.message").String()))
		case "retrieval.done":
			r.query, r.sources = event.Get("query").String(), event.Get("sources").Array()
			w.retrieved(r)
		}
		if delta := chunk.Get("choices.0.delta.content").String(); delta != "" {
			answer.WriteString(delta)
			w.delta(delta)
		}
	}
}

// printSources writes "[1] title  link" a line.
func printSources(w io.Writer, sources []gjson.Result) error {
	for _, s := range sources {
		title := s.Get("title").String()
		if title == "" {
			title = s.Get("id").String()
		}
		link := s.Get("link").String()
		if u, err := url.PathUnescape(link); err == nil && strings.HasPrefix(link, "urn:") {
			link = u // to be read; a page's address stays one that can be opened
		}
		if _, err := fmt.Fprintf(w, "[%d] %s  %s\n", s.Get("n").Int(), title, link); err != nil {
			return err
		}
	}
	return nil
}
