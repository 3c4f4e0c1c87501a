package retrieval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Reranker is a model that reads query and passage together: slower than the
// legs, and a better judge. Called concurrently.
type Reranker interface {
	// Rerank returns a finite score for each passage, in their order; higher is
	// better. It ends soon after ctx does.
	Rerank(ctx context.Context, query string, passages []string) ([]float64, error)
}

// RerankOptions say what is ranked again after the fusion.
type RerankOptions struct {
	Reranker Reranker      // nil: nothing is
	Depth    int           // of the fused hits, the best
	Deadline time.Duration // after it the fused order stands; 0 is no limit
}

// rerank puts the first Depth sources in the re-ranker's order; the rest stays
// behind them. What it scores alike stays in the fused order, and all keep
// their fused scores: the re-ranker's have a scale of their own.
func (r *Retriever) rerank(ctx context.Context, query string, out *Found) {
	head := out.Sources[:min(len(out.Sources), max(r.opts.Rerank.Depth, 0))]
	if r.opts.Rerank.Reranker == nil || len(head) < 2 || strings.TrimSpace(query) == "" {
		return
	}
	begin := time.Now()
	scores, err := r.judge(ctx, query, head)
	out.Stages = append(out.Stages, Stage{StageRerank, begin, time.Since(begin), err})
	if err != nil {
		out.Failed = append(out.Failed, RetrievalFailed{Leg: StageRerank, Err: err})
		return
	}
	order := make([]int, len(head))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	fused := slices.Clone(head)
	for place, i := range order {
		head[place] = fused[i]
	}
	out.explain.order(head)
}

var errRerankLate = errors.New("the re-ranker is late")

// judge asks for the scores and looks at them: what no order follows from is a
// failure.
func (r *Retriever) judge(ctx context.Context, query string, sources []Source) ([]float64, *StageError) {
	if d := r.opts.Rerank.Deadline; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, errRerankLate)
		defer cancel()
	}
	passages := make([]string, len(sources))
	for i, s := range sources {
		passages[i] = s.Chunk.Text
	}
	scores, err := r.opts.Rerank.Reranker.Rerank(ctx, query, passages)
	switch {
	case err != nil && context.Cause(ctx) == errRerankLate:
		return nil, &StageError{codeDeadline, "the re-ranking took too long", err}
	case err == nil && len(scores) != len(passages):
		err = fmt.Errorf("got %d scores for %d passages", len(scores), len(passages))
	case err == nil && slices.ContainsFunc(scores, notFinite):
		err = errors.New("got a score that is not finite")
	}
	if err != nil {
		return nil, &StageError{"rerank_failed", "the re-ranking failed", err}
	}
	return scores, nil
}

func notFinite(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }
