package builtin

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// newClient is the official client against a server that ends with the test.
func newClient(t *testing.T) openai.Client {
	server := httptest.NewServer(New(Options{}))
	t.Cleanup(server.Close)
	return openai.NewClient(option.WithBaseURL(server.URL+"/v1"), option.WithAPIKey("none"), option.WithHTTPClient(server.Client()), option.WithMaxRetries(0))
}

func chatParams() openai.ChatCompletionNewParams {
	passages := prompt([]passage{{n: 1, title: "Search", text: "BM25 is a ranking function. It is old."}})
	return openai.ChatCompletionNewParams{
		Model: "any",
		Messages: []openai.ChatCompletionMessageParamUnion{
			openai.SystemMessage(passages), openai.UserMessage("What is BM25?"),
		},
		StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
	}
}

const clientAnswer = "BM25 is a ranking function. [1]\n\n" + disclosure

func TestClient(t *testing.T) {
	client := newClient(t)
	params := chatParams()
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
	got, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Choices) != 1 || got.Choices[0].Message.Content != clientAnswer || got.Choices[0].FinishReason != "stop" || got.Model != Model {
		t.Errorf("got %s, want the answer %q", got.RawJSON(), clientAnswer)
	}
	if u := got.Usage; u.PromptTokens == 0 || u.CompletionTokens != int64(len(pieces(clientAnswer))) || u.TotalTokens != u.PromptTokens+u.CompletionTokens {
		t.Errorf("usage: got %+v", u)
	}
}

func TestClientStream(t *testing.T) {
	client := newClient(t)
	stream := client.Chat.Completions.NewStreaming(t.Context(), chatParams())
	defer stream.Close()
	var all openai.ChatCompletionAccumulator
	deltas := 0
	for stream.Next() {
		if !all.AddChunk(stream.Current()) {
			t.Fatalf("the accumulator refused %s", stream.Current().RawJSON())
		}
		deltas++
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if len(all.Choices) != 1 || all.Choices[0].Message.Content != clientAnswer || all.Choices[0].Message.Role != "assistant" || all.Choices[0].FinishReason != "stop" {
		t.Errorf("got %+v, want the answer %q", all.ChatCompletion, clientAnswer)
	}
	if want := len(pieces(clientAnswer)) + 3; deltas != want { // role, finish, usage
		t.Errorf("got %d chunks, want %d", deltas, want)
	}
	if all.Usage.TotalTokens == 0 {
		t.Error("usage: got none")
	}
}

func TestClientModels(t *testing.T) {
	client := newClient(t)
	page, err := client.Models.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Data) != 1 || page.Data[0].ID != Model || page.Data[0].OwnedBy != "ragproxy" {
		t.Errorf("got %+v, want only %s", page.Data, Model)
	}
	if _, err := client.Models.Get(t.Context(), "gpt-4o"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("get gpt-4o: got %v, want a 404", err)
	}
}
