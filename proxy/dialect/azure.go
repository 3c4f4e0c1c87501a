package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/internal/splice"
	"github.com/ragproxy/ragproxy/retrieval"
)

// azure is the form of Azure OpenAI "on your data": one chunk after the
// retrieval whose delta has a context with citations and the search intent.
type azure struct{ core }

type azureContext struct {
	Citations []azureCitation `json:"citations"`
	Intent    string          `json:"intent"` // a JSON list of queries, as a string
}

type azureCitation struct {
	Content  string `json:"content"`
	Title    string `json:"title"`
	URL      string `json:"url"`
	Filepath string `json:"filepath"`
	ChunkID  string `json:"chunk_id"`
}

func newAzure(req Request, sink Sink) Encoder { return &azure{newCore(req, sink)} }

func (a *azure) Retrieval(ev retrieval.Event) {
	done, ok := ev.(retrieval.RetrievalDone)
	if !ok || !a.req.Select["retrieval.done"] {
		return
	}
	a.sink.Event(fit(maxFrame, done.Sources, func(limit int) []byte {
		context := azureContextJSON(a.req, done.Query, done.Sources, limit)
		return deltaFrame(a.req, 0, append(append([]byte(`{"content":"","context":`), context...), '}'))
	}))
}

func azureContextJSON(req Request, query string, sources []retrieval.Source, limit int) []byte {
	out := azureContext{Citations: []azureCitation{}, Intent: string(marshal([]string{query}))}
	for i, j := range sourcesJSON(sources, req.Text, limit) {
		out.Citations = append(out.Citations, azureCitation{j.Text, j.Title, j.Link, sources[i].Chunk.DocumentID, j.ID})
	}
	return marshal(out)
}

func azureBody(req Request, res *retrieval.Result, body []byte) []byte {
	if !req.Select["retrieval.done"] {
		return body
	}
	return editBody(body, nil, func(e *splice.Edits, _, message gjson.Result) {
		if !message.Get("context").Exists() {
			e.AddMember(body, message, "context", azureContextJSON(req, res.Query, res.Sources, -1))
		}
	})
}
