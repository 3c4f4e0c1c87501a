package proxy

import (
	"bytes"
	"encoding/json"
	"iter"
	"strconv"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/internal/splice"
	"github.com/ragproxy/ragproxy/retrieval"
)

// chatRequest is a request body as spans: what is read of it is found once,
// and all the rest is never looked at.
type chatRequest struct {
	body     []byte
	root     gjson.Result
	messages gjson.Result
	ragKey   gjson.Result // of the member "rag"; absent if the client sent none
	rag      gjson.Result

	model         string
	modelSpan     gjson.Result // absent if the client named none
	upstreamModel string       // what an alias stands for; "" if model is none
	stream        bool
	includeUsage  bool
	choices       int // n

	question turn                // the last user turn
	history  []retrieval.Message // the turns before it that hold text
	system   turn                // the first system or developer message
	lastRole string
}

// turn is one message.
type turn struct {
	role, text    string
	span, content gjson.Result
}

// Where the passages go.
const (
	PlacementSystem = "system"
	PlacementUser   = "user"
)

// maxDepth bounds the nesting of a body: the JSON readers recurse.
const maxDepth = 512

// bounds of a body; see Limits.
type bounds struct{ depth, messages, parts int }

// parseRequest finds the spans. body must not change afterwards.
func parseRequest(body []byte, b bounds) (*chatRequest, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, badRequest("invalid_json", "", "the request has no body: send a JSON object with model and messages")
	}
	if b.depth == 0 || b.depth > maxDepth {
		b.depth = maxDepth
	}
	if !shallow(body, b.depth) {
		return nil, badRequest("invalid_json", "", "the request body is nested deeper than "+strconv.Itoa(b.depth)+" levels")
	}
	text := unsafe.String(unsafe.SliceData(body), len(body))
	if !gjson.Valid(text) {
		return nil, badRequest("invalid_json", "", "the request body is not valid JSON")
	}
	root := gjson.Parse(text)
	if !root.IsObject() {
		return nil, badRequest("invalid_json", "", "the request body is not a JSON object")
	}
	r := &chatRequest{body: body, root: root, choices: 1}
	seen := map[string]int{}
	root.ForEach(func(key, value gjson.Result) bool {
		name := key.String()
		seen[name]++
		switch name {
		case "messages":
			r.messages = value
		case "rag":
			r.ragKey, r.rag = key, value
		case "model":
			r.model, r.modelSpan = value.String(), value
		case "stream":
			r.stream = value.Type == gjson.True
		case "stream_options":
			r.includeUsage = value.Get("include_usage").Type == gjson.True
		case "n":
			r.choices = max(1, int(value.Int()))
		}
		return true
	})
	for _, name := range []string{"messages", "rag"} {
		if seen[name] > 1 {
			return nil, badRequest(map[string]string{"messages": "invalid_messages", "rag": "invalid_rag_option"}[name], name, "the request has more than one "+name+" member")
		}
	}
	return r, r.readMessages(b)
}

func (r *chatRequest) readMessages(b bounds) error {
	if !r.messages.IsArray() {
		return badRequest("invalid_messages", "messages", "messages is missing or not a list")
	}
	bad, n, parts := false, 0, 0
	var turns []turn
	r.messages.ForEach(func(_, m gjson.Result) bool {
		n++
		if bad = !m.IsObject(); bad {
			return false
		}
		t := readTurn(m)
		if b.parts > 0 && t.content.IsArray() {
			parts += int(t.content.Get("#").Int())
		}
		turns = append(turns, t)
		return (b.messages == 0 || n <= b.messages) && (b.parts == 0 || parts <= b.parts)
	})
	switch {
	case b.messages > 0 && n > b.messages:
		return badRequest("invalid_messages", "messages", "messages has more than the "+strconv.Itoa(b.messages)+" that limits.max_messages allows")
	case b.parts > 0 && parts > b.parts:
		return badRequest("invalid_messages", "messages", "the messages have more than the "+strconv.Itoa(b.parts)+" parts that limits.max_parts allows")
	case n == 0:
		return badRequest("invalid_messages", "messages", "messages is empty: send at least one")
	case bad:
		return badRequest("invalid_messages", "messages", "messages["+strconv.Itoa(n-1)+"] is not an object")
	}
	r.readTurns(turns)
	return nil
}

// readTurns finds the question, what was said before it, and where the
// passages may go.
func (r *chatRequest) readTurns(turns []turn) {
	r.lastRole = turns[len(turns)-1].role
	last := -1
	for i, t := range turns {
		switch t.role {
		case "user":
			last = i
		case "system", "developer":
			if !r.system.span.Exists() {
				r.system = t
			}
		}
	}
	if last < 0 {
		return
	}
	r.question = turns[last]
	for _, t := range turns[:last] {
		if (t.role == "user" || t.role == "assistant") && t.text != "" {
			r.history = append(r.history, retrieval.Message{Role: t.role, Text: t.text})
		}
	}
}

