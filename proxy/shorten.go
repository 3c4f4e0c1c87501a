package proxy

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/retrieval"
)

// ask sends the request with its passages upstream. Where that says that the
// prompt is too long for the model, it is asked again with half the passages,
// then with none: nothing of an answer has gone to the client yet. result has
// the passages that were sent last.
func (x *exchange) ask(client *http.Request, req *chatRequest, result *retrieval.Result, placement string, r *retrieval.Retriever) (*http.Response, error) {
	header := client.Header
	for again := false; ; again = true {
		resp, err := x.server.askUpstream(client.Context(), x.notes, header, req.inject(result.Prompt, x.server.opts.Model, placement))
		if err != nil || len(result.Sources) == 0 || !promptTooLong(resp) {
			return resp, err
		}
		keep := len(result.Sources) / 2
		if again {
			keep = 0
		}
		if r.Shorten(result, keep) != nil {
			return resp, nil // what upstream says is better than nothing
		}
		resp.Body.Close()
		header = header.Clone()
		header.Del("Idempotency-Key") // it meant the other body
		x.retell(result)
	}
}

// note passes an event of the retrieval on and keeps it for retell.
func (x *exchange) note(ev retrieval.Event) {
	if _, ok := ev.(retrieval.RewriteDelta); !ok {
		x.noted = append(x.noted, ev)
	}
	x.encoder.Retrieval(ev)
}

// retell makes the events name the passages that are left: those that wait are
// made anew, and a client that has read them gets one more retrieval.done.
func (x *exchange) retell(result *retrieval.Result) {
	if !x.started {
		x.held, x.encoder = nil, x.dialect.Stream(x.request, x)
	}
	for _, ev := range x.noted {
		done, ok := ev.(retrieval.RetrievalDone)
		if ok {
			done.Sources = result.Sources
			ev = done
		}
		if ok || !x.started {
			x.encoder.Retrieval(ev)
		}
	}
}

// maxRefusal bounds what is read of an error to see what it is about.
const maxRefusal = 64 << 10

// promptTooLong says whether an answer refuses a prompt that is longer than the
// model's context. The body can still be read from its beginning.
func promptTooLong(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
	case http.StatusInternalServerError: // llama.cpp until autumn 2025, some gateways
	default:
		return false
	}
	read, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal)) // who reads on gets the error again
	rest := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(read), rest), rest}
	if resp.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(read))
		if err != nil {
			return false
		}
		read, _ = io.ReadAll(io.LimitReader(z, maxRefusal)) // cut off is long enough
	}
	return saysTooLong(read)
}

// saysTooLong looks at what an error says of itself, not at the whole body:
// some servers repeat the request in it.
func saysTooLong(body []byte) bool {
	root := gjson.ParseBytes(body)
	if !gjson.ValidBytes(body) {
		return false
	}
	if list := root; list.IsArray() { // Gemini's compatible API
		root = list.Get("0")
	}
	for _, path := range []string{"error.code", "error.type", "code", "type"} {
		switch root.Get(path).String() {
		case "context_length_exceeded", "exceed_context_size_error":
			return true
		}
	}
	// Mistral's message and FastAPI's detail stand at the top; OpenRouter has the
	// provider's own words in metadata.raw.
	for _, path := range []string{"error.message", "error.metadata.raw", "error", "message", "detail"} {
		if v := root.Get(path); v.Type == gjson.String && namesContext(v.Str) {
			return true
		}
	}
	return false
}

// namesContext knows the words of servers that have no code for it.
func namesContext(message string) bool {
	message = strings.ToLower(message)
	for _, words := range []string{
		"maximum context length",                  // OpenAI, Azure, vLLM, DeepSeek, OpenRouter; Mistral: too large for model with 32768 ...
		"contextwindowexceedederror",              // LiteLLM
		"context size",                            // llama.cpp: the request exceeds the available ...
		"context window",                          // llama-cpp-python: Requested tokens (n) exceed ...; OpenAI's newer: Your input exceeds the ...
		"exceeded max context length",             // Ollama: prompt too long; ...
		"exceeds the context length",              // Ollama: the input length ...
		"model's context length",                  // SGLang, Together: The input (n tokens) is longer than the ...
		"greater than the context length",         // LM Studio: tokens to keep from the initial prompt is ...
		"exceed context limit",                    // Anthropic: input length and `max_tokens` ...
		"prompt is too long",                      // Anthropic: prompt is too long: n tokens > m maximum
		"input is too long for requested model",   // Bedrock
		"`inputs` tokens + `max_new_tokens` must", // text-generation-inference
		"exceeds the maximum number of tokens",    // Gemini: The input token count (n) ... allowed
		"reduce the length of the messages",       // Groq
		"max_tokens must be at least 1, got -",    // vLLM until 2024, where the prompt alone is too long
	} {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}
