package main

import (
	"context"
	"fmt"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// stream prints the answer as it comes, and what ragproxy adds to it.
func stream(ctx context.Context) error {
	// snippet
	client := openai.NewClient(option.WithBaseURL("http://127.0.0.1:8080/v1"), option.WithAPIKey("your upstream's key"))
	stream := client.Chat.Completions.NewStreaming(ctx, openai.ChatCompletionNewParams{
		Model:    "gpt-4o-mini",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("How do I retry?")},
	})
	for stream.Next() {
		chunk := stream.Current()
		if len(chunk.Choices) > 0 {
			fmt.Print(chunk.Choices[0].Delta.Content)
		}
		if rag, ok := chunk.JSON.ExtraFields["rag"]; ok {
			fmt.Println("\n" + rag.Raw())
		}
	}
	// end
	return stream.Err()
}
