package dialect

import (
	"cmp"
	"strings"

	"github.com/ragproxy/ragproxy/retrieval"
)

// openwebui sends what Open WebUI's own retrieval sends: status lines and one
// source event a passage. It gets no annotations, which it would save a second
// time. Not streamed it is as rag.
type openwebui struct{ core }

type webuiEvent struct {
	Type string `json:"type"`
	Data any    `json:"data"`
}

// webuiStatus is a line above the answer; the members that do not belong to an
// action are left out.
type webuiStatus struct {
	Action  string   `json:"action"`
	Query   string   `json:"query,omitempty"`
	Queries []string `json:"queries,omitempty"`
	Count   *int     `json:"count,omitempty"`
	Done    bool     `json:"done"`
}

type webuiSource struct {
	Source    webuiPlace   `json:"source"`
	Document  []string     `json:"document"`
	Metadata  []webuiChunk `json:"metadata"`
	Distances []float64    `json:"distances"`
}

type webuiPlace struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	URL  string `json:"url"`
}

type webuiChunk struct {
	Source   string `json:"source"`
	Name     string `json:"name"`
	URL      string `json:"url"`
	External bool   `json:"external,omitempty"`
}

func newOpenWebUI(req Request, sink Sink) Encoder {
	o := &openwebui{newCore(req, sink)}
	o.withSummary = req.Select[EventSummary]
	return o
}

func (o *openwebui) Retrieval(ev retrieval.Event) {
	if !o.req.Select["retrieval.done"] {
		return
	}
	switch ev := ev.(type) {
	case retrieval.RetrievalStarted:
		o.send("status", webuiStatus{Action: "knowledge_search", Query: ev.Query})
		o.send("status", webuiStatus{Action: "queries_generated", Queries: []string{ev.Query}})
	case retrieval.RetrievalDone:
		for _, s := range ev.Sources {
			o.source(s)
		}
		count := len(ev.Sources)
		o.send("status", webuiStatus{Action: "sources_retrieved", Count: &count, Done: true})
	}
}

// source sends one passage. Open WebUI merges sources with equal addresses or
// ids, so both are the chunk's own.
func (o *openwebui) source(s retrieval.Source) {
	one := []retrieval.Source{s}
	o.sink.Event(fit(maxFrame, one, func(limit int) []byte {
		j := sourcesJSON(one, o.req.Text, limit)[0]
		name := webuiName(j)
		return frame(o.req, "event", marshal(webuiEvent{"source", webuiSource{
			webuiPlace{j.ID, name, j.Link}, []string{j.Text}, []webuiChunk{{j.ID, name, j.Link, isAddress(j.ID)}}, []float64{j.Score},
		}}))
	}))
}

// webuiName is what a source is called. Open WebUI (0.12.4, Citations.svelte)
// has Google asked for the icon of each source whose name is an address, which
// tells it the address, and takes an id that is one for the name unless the
// passage is "external".
func webuiName(j sourceJSON) string {
	name := cmp.Or(j.Title, j.ID)
	if isAddress(name) {
		_, name, _ = strings.Cut(name, "://")
	}
	return name
}

func isAddress(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

func (o *openwebui) send(kind string, data any) {
	o.sink.Event(frame(o.req, "event", marshal(webuiEvent{kind, data})))
}
