package minilm

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// EmbedDocuments returns a unit vector of 384 dimensions for each text. A text
// counts up to its 254th token, about 1,000 characters of English; the empty
// text has a vector too. The same text gives the same vector on the same
// machine, whatever is embedded beside it. The only error is ctx's.
func (e *Embedder) EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	vectors, err := e.embedDocuments(ctx, texts)
	if err != nil {
		return nil, fmt.Errorf("embed documents: %w", err)
	}
	return vectors, nil
}

func (e *Embedder) embedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	l, err := e.load()
	if err != nil {
		return nil, err
	}
	ids := make([][]int32, len(texts))
	err = e.spread(ctx, len(texts), func(i int) error {
		ids[i] = l.tokenizer.encode(texts[i])
		return nil
	})
	if err != nil {
		return nil, err
	}
	vectors, groups := make([][]float32, len(texts)), groupByLength(ids)
	err = e.spread(ctx, len(groups), func(g int) error {
		group := make([][]int32, len(groups[g]))
		for i, text := range groups[g] {
			group[i] = ids[text]
		}
		got, err := e.forward(ctx, l.model, e.documents, group)
		if err != nil {
			return err
		}
		for i, text := range groups[g] {
			vectors[text] = got[i]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return vectors, nil
}

// spread calls do for 0 to n-1, on as many goroutines as there are slots for
// documents, until one fails or ctx is done.
func (e *Embedder) spread(ctx context.Context, n int, do func(i int) error) error {
	var next atomic.Int64
	errs := make([]error, min(cap(e.documents), n))
	var workers sync.WaitGroup
	for w := range errs {
		workers.Go(func() {
			for i := int(next.Add(1) - 1); i < n && errs[w] == nil; i = int(next.Add(1) - 1) {
				if errs[w] = ctx.Err(); errs[w] == nil {
					errs[w] = do(i)
				}
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// groupByLength returns the indexes of the texts in groups of at most maxTokens
// tokens together. Long texts come first, so that the workers end at about the
// same time; short ones share the cost of reading the weights.
func groupByLength(ids [][]int32) [][]int {
	order := make([]int, len(ids))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(len(ids[b]), len(ids[a])) })
	var groups [][]int
	tokens := 0
	for first, i := 0, 0; i < len(order); i++ {
		tokens += len(ids[order[i]])
		if i+1 == len(order) || tokens+len(ids[order[i+1]]) > maxTokens {
			groups, first, tokens = append(groups, order[first:i+1]), i+1, 0
		}
	}
	return groups
}
