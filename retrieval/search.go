package retrieval

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// SearchRequest is a query for the index alone, without rewrite and prompt.
type SearchRequest struct {
	Query      string
	Collection string
	TopK       int
	Filters    map[string]any

	explain bool
}

// Found is the answer to a SearchRequest: the best chunks, and the legs that
// failed, the re-ranker last.
type Found struct {
	Sources []Source
	Failed  []RetrievalFailed
	Stages  []Stage // how long each took

	explain *explainer
}

// Search asks both legs, fuses them, has the best re-ranked and keeps TopK. The
// error is index.ErrNotFound, the context's, that of a query no leg can take, or
// a *StageFailed.
func (r *Retriever) Search(ctx context.Context, req SearchRequest) (Found, error) {
	list, err := r.rank(ctx, req)
	if err != nil {
		return Found{}, err
	}
	return r.keep(ctx, list, req)
}

// ranking is a whole fused list, before the best are kept.
type ranking struct {
	hits       []fused
	failed     []RetrievalFailed
	generation int // of the collection; 0 is unknown
	stages     []Stage
	legs       []index.Legs // of each search that is in hits; only to explain
}

func (r *Retriever) rank(ctx context.Context, req SearchRequest) (ranking, error) {
	limited, cancel := r.limit(ctx)
	defer cancel()
	depth := max(r.opts.Depth, req.TopK)
	begin, query := time.Now(), index.Query{
		Text: req.Query, Collection: req.Collection, Depth: depth, Filters: req.Filters,
		SkipVector: r.opts.VectorWeight == 0, SkipKeyword: r.opts.VectorWeight == 1,
	}
	legs, err := r.opts.Searcher.Search(limited, query)
	if err != nil {
		return ranking{}, fmt.Errorf("search: %w", err)
	}
	if err := context.Cause(ctx); err != nil {
		return ranking{}, err
	}
	checkLeg(&legs.Vector)
	checkLeg(&legs.Keyword)
	out := ranking{hits: r.fuse(legs, depth), failed: r.failures(legs), generation: legs.Generation, stages: legStages(begin, legs, query)}
	if req.explain {
		out.legs = []index.Legs{legs}
	}
	return out, nil
}

// limit bounds what is asked of the index once.
func (r *Retriever) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.opts.Deadline > 0 {
		return context.WithTimeout(ctx, r.opts.Deadline)
	}
	return ctx, func() {}
}

// keep numbers the best hits of a list as sources, after they were ranked again
// where there is a re-ranker. The error is the context's, or a *StageFailed
// beside what failed.
func (r *Retriever) keep(ctx context.Context, list ranking, req SearchRequest) (Found, error) {
	out := Found{Failed: list.failed, Stages: list.stages}
	if err := r.opts.Policies.refuse(out.Failed); err != nil {
		return out, err
	}
	if req.explain {
		out.explain = &explainer{topK: req.TopK, cut: map[string]string{}}
	}
	most := req.TopK
	if most > 0 && r.opts.Rerank.Reranker != nil {
		most = max(most, r.opts.Rerank.Depth)
	}
	r.read(ctx, &out, list.hits, req.Collection, most)
	r.rerank(ctx, req.Query, &out)
	if err := context.Cause(ctx); err != nil {
		return Found{}, err
	}
	if err := r.opts.Policies.refuse(out.Failed); err != nil {
		return out, err
	}
	if k := max(req.TopK, 0); len(out.Sources) > k {
		out.Sources = slices.Clone(out.Sources[:k]) // the others' texts are not kept for them
	}
	for i := range out.Sources {
		out.Sources[i].N = i + 1
	}
	return out, nil
}

// read reads the texts of the best hits, until there are enough. A hit whose
// text cannot be read is passed over, and the legs that found it failed. One
// that says the same words as a better one is passed over, too: it would take a
// passage's place and tell the model nothing.
func (r *Retriever) read(ctx context.Context, out *Found, hits []fused, collection string, most int) {
	ctx, cancel := r.limit(ctx)
	defer cancel()
	if out.explain != nil { // which tells the titles of many more
		load(ctx, hits[:min(len(hits), maxExplained)])
	}
	told := map[string]bool{}
	for len(hits) > 0 && len(out.Sources) < most {
		part := slices.Clone(hits[:min(len(hits), most-len(out.Sources))]) // copies: the legs' answers are not kept for them
		hits = hits[len(part):]
		for i := range part {
			if r.opts.MinScore > 0 && part[i].score < r.opts.MinScore {
				part, hits = part[:i], nil
				break
			}
			hit := *part[i].hit
			part[i].hit = &hit
		}
		for i, err := range load(ctx, part) {
			f := part[i]
			if err != nil {
				out.lost(f, err)
				out.explain.drop(f.hit.Chunk.ID, CutUnreadable)
				continue
			}
			words := strings.Join(strings.Fields(f.hit.Chunk.Text), " ")
			if told[words] {
				out.explain.drop(f.hit.Chunk.ID, CutDuplicate)
				continue
			}
			told[words] = true
			f.hit.Score = f.score
			out.Sources = append(out.Sources, Source{Hit: *f.hit, Vector: copyOf(f.vector), Keyword: copyOf(f.keyword), Collection: collection})
		}
	}
}

// load reads what the search left out of the hits.
func load(ctx context.Context, list []fused) []error {
	hits := make([]*index.Hit, len(list))
	for i, f := range list {
		hits[i] = f.hit
	}
	return index.Load(ctx, hits)
}

func copyOf(score *float64) *float64 {
	if score == nil {
		return nil
	}
	c := *score
	return &c
}

func (out *Found) lost(f fused, err error) {
	for _, leg := range []struct {
		name  string
		found bool
	}{{LegVector, f.vector != nil}, {LegKeyword, f.keyword != nil}} {
		told := slices.ContainsFunc(out.Failed, func(x RetrievalFailed) bool { return x.Leg == leg.name })
		if leg.found && !told {
			out.Failed = append(out.Failed, RetrievalFailed{Leg: leg.name, Err: legError(err)})
		}
	}
}

// failures tells each dead leg, and which leg stands in for it.
func (r *Retriever) failures(legs index.Legs) []RetrievalFailed {
	var out []RetrievalFailed
	if err := legs.Vector.Err; err != nil {
		f := RetrievalFailed{Leg: LegVector, Err: legError(err)}
		if legs.Keyword.Err == nil && r.opts.VectorWeight != 1 {
			f.Fallback = LegKeyword
		}
		out = append(out, f)
	}
	if err := legs.Keyword.Err; err != nil {
		f := RetrievalFailed{Leg: LegKeyword, Err: legError(err)}
		if legs.Vector.Err == nil && r.opts.VectorWeight != 0 {
			f.Fallback = LegVector
		}
		out = append(out, f)
	}
	return out
}

// Legs is how many legs a search asks.
func (r *Retriever) Legs() int {
	if r.opts.VectorWeight == 0 || r.opts.VectorWeight == 1 {
		return 1
	}
	return 2
}