// wantsRetrieval says whether there is a question to retrieve for: a last
// user turn with text that is not already being answered by tools.
func (r *chatRequest) wantsRetrieval() bool {
	return r.question.text != "" && r.lastRole != "tool" && r.lastRole != "function"
}

func readTurn(m gjson.Result) turn {
	t := turn{span: m}
	m.ForEach(func(key, value gjson.Result) bool {
		switch key.String() {
		case "role":
			t.role = value.String()
		case "content":
			t.content, t.text = value, contentText(value)
		}
		return true
	})
	return t
}

// contentText gives a message's text: the string, or its text parts.
func contentText(content gjson.Result) string {
	if !content.IsArray() {
		return strings.TrimSpace(stringOf(content))
	}
	var parts []string
	content.ForEach(func(_, part gjson.Result) bool {
		if part.Get("type").Str == "text" {
			parts = append(parts, stringOf(part.Get("text")))
		}
		return true
	})
	return strings.TrimSpace(strings.Join(parts, "\n"))
}

// stringOf is a JSON string's value, "" for any other type. Lone surrogates
// and bytes that are no UTF-8 become U+FFFD: what is sent on as text must be
// text.
func stringOf(v gjson.Result) string {
	if v.Type != gjson.String {
		return ""
	}
	return strings.Clone(strings.ToValidUTF8(v.Str, "\uFFFD")) // not to keep the body for a question
}

// said are the texts of the messages that are the client's own: not the turns of
// the assistant, where a link of a passage may have got into an earlier answer.
// They share the body's memory.
func (r *chatRequest) said() iter.Seq[string] {
	return func(yield func(string) bool) {
		r.messages.ForEach(func(_, m gjson.Result) bool {
			if m.Get("role").Str == "assistant" {
				return true
			}
			content := m.Get("content")
			if !content.IsArray() {
				return yield(content.Str)
			}
			more := true
			content.ForEach(func(_, part gjson.Result) bool {
				more = yield(part.Get("text").Str)
				return more
			})
			return more
		})
	}
}

// strip is the body as upstream gets it where there is nothing to add: less
// the member "rag", and with model where the client named none.
func (r *chatRequest) strip(model string) []byte {
	var e splice.Edits
	r.common(&e, model)
	return e.Apply(r.body)
}

func (r *chatRequest) common(e *splice.Edits, model string) {
	if r.ragKey.Exists() {
		e.RemoveMember(r.body, r.ragKey, r.rag)
	}
	switch {
	case r.upstreamModel != "":
		quoted := append(append([]byte{'"'}, escape(r.upstreamModel)...), '"')
		e.Replace(r.modelSpan.Index, r.modelSpan.Index+len(r.modelSpan.Raw), quoted)
	case !r.modelSpan.Exists() && model != "":
		e.Insert(r.root.Index+1, append(append([]byte(`"model":"`), escape(model)...), `",`...))
	}
}

// inject is the body with prompt in the system message (appended to the
// client's own, or a new first one) or before the question.
// An empty prompt changes nothing.
func (r *chatRequest) inject(prompt, model, placement string) []byte {
	var e splice.Edits
	r.common(&e, model)
	switch {
	case prompt == "":
	case placement == PlacementUser:
		r.addText(&e, r.question, prompt, true)
	case r.system.span.Exists():
		r.addText(&e, r.system, prompt, false)
	default:
		message := append(append([]byte(`{"role":"system","content":"`), escape(prompt)...), `"},`...)
		e.Insert(r.messages.Index+1, message)
	}
	return e.Apply(r.body)
}

// addText puts text before or behind what a message says, inside its bytes.
func (r *chatRequest) addText(e *splice.Edits, t turn, text string, before bool) {
	from, to := t.content.Index, t.content.Index+len(t.content.Raw)
	part := append(append([]byte(`{"type":"text","text":"`), escape(text)...), `"}`...)
	switch {
	case t.content.Type == gjson.String && before:
		e.Insert(from+1, escape(text+"\n\n"))
	case t.content.Type == gjson.String:
		if len(t.content.Raw) > 2 {
			text = "\n\n" + text
		}
		e.Insert(to-1, escape(text))
	case t.content.IsArray() && before && len(t.content.Array()) > 0:
		e.Insert(from+1, append(part, ','))
	case t.content.IsArray():
		e.AddElements(r.body, t.content, part)
	case t.content.Exists(): // null
		e.Replace(from, to, append(append([]byte{'"'}, escape(text)...), '"'))
	default:
		e.AddMember(r.body, t.span, "content", append(append([]byte{'"'}, escape(text)...), '"'))
	}
}

// escape is text as it stands inside a JSON string.
func escape(text string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil { // a string can always be encoded
		return nil
	}
	return b.Bytes()[1 : b.Len()-2]
}

// shallow says whether no value is nested deeper than limit. Only quotes,
// backslashes and brackets matter to that, in valid JSON and in any other.
func shallow(body []byte, limit int) bool {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return false
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return true
}
