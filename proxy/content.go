package proxy

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"
	"go.opentelemetry.io/otel/attribute"

	"github.com/ragproxy/ragproxy/retrieval"
)

// maxContent bounds one attribute of content, in bytes.
const maxContent = 64 << 10

// content gathers what was said, for a trace; only where TraceContent is set.
type content struct {
	on       bool
	messages []tracedMessage
	text     strings.Builder // of the answer's first choice
}

// tracedMessage is a message in the form of gen_ai.input.messages.
type tracedMessage struct {
	Role  string       `json:"role"`
	Parts []tracedPart `json:"parts"`
}

type tracedPart struct {
	Type    string `json:"type"`
	Content string `json:"content"`
}

func textMessage(role, text string) tracedMessage {
	return tracedMessage{role, []tracedPart{{"text", text}}}
}

func (c *content) readMessages(req *chatRequest) {
	c.on = true
	room := maxContent
	req.messages.ForEach(func(_, m gjson.Result) bool {
		t := readTurn(m)
		room -= len(t.text)
		c.messages = append(c.messages, textMessage(t.role, t.text))
		return room > 0
	})
}

// answer takes the text of a chunk.
func (c *content) answer(chunk []byte) {
	if c.text.Len() < maxContent {
		c.text.WriteString(gjson.GetBytes(chunk, "choices.0.delta.content").String())
	}
}

func (c *content) attributes(res *retrieval.Result) []attribute.KeyValue {
	out := []attribute.KeyValue{jsonAttribute("gen_ai.input.messages", c.messages)}
	if res != nil && len(res.Sources) > 0 {
		var parts []tracedPart
		for _, s := range res.Sources {
			parts = append(parts, tracedPart{"text", s.Chunk.Text})
		}
		out = append(out, jsonAttribute("gen_ai.system_instructions", parts))
	}
	if c.text.Len() > 0 {
		out = append(out, outputMessages(c.text.String()))
	}
	return out
}

func outputMessages(text string) attribute.KeyValue {
	return jsonAttribute("gen_ai.output.messages", []tracedMessage{textMessage("assistant", text)})
}

// retrievedContent is the query, and the documents in the conventions' form.
func retrievedContent(res *retrieval.Result) []attribute.KeyValue {
	type document struct {
		ID    string  `json:"id"`
		Score float64 `json:"score"`
		Title string  `json:"title,omitempty"`
	}
	documents := []document{}
	for _, s := range res.Sources {
		documents = append(documents, document{s.Chunk.ID, s.Score, s.Chunk.Title})
	}
	return []attribute.KeyValue{attribute.String("gen_ai.retrieval.query.text", bounded(res.Query)), jsonAttribute("gen_ai.retrieval.documents", documents)}
}

func jsonAttribute(key string, v any) attribute.KeyValue {
	b, err := json.Marshal(v)
	if err != nil { // strings and numbers: cannot happen
		b = nil
	}
	return attribute.String(key, bounded(string(b)))
}

func bounded(s string) string {
	if len(s) > maxContent {
		return strings.ToValidUTF8(s[:maxContent], "")
	}
	return s
}
