package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// complete is not streamed: the sources are in the answer's "rag".
func complete(ctx context.Context) error {
	client := openai.NewClient(option.WithBaseURL("http://127.0.0.1:8080/v1"), option.WithAPIKey("your upstream's key"))
	completion, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
		Model:    "gpt-4o-mini",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("How do I retry?")},
	})
	if err != nil {
		return err
	}
	return printAnswer(completion)
}

// filters takes a collection by header, and a filter in the body.
func filters(ctx context.Context) error {
	client := openai.NewClient(option.WithBaseURL("http://127.0.0.1:8080/v1"), option.WithAPIKey("your upstream's key"))
	completion, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
		Model:    "gpt-4o-mini",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("How do I retry?")},
	},
		option.WithHeader("X-RAG-Collection", "notes"), option.WithHeader("X-RAG-Top-K", "2"),
		option.WithJSONSet("rag", map[string]any{"filters": map[string]any{"document_id": "notes.md"}}))
	if err != nil {
		return err
	}
	return printAnswer(completion)
}

func printAnswer(completion *openai.ChatCompletion) error {
	var rag struct {
		Sources []struct {
			N           int
			Title, Link string
		}
	}
	if err := json.Unmarshal([]byte(completion.JSON.ExtraFields["rag"].Raw()), &rag); err != nil {
		return fmt.Errorf("read the sources: %w", err)
	}
	fmt.Println(completion.Choices[0].Message.Content)
	for _, s := range rag.Sources {
		fmt.Printf("[%d] %s %s\n", s.N, s.Title, s.Link)
	}
	return nil
}
