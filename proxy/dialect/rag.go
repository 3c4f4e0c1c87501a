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

// rag is the default dialect: each event an ordinary chunk with one more
// top-level member, "rag", and the result once more on the finish chunk,
// where clients that drop empty chunks still see it.
type rag struct {
	req      Request
	sink     Sink
	quotedID []byte
	seq      int
	res      *retrieval.Result
	answers  map[int]*strings.Builder // the text of each choice so far
	finished map[int]bool
	summed   bool
}

func newRag(req Request, sink Sink) Encoder {
	return &rag{
		req: req, sink: sink, quotedID: marshal(req.ID),
		answers: map[int]*strings.Builder{}, finished: map[int]bool{},
	}
}

func (r *rag) Retrieval(ev retrieval.Event) {
	if !r.req.Select[ev.Name()] {
		return
	}
	r.seq++
	if done, ok := ev.(retrieval.RetrievalDone); ok {
		r.sink.Event(fit(maxFrame, done.Sources, func(limit int) []byte {
			return frame(r.req, "rag", marshal(retrievalDoneJSON{
				done.Name(), r.seq, done.Query, done.Took.Milliseconds(), notNil(done.Degraded), sourcesJSON(done.Sources, r.req.Text, limit),
			}))
		}))
		return
	}
	r.sink.Event(frame(r.req, "rag", marshal(eventJSON(r.seq, ev))))
}

func (r *rag) Answer(res *retrieval.Result) { r.res = res }

func (r *rag) Upstream(line []byte) {
	from, to, ok := sse.Data(line)
	if !ok {
		r.sink.Line(line)
		return
	}
	payload := line[from:to]
	if sse.IsDone(payload) {
		r.summary()
		r.sink.Line(line)
		return
	}
	c, ok := parseChunk(payload)
	if !ok {
		r.sink.Line(line)
		return
	}
	var e splice.Edits
	c.base(&e, r.quotedID)
	r.choices(&e, &c)
	if len(c.choices) == 0 && c.usage.IsObject() {
		r.summary()
		r.usage(&e, &c)
	}
	if len(e) == 0 {
		r.sink.Line(line)
		return
	}
	edited := e.Apply(payload)
	out := make([]byte, 0, len(edited)+from+len(line)-to)
	out = append(append(append(out, line[:from]...), edited...), line[to:]...)
	r.sink.Line(out)
}

// choices gathers the answers' text and dresses the finish chunks.
func (r *rag) choices(e *splice.Edits, c *chunk) {
	var ending []choice
	for _, ch := range c.choices {
		b, ok := r.answers[ch.index]
		if !ok {
			b = &strings.Builder{}
			r.answers[ch.index] = b
		}
		b.WriteString(ch.content)
		if ch.finished && !r.finished[ch.index] {
			r.finished[ch.index] = true
			ending = append(ending, ch)
		}
	}
	if len(ending) == 0 || r.res == nil {
		return
	}
	withSummary := r.req.Select[EventSummary] && !r.summed && len(r.finished) >= r.req.Choices
	parts := len(ending)
	if withSummary {
		parts++
	}
	room := (maxFrame - len(c.src)) / parts
	if r.req.Select[EventAnnotations] && len(r.res.Sources) > 0 {
		for _, ch := range ending {
			addAnnotations(e, c.src, ch.object, ch.delta, "delta", r.annotations(ch.index, room))
		}
	}
	if withSummary {
		r.summed = true
		r.seq++
		e.AddMember(c.src, c.root, "rag", r.summaryJSON(room))
	}
}

func (r *rag) annotations(choice, room int) []byte {
	text := ""
	if b := r.answers[choice]; b != nil {
		text = b.String()
	}
	return annotationElements(r.req, r.res, text, room)
}

func annotationElements(req Request, res *retrieval.Result, text string, room int) []byte {
	list := fit(room, res.Sources, func(limit int) []byte {
		return marshal(annotationsJSON(sourcesJSON(res.Sources, req.Text, limit), text))
	})
	return list[1 : len(list)-1]
}

func (r *rag) summaryJSON(room int) []byte {
	return fit(room, r.res.Sources, func(limit int) []byte {
		return marshal(summaryJSON{
			"summary", r.seq, r.res.Query, r.res.Original, sourcesJSON(r.res.Sources, r.req.Text, limit), notNil(r.res.Degraded),
		})
	})
}

// summary sends the summary in a chunk of its own where fewer choices
// finished than were asked for.
func (r *rag) summary() {
	if r.summed || r.res == nil || !r.req.Select[EventSummary] {
		return
	}
	r.summed = true
	r.seq++
	empty := len(frame(r.req, "rag", nil))
	r.sink.Event(frame(r.req, "rag", r.summaryJSON(maxFrame-empty)))
}

// usage adds what the rewrite used.
func (r *rag) usage(e *splice.Edits, c *chunk) {
	if r.res != nil && r.res.Usage != nil && r.req.IncludeUsage {
		e.AddMember(c.src, c.usage, "rag", marshal(usageJSON{r.res.Usage}))
	}
}

// ragBody adds the member "rag" and the annotations to a whole answer.
func ragBody(req Request, res *retrieval.Result, body []byte) []byte {
	root := gjson.ParseBytes(body)
	if !root.IsObject() || len(req.Select) == 0 {
		return body
	}
	var e splice.Edits
	root.ForEach(func(key, value gjson.Result) bool {
		if key.Str == "choices" && value.IsArray() && req.Select[EventAnnotations] && len(res.Sources) > 0 {
			value.ForEach(func(_, ch gjson.Result) bool {
				annotateMessage(&e, body, ch, req, res)
				return true
			})
		}
		return true
	})
	if !onlyAnnotations(req.Select) {
		e.AddMember(body, root, "rag", marshal(bodyJSON{
			res.Query, res.Original, sourcesJSON(res.Sources, req.Text, -1), notNil(res.Degraded), res.Took.Milliseconds(),
		}))
	}
	return e.Apply(body)
}

func annotateMessage(e *splice.Edits, body []byte, ch gjson.Result, req Request, res *retrieval.Result) {
	ch.ForEach(func(key, message gjson.Result) bool {
		if key.Str != "message" || !message.IsObject() {
			return true
		}
		text := message.Get("content").String()
		list := marshal(annotationsJSON(sourcesJSON(res.Sources, req.Text, -1), text))
		addAnnotations(e, body, ch, message, "message", list[1:len(list)-1])
		return false
	})
}

func onlyAnnotations(s Selection) bool { return len(s) == 1 && s[EventAnnotations] }

func notNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// frame is a chunk of ours: an ordinary one that says nothing, with one more
// top-level member, whose value is JSON.
func frame(req Request, key string, value []byte) []byte {
	var b bytes.Buffer
	b.WriteString(`{"id":`)
	b.Write(marshal(req.ID))
	b.WriteString(`,"object":"chat.completion.chunk","created":`)
	b.WriteString(strconv.FormatInt(req.Now().Unix(), 10))
	b.WriteString(`,"model":`)
	b.Write(marshal(req.Model))
	b.WriteString(`,"choices":[{"index":0,"delta":{"content":""},"finish_reason":null}],"` + key + `":`)
	b.Write(value)
	b.WriteByte('}')
	return b.Bytes()
}
