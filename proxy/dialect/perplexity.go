package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/internal/splice"
	"github.com/ragproxy/ragproxy/retrieval"
)

// perplexity puts citations and search_results on every chunk, as that API
// does. It has no frames of its own.
type perplexity struct {
	core
	citations, results []byte
}

type perplexityResult struct {
	Title   string  `json:"title"`
	URL     string  `json:"url"`
	Date    *string `json:"date"`
	Snippet string  `json:"snippet"`
}

func newPerplexity(req Request, sink Sink) Encoder { return &perplexity{core: newCore(req, sink)} }

func (*perplexity) Retrieval(retrieval.Event) {}

func (p *perplexity) Answer(res *retrieval.Result) {
	p.core.Answer(res)
	p.citations, p.results = perplexityJSON(p.req, res)
}

func (p *perplexity) Upstream(line []byte) {
	p.upstream(line, func(e *splice.Edits, c *chunk) {
		if p.req.Select["retrieval.done"] && !c.isError {
			addPerplexity(e, c.src, c.root, p.citations, p.results)
		}
	})
}

func perplexityJSON(req Request, res *retrieval.Result) (citations, results []byte) {
	text := req.Text
	if text == TextFull {
		text = TextSnippet // they come with every chunk
	}
	links, found := []string{}, []perplexityResult{}
	for _, j := range sourcesJSON(res.Sources, text, -1) {
		links = append(links, j.Link)
		found = append(found, perplexityResult{Title: j.Title, URL: j.Link, Snippet: j.Text})
	}
	return marshal(links), marshal(found)
}

// addPerplexity leaves an upstream's own citations alone: it is such an API
// itself.
func addPerplexity(e *splice.Edits, src []byte, root gjson.Result, citations, results []byte) {
	if !root.Get("citations").Exists() {
		members := append(append([]byte(nil), citations...), `,"search_results":`...)
		e.AddMember(src, root, "citations", append(members, results...))
	}
}

func perplexityBody(req Request, res *retrieval.Result, body []byte) []byte {
	if !req.Select["retrieval.done"] {
		return body
	}
	citations, results := perplexityJSON(req, res)
	return editBody(body, func(e *splice.Edits, root gjson.Result) { addPerplexity(e, body, root, citations, results) }, nil)
}
