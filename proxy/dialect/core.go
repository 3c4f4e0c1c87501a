package dialect

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/internal/splice"
	"github.com/ragproxy/ragproxy/proxy/sse"
	"github.com/ragproxy/ragproxy/retrieval"
)

// core is what the dialects that edit upstream's lines have in common: the
// one id, the text of each answer, the finish chunks.
type core struct {
	req      Request
	sink     Sink
	quotedID []byte
	seq      int
	res      *retrieval.Result
	answers  map[int]*strings.Builder // the text of each choice so far
	finished map[int]bool
	summed   bool
	flagged  []flaggedLinkJSON // of all choices so far

	// What each line is read into and written from, used again for the next.
	line  chunk
	edits splice.Edits
	out   []byte

	withSummary     bool // a summary on the finish chunk
	withAnnotations bool // annotations on each choice's finish chunk
	withFlagged     bool // an event where an answer has links that only passages have
}

func newCore(req Request, sink Sink) core {
	return core{
		req: req, sink: sink, quotedID: marshal(req.ID),
		answers: map[int]*strings.Builder{}, finished: map[int]bool{},
	}
}

func (c *core) Answer(res *retrieval.Result) { c.res = res }

// Upstream implements Encoder for dialects with nothing to add to every line.
func (c *core) Upstream(line []byte) { c.upstream(line, nil) }

// upstream passes a line on with the common edits; more, if not nil, adds to
// those of a chunk.
func (c *core) upstream(line []byte, more func(*splice.Edits, *chunk)) {
	from, to, ok := sse.Data(line)
	if !ok {
		c.sink.Line(line)
		return
	}
	payload := line[from:to]
	if sse.IsDone(payload) {
		c.flagRest()
		c.summary()
		c.sink.Line(line)
		return
	}
	ch, e := &c.line, &c.edits
	if !ch.parse(payload) {
		c.sink.Line(line)
		return
	}
	*e = (*e)[:0]
	ch.base(e, c.quotedID)
	c.choices(e, ch)
	if len(ch.choices) == 0 && ch.usage.IsObject() {
		c.summary()
		c.usage(e, ch)
	}
	if more != nil {
		more(e, ch)
	}
	if len(*e) == 0 {
		c.sink.Line(line)
		return
	}
	c.out = e.AppendTo(append(c.out[:0], line[:from]...), payload)
	c.out = append(c.out, line[to:]...)
	c.sink.Line(c.out)
}

// choices gathers the answers' text and dresses the finish chunks.
func (c *core) choices(e *splice.Edits, ch *chunk) {
	var ending []choice
	for _, x := range ch.choices {
		if x.content != "" {
			b, ok := c.answers[x.index]
			if !ok {
				b = &strings.Builder{}
				c.answers[x.index] = b
			}
			b.WriteString(x.content)
		}
		if x.finished && !c.finished[x.index] {
			c.finished[x.index] = true
			ending = append(ending, x)
		}
	}
	if len(ending) == 0 || c.res == nil {
		return
	}
	for _, x := range ending {
		c.flag(x.index)
	}
	withSummary := c.withSummary && !c.summed && len(c.finished) >= c.req.Choices
	parts := len(ending)
	if withSummary {
		parts++
	}
	room := (maxFrame - len(ch.src)) / parts
	if c.withAnnotations && len(c.res.Sources) > 0 {
		for _, x := range ending {
			addAnnotations(e, ch.src, x.object, x.delta, "delta", annotationElements(c.req, c.res, c.answer(x.index), room))
		}
	}
	if withSummary {
		c.summed = true
		c.seq++
		e.AddMember(ch.src, ch.root, "rag", c.summaryJSON(room))
	}
}

func (c *core) answer(choice int) string {
	if b := c.answers[choice]; b != nil {
		return b.String()
	}
	return ""
}

func (c *core) summaryJSON(room int) []byte {
	return fit(room, c.res.Sources, func(limit int) []byte {
		return marshal(summaryJSON{
			"summary", c.seq, c.res.Query, c.res.Original, sourcesJSON(c.res.Sources, c.req.Text, limit), notNil(c.res.Degraded),
			within(room/4, c.flagged),
		})
	})
}

