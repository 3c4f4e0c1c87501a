// Package dialect puts what was retrieved into what the client reads: one
// file for each form that clients know, chosen by name from one table.
//
// To add one: write its file with an [Encoder] and a body function, add it to
// the table below, and put a transcript of each kind beside the others.
package dialect

import (
	"time"

	"github.com/ragproxy/ragproxy/retrieval"
)

// Dialect is one form of the answer.
type Dialect struct {
	Name string
	// Stream makes the encoder of one streamed answer.
	Stream func(Request, Sink) Encoder
	// Body puts the result into a whole (not streamed) answer. It returns
	// body itself where it has nothing to add, and where body is no answer
	// that it knows.
	Body func(req Request, res *retrieval.Result, body []byte) []byte
}

// Encoder writes one streamed answer. Made for one request and used from one
// goroutine: Retrieval for each event, then Answer once, then Upstream for
// each line. It re-marshals nothing that it only passes on.
type Encoder interface {
	// Retrieval takes an event; most dialects write it at once.
	Retrieval(retrieval.Event)
	// Answer takes the whole result, before upstream's first line.
	Answer(*retrieval.Result)
	// Upstream takes one line of upstream's stream, with its terminator, and
	// writes it, edited where the dialect has something to add. The line is
	// not kept.
	Upstream(line []byte)
}

// Sink is where an encoder writes. Errors stay with the sink: an encoder has
// no use for them.
type Sink interface {
	Event(payload []byte) // one data line and the empty line behind it; payload may be kept
	Line(line []byte)     // as it is; line is not kept
}

// Request is what a dialect must know of the client's request.
type Request struct {
	ID           string // of all frames, minted by the proxy
	Model        string // as the client named it
	Choices      int    // n, at least 1
	IncludeUsage bool   // stream_options.include_usage
	Select       Selection
	Text         string // TextFull, TextSnippet or TextNone
	Now          func() time.Time
}

// How much of the passages' text a client gets.
const (
	TextFull    = "full"
	TextSnippet = "snippet"
	TextNone    = "none"
)

// all is every dialect, in the order in which they are listed to people.
func all() []Dialect {
	return []Dialect{
		{"rag", newRag, ragBody},
		{"annotations", newAnnotations, annotationsBody},
		{"openwebui", newOpenWebUI, ragBody},
		{"azure", newAzure, azureBody},
		{"perplexity", newPerplexity, perplexityBody},
		{"plain", newPlain, plainBody},
	}
}

// Lookup finds a dialect by name.
func Lookup(name string) (Dialect, bool) {
	for _, d := range all() {
		if d.Name == name {
			return d, true
		}
	}
	return Dialect{}, false
}

// Names lists the dialects.
func Names() []string {
	var names []string
	for _, d := range all() {
		names = append(names, d.Name)
	}
	return names
}
