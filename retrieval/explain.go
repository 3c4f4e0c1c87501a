package retrieval

import "github.com/ragproxy/ragproxy/index"

// Why a hit is no passage.
const (
	CutTopK       = "top_k"      // there were enough better ones
	CutMinScore   = "min_score"  // below Options.MinScore
	CutBudget     = "budget"     // no room in MaxContextTokens or in the model's context
	CutDuplicate  = "duplicate"  // a better hit has the same words
	CutUnreadable = "unreadable" // its text cannot be read
	CutRerank     = "rerank"     // one of the best before the re-ranking, not after it
)

// maxExplained bounds an explanation: the best of the fused list.
const maxExplained = 50

// ExplainedHit is one hit of the fused list, with no text. The ranks are from 1
// and those of one search: where turns were searched beside the query, of the
// first search that found it, the query's first.
type ExplainedHit struct {
	N                          int // the passage's number; 0 if it is none
	ID, DocumentID, Title, URL string
	Vector, Keyword            *Rank // nil where the leg does not have it
	Score                      float64
	Rerank                     int    // place after the re-ranking; 0 if it was not among those
	Cut                        string // why it is no passage; "" if it is one
}

// Rank is a hit's place in a leg's list. What only the other leg found comes
// behind all that this one did.
type Rank struct {
	Rank  int
	Score float64
}

// explainer notes on the way what a result no longer tells; nil where nobody
// asked, and then its methods do nothing.
type explainer struct {
	topK     int
	cut      map[string]string
	reranked map[string]int
}

func (e *explainer) drop(id, why string) {
	if e != nil {
		e.cut[id] = why
	}
}

func (e *explainer) order(sources []Source) {
	if e == nil {
		return
	}
	e.reranked = map[string]int{}
	for i, s := range sources {
		e.reranked[s.Chunk.ID] = i + 1
	}
}

// explain tells each of the best hits. found is what was kept of them, fit what
// the budget left of that.
func (r *Retriever) explain(e *explainer, list ranking, found, fit []Source) []ExplainedHit {
	ranks := list.ranks()
	passages := map[string]int{}
	for _, s := range fit {
		passages[s.Chunk.ID] = s.N
	}
	for _, s := range found {
		if passages[s.Chunk.ID] == 0 {
			e.drop(s.Chunk.ID, CutBudget)
		}
	}
	out := make([]ExplainedHit, 0, min(len(list.hits), maxExplained))
	for i, f := range list.hits[:min(len(list.hits), maxExplained)] {
		c := &f.hit.Chunk
		h := ExplainedHit{
			N: passages[c.ID], ID: c.ID, DocumentID: c.DocumentID, Title: c.Title, URL: c.URL, Score: f.score,
			Vector: ranks[c.ID].vector, Keyword: ranks[c.ID].keyword, Rerank: e.reranked[c.ID],
		}
		switch why, told := e.cut[c.ID]; {
		case h.N > 0:
		case told:
			h.Cut = why
		case r.opts.MinScore > 0 && f.score < r.opts.MinScore:
			h.Cut = CutMinScore
		case h.Rerank > 0 && i < e.topK:
			h.Cut = CutRerank
		default:
			h.Cut = CutTopK
		}
		out = append(out, h)
	}
	return out
}

type hitRanks struct {
	vector, keyword *Rank
	list            int
}

// ranks finds the hits' places, as merge takes their scores: of the first list
// that has them.
func (l ranking) ranks() map[string]hitRanks {
	out := map[string]hitRanks{}
	for i, legs := range l.legs {
		for _, leg := range []struct {
			hits []index.Hit
			at   func(*hitRanks) **Rank
		}{
			{legs.Vector.Hits, func(h *hitRanks) **Rank { return &h.vector }},
			{legs.Keyword.Hits, func(h *hitRanks) **Rank { return &h.keyword }},
		} {
			for k, hit := range leg.hits {
				h, known := out[hit.Chunk.ID]
				if !known {
					h.list = i
				}
				if to := leg.at(&h); h.list == i && *to == nil {
					*to = &Rank{k + 1, hit.Score}
				}
				out[hit.Chunk.ID] = h
			}
		}
	}
	return out
}
