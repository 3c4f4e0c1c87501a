package dialect

import "github.com/ragproxy/ragproxy/retrieval"

// plain is upstream's bytes and nothing else.
type plain struct{ sink Sink }

func newPlain(_ Request, sink Sink) Encoder { return plain{sink} }

func (plain) Retrieval(retrieval.Event) {}
func (plain) Answer(*retrieval.Result)  {}
func (p plain) Upstream(line []byte)    { p.sink.Line(line) }

func plainBody(_ Request, _ *retrieval.Result, body []byte) []byte { return body }

// bare is plain for a stream that a switch adds to: its chunks then have one
// id with ours, and that is all.
type bare struct{ core }

func newBare(req Request, sink Sink) Encoder { return &bare{newCore(req, sink)} }

func (*bare) Retrieval(retrieval.Event) {}
