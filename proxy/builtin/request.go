package builtin

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// message is one chat message with its text; parts that are no text (images,
// audio) are left out.
type message struct {
	role string
	text string
}

type request struct {
	messages     []message
	stream       bool
	includeUsage bool
	n            int
	maxTokens    int // 0: no limit
	stop         []string
}

func parseRequest(body []byte) (*request, *apiError) {
	if !gjson.ValidBytes(body) {
		return nil, badRequest("", "invalid_json", "We could not parse the JSON body of your request.")
	}
	root := gjson.ParseBytes(body)
	if !root.IsObject() {
		return nil, badRequest("", "invalid_json", "The request body must be a JSON object.")
	}
	messages, apiErr := parseMessages(root.Get("messages"))
	if apiErr != nil {
		return nil, apiErr
	}
	req := &request{
		messages:     messages,
		stream:       root.Get("stream").Bool(),
		includeUsage: root.Get("stream_options.include_usage").Bool(),
	}
	if req.n, apiErr = intIn(root, "n", 1, 128, 1); apiErr != nil {
		return nil, apiErr
	}
	const noLimit = 1 << 31
	for _, key := range []string{"max_tokens", "max_completion_tokens"} {
		if req.maxTokens, apiErr = intIn(root, key, 1, noLimit, req.maxTokens); apiErr != nil {
			return nil, apiErr
		}
	}
	if req.stop, apiErr = parseStop(root.Get("stop")); apiErr != nil {
		return nil, apiErr
	}
	return req, nil
}

func parseMessages(list gjson.Result) ([]message, *apiError) {
	if !list.IsArray() {
		return nil, badRequest("messages", "invalid_messages", "'messages' must be a list of messages.")
	}
	var messages []message
	for i, m := range list.Array() {
		role := m.Get("role")
		if !m.IsObject() || role.Type != gjson.String {
			at := fmt.Sprintf("messages[%d]", i)
			return nil, badRequest(at, "invalid_messages", fmt.Sprintf("'%s' must be an object with a 'role'.", at))
		}
		messages = append(messages, message{role: role.String(), text: contentText(m.Get("content"))})
	}
	if len(messages) == 0 {
		return nil, badRequest("messages", "invalid_messages", "'messages' must hold at least one message.")
	}
	return messages, nil
}

// contentText joins the text of a content, which is a string or a list of
// parts; null and other types have none.
func contentText(content gjson.Result) string {
	if content.Type == gjson.String {
		return validText(content)
	}
	if !content.IsArray() {
		return ""
	}
	var texts []string
	for _, part := range content.Array() {
		if text := part.Get("text"); text.Type == gjson.String {
			texts = append(texts, validText(text))
		}
	}
	return strings.Join(texts, "\n")
}

// intIn reads a whole number in [low, high]; absent and null give missing.
func intIn(root gjson.Result, key string, low, high, missing int) (int, *apiError) {
	v := root.Get(key)
	if v.Type == gjson.Null {
		return missing, nil
	}
	f := v.Float()
	if v.Type != gjson.Number || f != float64(int64(f)) || f < float64(low) || f > float64(high) {
		return 0, badRequest(key, "invalid_value", fmt.Sprintf("'%s' must be a whole number of at least %d and at most %d.", key, low, high))
	}
	return int(f), nil
}

func parseStop(v gjson.Result) ([]string, *apiError) {
	var stop []string
	switch {
	case v.Type == gjson.Null:
		return nil, nil
	case v.Type == gjson.String:
		stop = []string{v.String()}
	case v.IsArray() && len(v.Array()) <= 4:
		for _, s := range v.Array() {
			if s.Type != gjson.String {
				return nil, badStop()
			}
			stop = append(stop, s.String())
		}
	default:
		return nil, badStop()
	}
	var kept []string // an empty stop sequence would stop everything
	for _, s := range stop {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return kept, nil
}

func badStop() *apiError {
	return badRequest("stop", "invalid_value", "'stop' must be a string or a list of at most 4 strings.")
}

// userTurns are the texts of the user's messages that have any, oldest first.
func userTurns(messages []message) []string {
	var turns []string
	for _, m := range messages {
		if m.role == "user" && strings.TrimSpace(m.text) != "" {
			turns = append(turns, m.text)
		}
	}
	return turns
}
