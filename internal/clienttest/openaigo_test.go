package clienttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/packages/respjson"
)

// openAIGo is github.com/openai/openai-go. Members that it does not know are
// in JSON.ExtraFields.
type openAIGo struct{ http *http.Client }

func startOpenAIGo(t *testing.T, _ client) runner {
	c := openAIGo{&http.Client{Transport: &http.Transport{}}}
	t.Cleanup(c.http.CloseIdleConnections)
	return c.run
}

func (c openAIGo) run(t *testing.T, a ask) result {
	client := openai.NewClient(option.WithBaseURL(a.BaseURL), option.WithAPIKey("client-key"), option.WithHTTPClient(c.http), option.WithMaxRetries(0))
	params := openai.ChatCompletionNewParams{Model: a.Model}
	for _, m := range a.Messages {
		params.Messages = append(params.Messages, map[string]func(string) openai.ChatCompletionMessageParamUnion{
			"user": openai.UserMessage[string], "assistant": openai.AssistantMessage[string],
		}[m.Role](m.Content))
	}
	if a.User != "" {
		params.User = param.NewOpt(a.User)
	}
	if a.Usage && a.Mode != "complete" {
		params.StreamOptions.IncludeUsage = openai.Bool(true)
	}
	rag := option.WithJSONSet("rag", a.Rag)
	var r result
	var err error
	switch a.Mode {
	case "stream":
		err = c.stream(client.Chat.Completions.NewStreaming(t.Context(), params, rag), &r)
	case "accumulator":
		err = c.accumulate(client.Chat.Completions.NewStreaming(t.Context(), params, rag), &r)
	case "complete":
		var whole *openai.ChatCompletion
		if whole, err = client.Chat.Completions.New(t.Context(), params, rag); err == nil {
			c.complete(whole, &r)
		}
	default:
		var sources []byte
		r.Answer, sources, err = openAIGoSnippet(t, client, params)
		r.see("snippet", sources)
	}
	if err != nil {
		r.Error = err.Error()
	}
	if refused := (*openai.Error)(nil); errors.As(err, &refused) {
		r.Error = refused.Message // which Error() does not repeat
	}
	return r
}

func openAIGoSnippet(t *testing.T, client openai.Client, params openai.ChatCompletionNewParams) (answer string, sources []byte, err error) {
	ctx := t.Context()
	// snippet
	var rag struct{ Sources json.RawMessage } // or a list of structs
	stream := client.Chat.Completions.NewStreaming(ctx, params)
	for stream.Next() {
		chunk := stream.Current()
		if len(chunk.Choices) > 0 {
			answer += chunk.Choices[0].Delta.Content
		}
		if extra, ok := chunk.JSON.ExtraFields["rag"]; ok {
			err = json.Unmarshal([]byte(extra.Raw()), &rag)
		}
	}
	// end
	if err == nil {
		err = stream.Err()
	}
	return answer, rag.Sources, err
}

// goStream is what openai-go's generic stream has.
type goStream interface {
	Next() bool
	Current() openai.ChatCompletionChunk
	Err() error
}

func (c openAIGo) stream(s goStream, r *result) error {
	for s.Next() {
		chunk := s.Current()
		extra(r, "chunk", chunk.JSON.ExtraFields)
		if chunk.JSON.Usage.Valid() {
			r.Usage = []byte(chunk.JSON.Usage.Raw())
		}
		for _, choice := range chunk.Choices {
			r.Answer += choice.Delta.Content
			extra(r, "delta", choice.Delta.JSON.ExtraFields)
		}
	}
	return s.Err()
}

// accumulate looks at nothing but what the accumulator kept.
func (c openAIGo) accumulate(s goStream, r *result) error {
	var acc openai.ChatCompletionAccumulator
	for s.Next() {
		if !acc.AddChunk(s.Current()) {
			r.Error = "the accumulator refused a chunk"
		}
	}
	if len(acc.Choices) > 0 {
		c.complete(&acc.ChatCompletion, r)
	}
	if acc.Usage.TotalTokens > 0 {
		r.Usage = fmt.Appendf(nil, `{"total_tokens":%d}`, acc.Usage.TotalTokens)
	}
	return s.Err()
}

func (c openAIGo) complete(whole *openai.ChatCompletion, r *result) {
	extra(r, "completion", whole.JSON.ExtraFields)
	r.Answer = whole.Choices[0].Message.Content
	extra(r, "message", whole.Choices[0].Message.JSON.ExtraFields)
	if annotations := whole.Choices[0].Message.Annotations; len(annotations) > 0 {
		b, err := json.Marshal(annotations)
		if err != nil {
			r.Error = err.Error()
		}
		r.see("message.Annotations", b)
	}
	if whole.JSON.Usage.Valid() {
		r.Usage = []byte(whole.JSON.Usage.Raw())
	}
}

func extra(r *result, place string, fields map[string]respjson.Field) {
	for name, field := range fields {
		r.see(place+`.JSON.ExtraFields["`+name+`"]`, []byte(field.Raw()))
	}
}
