package dialect

import "github.com/ragproxy/ragproxy/retrieval"

// annotations is OpenAI's own form of citations and nothing else: url_citation
// on each choice's finish chunk, or in the message.
type annotations struct{ core }

func newAnnotations(req Request, sink Sink) Encoder {
	a := &annotations{newCore(req, sink)}
	a.withAnnotations = req.Select[EventAnnotations]
	return a
}

func (*annotations) Retrieval(retrieval.Event) {}

func annotationsBody(req Request, res *retrieval.Result, body []byte) []byte {
	return editBody(body, nil, annotateMessage(body, req, res))
}
