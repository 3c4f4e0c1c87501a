package proxy

import (
	"github.com/tidwall/gjson"
)

// What a request costs beside its text, in tokens: for each message and for
// the reply's start as OpenAI's cookbook counts them, for an image the most
// that a high-detail one takes (OpenAI's guide to images and vision).
const (
	messageTokens = 4
	replyTokens   = 3
	imageTokens   = 1445
)

// tokens counts what a request takes without the passages. It is 0 where no
// bound is set.
func (s *Server) tokens(req *chatRequest) (int, error) {
	if s.opts.MaxContextTokens == 0 {
		return 0, nil
	}
	return s.countTokens(req, s.opts.MaxContextTokens, true)
}

// countTokens counts messages, tools, images and, if asked, the answer that
// the request asks room for. It stops counting above limit.
func (s *Server) countTokens(req *chatRequest, limit int, answer bool) (int, error) {
	n := replyTokens
	var failed error
	add := func(text string) bool {
		var k int
		k, failed = s.opts.Tokens.Count(text, limit-n)
		n += k
		return failed == nil && n <= limit
	}
	req.root.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "max_tokens", "max_completion_tokens":
			if answer {
				n += int(max(0, min(value.Int(), int64(limit)+1)))
			}
		case "tools", "functions", "response_format":
			return add(value.Raw)
		case "messages":
			value.ForEach(func(_, m gjson.Result) bool {
				n += messageTokens
				return s.messageTokens(m, &n, add)
			})
		}
		return failed == nil && n <= limit
	})
	return n, failed
}

func (s *Server) messageTokens(m gjson.Result, n *int, add func(string) bool) bool {
	more := true
	m.ForEach(func(key, value gjson.Result) bool {
		if key.Str == "content" && value.IsArray() {
			value.ForEach(func(_, part gjson.Result) bool {
				switch {
				case part.Get("type").Str == "text":
					more = add(part.Get("text").String())
				case part.Get("type").Str == "image_url":
					*n += imageTokens
				default: // audio, files: what is in them is not known; a token for each four bytes
					*n += len(part.Raw) / 4
				}
				return more
			})
			return more
		}
		if value.Type == gjson.String {
			more = add(value.Str)
		} else if value.Type != gjson.Null {
			more = add(value.Raw)
		}
		return more
	})
	return more
}
