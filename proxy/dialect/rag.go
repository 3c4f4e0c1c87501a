package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/internal/splice"
	"github.com/ragproxy/ragproxy/retrieval"
)

// rag is the default dialect: each event an ordinary chunk with one more
// top-level member, "rag", and the result once more on the finish chunk,
// where clients that drop empty chunks still see it.
type rag struct{ core }

func newRag(req Request, sink Sink) Encoder {
	r := &rag{newCore(req, sink)}
	r.withFlagged = req.Select[EventFlagged]
	r.withSummary, r.withAnnotations = req.Select[EventSummary], req.Select[EventAnnotations]
	return r
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

// ragBody adds the member "rag" and the annotations to a whole answer.
func ragBody(req Request, res *retrieval.Result, body []byte) []byte {
	top := func(e *splice.Edits, root gjson.Result) {
		e.AddMember(body, root, "rag", marshal(bodyJSON{
			res.Query, res.Original, sourcesJSON(res.Sources, req.Text, -1), notNil(res.Degraded), res.Took.Milliseconds(), flaggedIn(body, res.Guard),
		}))
	}
	if len(req.Select) == 0 || onlyAnnotations(req.Select) {
		top = nil
	}
	return editBody(body, top, annotateMessage(body, req, res))
}

func onlyAnnotations(s Selection) bool { return len(s) == 1 && s[EventAnnotations] }
