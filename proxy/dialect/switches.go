package dialect

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/internal/splice"
	"github.com/ragproxy/ragproxy/proxy/sse"
	"github.com/ragproxy/ragproxy/retrieval"
)

// Switches are additions to any dialect.
type Switches struct {
	Markdown  bool // the sources as a footer of the answer, for clients that show nothing else
	Reasoning bool // the rewrite's tokens as delta.reasoning_content
}

// With gives the dialect with the switches on. Where they add to it, plain has
// chunks of one id with ours.
func (d Dialect) With(s Switches) Dialect {
	if s == (Switches{}) {
		return d
	}
	inner := d
	if d.Name == "plain" {
		inner.Stream = newBare
	}
	d.Stream = func(req Request, sink Sink) Encoder {
		return &switched{Encoder: inner.Stream(req, sink), req: req, sink: sink, on: s, footed: map[int]bool{}}
	}
	if s.Markdown {
		d.Body = func(req Request, res *retrieval.Result, body []byte) []byte {
			return footBody(res, inner.Body(req, res, body))
		}
	}
	return d
}

// switched wraps a dialect's encoder.
type switched struct {
	Encoder
	req    Request
	sink   Sink
	on     Switches
	footer string
	footed map[int]bool
}

func (s *switched) Retrieval(ev retrieval.Event) {
	if delta, ok := ev.(retrieval.RewriteDelta); ok && s.on.Reasoning {
		text := append([]byte(`{"content":"","reasoning_content":`), marshal(delta.Delta)...)
		s.sink.Event(deltaFrame(s.req, 0, append(text, '}')))
	}
	s.Encoder.Retrieval(ev)
}

func (s *switched) Answer(res *retrieval.Result) {
	if s.on.Markdown {
		s.footer = footer(res.Sources)
	}
	s.Encoder.Answer(res)
}

// Upstream puts the footer before a choice's finish chunk, or, where that has
// text itself, behind its text.
func (s *switched) Upstream(line []byte) {
	if s.footer != "" {
		line = s.foot(line)
	}
	s.Encoder.Upstream(line)
}

func (s *switched) foot(line []byte) []byte {
	from, to, ok := sse.Data(line)
	if !ok {
		return line
	}
	c, ok := parseChunk(line[from:to])
	if !ok {
		return line
	}
	var e splice.Edits
	for _, ch := range c.choices {
		if !ch.finished || s.footed[ch.index] || callsTools(ch.object) {
			continue
		}
		s.footed[ch.index] = true
		if ch.content == "" {
			s.sink.Event(deltaFrame(s.req, ch.index, append(append([]byte(`{"content":`), marshal(s.footer)...), '}')))
			continue
		}
		appendText(&e, contentOf(ch.delta), s.footer)
	}
	if len(e) == 0 {
		return line
	}
	return append(append(append([]byte(nil), line[:from]...), e.Apply(line[from:to])...), line[to:]...)
}

// callsTools says whether a choice ends in a call rather than an answer.
func callsTools(choice gjson.Result) bool {
	reason := choice.Get("finish_reason").Str
	return reason == "tool_calls" || reason == "function_call"
}

func contentOf(holder gjson.Result) (content gjson.Result) {
	holder.ForEach(func(key, value gjson.Result) bool {
		if key.Str == "content" {
			content = value
		}
		return true
	})
	return content
}

// appendText puts text behind what a JSON string says.
func appendText(e *splice.Edits, content gjson.Result, text string) {
	if content.Type == gjson.String {
		quoted := marshal(text)
		e.Insert(content.Index+len(content.Raw)-1, quoted[1:len(quoted)-1])
	}
}

func footBody(res *retrieval.Result, body []byte) []byte {
	text := footer(res.Sources)
	if text == "" {
		return body
	}
	return editBody(body, nil, func(e *splice.Edits, ch, message gjson.Result) {
		if !callsTools(ch) {
			appendText(e, contentOf(message), text)
		}
	})
}

// footer lists the sources as Markdown; "" if there are none.
func footer(sources []retrieval.Source) string {
	if len(sources) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n\n**Sources**\n\n")
	for _, s := range sources {
		title := s.Chunk.Title
		if title == "" {
			title = s.Chunk.DocumentID
		}
		title = strings.NewReplacer("[", "(", "]", ")", "\n", " ", "\r", " ").Replace(title)
		b.WriteString(strconv.Itoa(s.N) + ". ")
		if s.Chunk.URL == "" {
			b.WriteString(title + "\n")
			continue
		}
		link := strings.NewReplacer("<", "%3C", ">", "%3E", "\n", "", "\r", "").Replace(Link(s))
		b.WriteString("[" + title + "](<" + link + ">)\n")
	}
	return b.String()
}
