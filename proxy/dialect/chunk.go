package dialect

import (
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/internal/splice"
	"github.com/ragproxy/ragproxy/proxy/sse"
)

// chunk is an upstream chat.completion.chunk as spans of its bytes.
type chunk struct {
	src     []byte
	root    gjson.Result
	id      gjson.Result
	choices []choice
	usage   gjson.Result
	errKey  gjson.Result // "error": null, which openai-go takes for an error
	errNull gjson.Result
	isError bool
}

type choice struct {
	object   gjson.Result
	index    int
	delta    gjson.Result
	content  string
	finished bool
}

// parseChunk reads a chunk that is looked at once.
func parseChunk(src []byte) (chunk, bool) {
	var c chunk
	ok := c.parse(src)
	return c, ok
}

// parse reads the few members that a dialect looks at, and forgets the chunk
// before. It returns false for what is no JSON object. The spans share src's
// memory: src must not change while they are in use.
func (c *chunk) parse(src []byte) bool {
	*c = chunk{src: src, choices: c.choices[:0]}
	c.root = gjson.Parse(unsafe.String(unsafe.SliceData(src), len(src)))
	// gjson reads on through what is no JSON; its spans would then overlap.
	if !c.root.IsObject() || !gjson.Valid(c.root.Raw) {
		return false
	}
	c.root.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "id":
			c.id = value
		case "choices":
			if value.IsArray() {
				value.ForEach(func(_, v gjson.Result) bool {
					c.choices = append(c.choices, parseChoice(v))
					return true
				})
			}
		case "usage":
			c.usage = value
		case "error":
			c.isError = value.Type != gjson.Null
			if !c.isError {
				c.errKey, c.errNull = key, value
			}
		}
		return true
	})
	return true
}

func parseChoice(v gjson.Result) choice {
	ch := choice{object: v}
	v.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "index":
			ch.index = int(value.Int())
		case "delta":
			ch.delta = value
			if content := value.Get("content"); content.Type == gjson.String {
				ch.content = content.Str
			}
		case "finish_reason":
			ch.finished = value.Type == gjson.String
		}
		return true
	})
	return ch
}

// base makes the edits that every relayed chunk gets: the stream's one id,
// and no null error.
func (c *chunk) base(e *splice.Edits, quotedID []byte) {
	if c.id.Exists() {
		e.Replace(c.id.Index, c.id.Index+len(c.id.Raw), quotedID)
	}
	if c.errKey.Exists() {
		e.RemoveMember(c.src, c.errKey, c.errNull)
	}
}

// addAnnotations puts elements (JSON values joined by commas) into the
// annotations of holder, a delta or a message, which belongs to parent.
func addAnnotations(e *splice.Edits, src []byte, parent, holder gjson.Result, name string, elements []byte) {
	wrapped := append(append([]byte("["), elements...), ']')
	switch {
	case holder.IsObject():
		var have gjson.Result
		holder.ForEach(func(key, value gjson.Result) bool {
			if key.Str != "annotations" {
				return true
			}
			have = value
			return false
		})
		switch {
		case have.IsArray():
			e.AddElements(src, have, elements)
		case have.Exists(): // null
			e.Replace(have.Index, have.Index+len(have.Raw), wrapped)
		default:
			e.AddMember(src, holder, "annotations", wrapped)
		}
	case holder.Exists(): // null
		e.Replace(holder.Index, holder.Index+len(holder.Raw), append(append([]byte(`{"annotations":`), wrapped...), '}'))
	default:
		e.AddMember(src, parent, name, append(append([]byte(`{"annotations":`), wrapped...), '}'))
	}
}

// IsError says whether a line of a stream carries an error of upstream's own.
func IsError(line []byte) bool {
	from, to, ok := sse.Data(line)
	if !ok {
		return false
	}
	c, ok := parseChunk(line[from:to])
	return ok && c.isError
}
