package clienttest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/sashabaranov/go-openai"
	"github.com/tidwall/gjson"
)

// goOpenAI is github.com/sashabaranov/go-openai. It decodes into fixed structs
// and has no extra members in requests: settings go as headers or an alias,
// and what it does not know is only in RecvRaw.
type goOpenAI struct{ http *http.Client }

func startGoOpenAI(t *testing.T, _ client) runner {
	c := goOpenAI{&http.Client{Transport: &http.Transport{}}}
	t.Cleanup(c.http.CloseIdleConnections)
	return c.run
}

// withHeaders is how a user of go-openai adds headers.
type withHeaders struct {
	http    *http.Client
	headers map[string]string
}

func (c withHeaders) Do(r *http.Request) (*http.Response, error) {
	for name, value := range c.headers {
		r.Header.Set(name, value)
	}
	return c.http.Do(r)
}

func (c goOpenAI) run(t *testing.T, a ask) (r result) {
	config := openai.DefaultConfig("client-key")
	config.BaseURL, config.HTTPClient = a.BaseURL, withHeaders{c.http, a.Headers}
	client := openai.NewClientWithConfig(config)
	req := openai.ChatCompletionRequest{Model: a.Alias, User: a.User}
	for _, m := range a.Messages {
		req.Messages = append(req.Messages, openai.ChatCompletionMessage{Role: m.Role, Content: m.Content})
	}
	if a.Usage && a.Mode != "complete" {
		req.StreamOptions = &openai.StreamOptions{IncludeUsage: true}
	}
	var err error
	switch a.Mode {
	case "stream":
		err = c.stream(t.Context(), client, req, &r)
	case "raw":
		err = c.raw(t.Context(), client, req, &r)
	case "complete":
		err = c.complete(t.Context(), client, req, &r)
	default:
		var sources []byte
		r.Answer, sources, err = goOpenAISnippet(t.Context(), client, req)
		r.see("snippet", sources)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		r.Error = err.Error()
	}
	return r
}

func goOpenAISnippet(ctx context.Context, client *openai.Client, request openai.ChatCompletionRequest) (answer string, sources []byte, err error) {
	stream, err := client.CreateChatCompletionStream(ctx, request)
	if err != nil {
		return "", nil, err
	}
	defer stream.Close()
	// snippet
	for {
		line, err := stream.RecvRaw()
		if err != nil { // io.EOF at the end
			return answer, sources, err
		}
		var chunk struct {
			openai.ChatCompletionStreamResponse
			Rag struct{ Sources json.RawMessage } `json:"rag"` // or a list of structs
		}
		if err := json.Unmarshal(line, &chunk); err != nil {
			return answer, sources, err
		}
		if len(chunk.Choices) > 0 {
			answer += chunk.Choices[0].Delta.Content
		}
		if chunk.Rag.Sources != nil {
			sources = chunk.Rag.Sources
		}
	}
	// end
}

func (c goOpenAI) stream(ctx context.Context, client *openai.Client, req openai.ChatCompletionRequest, r *result) error {
	stream, err := client.CreateChatCompletionStream(ctx, req)
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, choice := range chunk.Choices {
			r.Answer += choice.Delta.Content
			if s := choice.Delta.ReasoningContent; s != "" {
				r.see("delta.ReasoningContent", []byte(quote(s)))
			}
		}
		if chunk.Usage != nil {
			if r.Usage, err = json.Marshal(chunk.Usage); err != nil {
				return err
			}
		}
	}
}

func (c goOpenAI) raw(ctx context.Context, client *openai.Client, req openai.ChatCompletionRequest, r *result) error {
	stream, err := client.CreateChatCompletionStream(ctx, req)
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		line, err := stream.RecvRaw()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		chunk := gjson.ParseBytes(line)
		r.Answer += chunk.Get("choices.0.delta.content").String()
		for _, place := range []string{"rag", "event", "citations", "search_results", "choices.0.delta.annotations", "choices.0.delta.context", "choices.0.delta.reasoning_content"} {
			if v := chunk.Get(place); v.Exists() {
				r.see("RecvRaw: "+place, []byte(v.Raw))
			}
		}
		if u := chunk.Get("usage"); u.IsObject() {
			r.Usage = []byte(u.Raw)
		}
	}
}

func (c goOpenAI) complete(ctx context.Context, client *openai.Client, req openai.ChatCompletionRequest, r *result) error {
	whole, err := client.CreateChatCompletion(ctx, req)
	if err != nil {
		return err
	}
	r.Answer = whole.Choices[0].Message.Content
	r.Usage, err = json.Marshal(whole.Usage)
	return err
}