// summary sends the summary in a chunk of its own where fewer choices
// finished than were asked for.
func (c *core) summary() {
	if c.summed || c.res == nil || !c.withSummary {
		return
	}
	c.summed = true
	c.seq++
	empty := len(frame(c.req, "rag", nil))
	c.sink.Event(frame(c.req, "rag", c.summaryJSON(maxFrame-empty)))
}

// usage adds what the rewrite used.
func (c *core) usage(e *splice.Edits, ch *chunk) {
	if c.withSummary && c.res != nil && c.res.Usage != nil && c.req.IncludeUsage {
		e.AddMember(ch.src, ch.usage, "rag", marshal(usageJSON{c.res.Usage}))
	}
}

func annotationElements(req Request, res *retrieval.Result, text string, room int) []byte {
	return inner(fit(room, res.Sources, func(limit int) []byte {
		return marshal(annotationsJSON(sourcesJSON(res.Sources, req.Text, limit), text))
	}))
}

// inner is a JSON array without its brackets.
func inner(array []byte) []byte { return array[1 : len(array)-1] }

func notNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// noDelta is the delta of a chunk that says nothing.
const noDelta = `{"content":""}`

// frame is a chunk of ours: an ordinary one that says nothing, with one more
// top-level member, whose value is JSON.
func frame(req Request, key string, value []byte) []byte {
	return ownChunk(req, 0, []byte(noDelta), key, value)
}

// deltaFrame is a chunk of ours whose delta is the extra.
func deltaFrame(req Request, choice int, delta []byte) []byte {
	return ownChunk(req, choice, delta, "", nil)
}

func ownChunk(req Request, choice int, delta []byte, key string, value []byte) []byte {
	var b bytes.Buffer
	b.WriteString(`{"id":`)
	b.Write(marshal(req.ID))
	b.WriteString(`,"object":"chat.completion.chunk","created":`)
	b.WriteString(strconv.FormatInt(req.Now().Unix(), 10))
	b.WriteString(`,"model":`)
	b.Write(marshal(req.Model))
	b.WriteString(`,"choices":[{"index":` + strconv.Itoa(choice) + `,"delta":`)
	b.Write(delta)
	b.WriteString(`,"finish_reason":null}]`)
	if key != "" {
		b.WriteString(`,"` + key + `":`)
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// editBody edits a whole answer: root gets its top-level members from top, and
// each choice's message goes to message, with its parent.
func editBody(body []byte, top func(*splice.Edits, gjson.Result), message func(e *splice.Edits, choice, message gjson.Result)) []byte {
	root := gjson.ParseBytes(body)
	if !root.IsObject() || !gjson.ValidBytes(body) {
		return body
	}
	var e splice.Edits
	if message != nil {
		root.ForEach(func(key, value gjson.Result) bool {
			if key.Str == "choices" && value.IsArray() {
				value.ForEach(func(_, ch gjson.Result) bool {
					eachMessage(&e, ch, message)
					return true
				})
			}
			return true
		})
	}
	if top != nil {
		top(&e, root)
	}
	return e.Apply(body)
}

func eachMessage(e *splice.Edits, ch gjson.Result, edit func(e *splice.Edits, choice, message gjson.Result)) {
	ch.ForEach(func(key, value gjson.Result) bool {
		if key.Str == "message" && value.IsObject() {
			edit(e, ch, value)
			return false
		}
		return true
	})
}

// annotateMessage puts the annotations of a whole answer into its message.
func annotateMessage(body []byte, req Request, res *retrieval.Result) func(e *splice.Edits, choice, message gjson.Result) {
	if !req.Select[EventAnnotations] || len(res.Sources) == 0 {
		return nil
	}
	return func(e *splice.Edits, ch, message gjson.Result) {
		text := message.Get("content").String()
		list := inner(marshal(annotationsJSON(sourcesJSON(res.Sources, req.Text, -1), text)))
		addAnnotations(e, body, ch, message, "message", list)
	}
}
