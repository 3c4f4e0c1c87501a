package proxy

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ragproxy/ragproxy/retrieval"
)

// explained keeps what is known of the last chat completions, as a ring; nil
// keeps nothing. Safe for concurrent use.
type explained struct {
	mu   sync.Mutex
	ring []*record // the oldest at next
	next int
	byID map[string]*record
}

// record is one of them. Its texts are the question and the query; those of
// the passages, the answer and the messages are not kept.
type record struct {
	id, key string
	ended   chan struct{} // closed when nothing is added any more

	mu   sync.Mutex
	body []byte // JSON; nil until something is known
}

func newExplained(n int) *explained {
	if n <= 0 {
		return nil
	}
	return &explained{ring: make([]*record, n), byID: map[string]*record{}}
}

// begin makes room for a request.
func (e *explained) begin(n *notes, key string) {
	if e == nil {
		return
	}
	n.record = &record{id: n.id, key: key, ended: make(chan struct{})}
	e.mu.Lock()
	defer e.mu.Unlock()
	if old := e.ring[e.next]; old != nil {
		delete(e.byID, old.id)
	}
	e.ring[e.next], e.byID[n.id] = n.record, n.record
	e.next = (e.next + 1) % len(e.ring)
}

// of finds a request that was made with this key.
func (e *explained) of(id, key string) *record {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.byID[id]; r != nil && r.key == key {
		return r
	}
	return nil
}

type explainedJSON struct {
	ID         string           `json:"id"`
	Time       time.Time        `json:"time"`
	Key        string           `json:"key,omitempty"`
	Collection string           `json:"collection"`
	Original   string           `json:"original"`
	Query      string           `json:"query"`
	Rewrite    string           `json:"rewrite"`
	Stages     []stageJSON      `json:"stages"`
	Hits       []explainedHit   `json:"hits"`
	Context    explainedContext `json:"context"`
	Degraded   []string         `json:"degraded"`
	Status     int              `json:"status"`
}

type stageJSON struct {
	Name  string  `json:"name"`
	MS    float64 `json:"ms"`
	Error string  `json:"error,omitempty"`
}

type explainedHit struct {
	N          *int         `json:"n"`
	ID         string       `json:"id"`
	DocumentID string       `json:"document_id"`
	Title      string       `json:"title"`
	URL        string       `json:"url"`
	Vector     *explainRank `json:"vector"`
	BM25       *explainRank `json:"bm25"`
	Score      float64      `json:"score"`
	Rerank     *rerankRank  `json:"rerank,omitempty"`
	Cut        string       `json:"cut"`
}

type explainRank struct {
	Rank  int     `json:"rank"`
	Score float64 `json:"score"`
}

type rerankRank struct {
	Rank int `json:"rank"`
}

type explainedContext struct {
	Passages  int `json:"passages"`
	Tokens    int `json:"tokens"`
	MaxTokens int `json:"max_tokens"`
}

// maxTurnKept bounds the question and the query in a record, in bytes.
const maxTurnKept = 8 << 10

func keptTurn(s string) string {
	if len(s) > maxTurnKept {
		return strings.ToValidUTF8(s[:maxTurnKept], "") + "…"
	}
	return s
}

// fillRecord writes down what the notes say so far; the prompt's tokens are
// counted at the end, when nobody waits for it.
func (s *Server) fillRecord(n *notes, status int, ended bool) {
	out := explainedJSON{
		ID: n.id, Time: n.begin.UTC().Truncate(time.Millisecond), Key: n.record.key, Collection: n.collection, Rewrite: "none", Stages: n.stageList(ended),
		Hits: []explainedHit{}, Context: explainedContext{MaxTokens: s.opts.MaxContextTokens}, Degraded: []string{}, Status: status,
	}
	if res := n.result; res != nil {
		out.Original, out.Query, out.Rewrite = keptTurn(res.Original), keptTurn(res.Query), rewriteState(res)
		out.Hits = explainHits(res)
		out.Degraded = append(out.Degraded, res.Degraded...)
		out.Context.Passages = len(res.Sources)
	}
	if ended {
		out.Context.Tokens, _ = s.opts.Tokens.Count(n.prompt, 1<<30) // without its vocabulary it counts nothing
	}
	body, err := json.Marshal(out)
	if err != nil { // a score that is no number
		s.opts.Logger.Warn("request cannot be explained", "error", err)
	}
	n.record.mu.Lock()
	n.record.body = body
	n.record.mu.Unlock()
	if ended {
		close(n.record.ended)
	}
}

func (n *notes) stageList(ended bool) []stageJSON {
	out := []stageJSON{}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	for _, st := range n.stages {
		j := stageJSON{Name: st.Name, MS: ms(st.Took)}
		if st.Err != nil {
			j.Error = st.Err.Code + ": " + st.Err.Message
		}
		out = append(out, j)
	}
	if n.header > 0 {
		out = append(out, stageJSON{"upstream_header", ms(n.header), n.headerErr})
	}
	if !n.firstDelta.IsZero() {
		out = append(out, stageJSON{Name: "first_delta", MS: ms(n.firstDelta.Sub(n.begin))})
	}
	if ended {
		out = append(out, stageJSON{Name: "total", MS: ms(time.Since(n.begin))})
	}
	return out
}

func rewriteState(res *retrieval.Result) string {
	for _, st := range res.Stages {
		if st.Name == retrieval.StageRewrite && st.Err != nil {
			return "failed"
		} else if st.Name == retrieval.StageRewrite {
			return "done"
		}
	}
	return "none"
}

// explainHits gives the hits their form. A passage that the upstream had no
// room for was cut behind the retrieval.
func explainHits(res *retrieval.Result) []explainedHit {
	out := make([]explainedHit, len(res.Explanation))
	for i, h := range res.Explanation {
		e := explainedHit{
			ID: h.ID, DocumentID: h.DocumentID, Title: h.Title, URL: h.URL, Score: h.Score, Cut: h.Cut,
			Vector: (*explainRank)(h.Vector), BM25: (*explainRank)(h.Keyword),
		}
		switch {
		case h.N > len(res.Sources):
			e.Cut = retrieval.CutBudget
		case h.N > 0:
			e.N = &h.N
		}
		if h.Rerank > 0 {
			e.Rerank = &rerankRank{h.Rerank}
		}
		out[i] = e
	}
	return out
}

// explainWait is how long a question for a request that still runs waits for
// its end, which comes a moment after the last byte of the answer.
const explainWait = 250 * time.Millisecond

// explain answers GET /v1/rag/requests/ID, to the key that made the request.
func (s *Server) explain(c *gin.Context) error {
	id := c.Param("id")
	if s.explained == nil {
		return notFound("unknown_request", "id", "requests are not kept: set observability.explain to how many of the last ones to keep")
	}
	r := s.explained.of(id, clientOf(c).ID())
	if r == nil {
		return notFound("unknown_request", "id", "no such request is kept: the id is the X-RAG-Request-Id of a chat completion, of the last ones that observability.explain says")
	}
	wait := time.NewTimer(explainWait)
	defer wait.Stop()
	select {
	case <-r.ended:
	case <-wait.C:
	case <-c.Request.Context().Done():
	}
	r.mu.Lock()
	body := r.body
	r.mu.Unlock()
	if body == nil {
		return notFound("unknown_request", "id", "nothing is known of the request yet: it still runs")
	}
	c.Data(http.StatusOK, "application/json; charset=utf-8", append(body[:len(body):len(body)], '\n'))
	return nil
}
