package opensearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/ragproxy/ragproxy/index"
)

// rest is what a search left out of its hits. It implements [index.Rest].
type rest struct {
	engine            *Engine
	collection, store string
	list              []chunkKey // of the hits, by their At
}

// chunkKey tells a chunk from all others of its document's, of all generations.
type chunkKey struct {
	text string // of the embedded text
	born int
}

func (r *rest) add(f fields) (at int) {
	r.list = append(r.list, chunkKey{first(f.Key), first(f.Born)})
	return len(r.list) - 1
}

// Load implements [index.Rest]. Where a record is not there any more, as all of
// them are written into another index when the embedder is another one, the same
// text is looked for in what is published now; so it is where a node has just
// gone, as a search finds the other copies of a shard.
func (r *rest) Load(ctx context.Context, hits []*index.Hit) []error {
	found := make(map[string]index.Chunk, len(hits))
	err := r.get(ctx, hits, found)
	missing := slices.DeleteFunc(slices.Clone(hits), func(h *index.Hit) bool {
		_, ok := found[h.Chunk.ID]
		return ok
	})
	if len(missing) > 0 && ctx.Err() == nil {
		err = r.find(ctx, missing, found)
	}
	errs := make([]error, len(hits))
	for i, h := range hits {
		c, ok := found[h.Chunk.ID]
		switch {
		case ok:
			h.Chunk = c
		case err != nil:
			errs[i] = fmt.Errorf("read chunk %s: %w", h.Chunk.ID, answer(ctx, err))
		default:
			errs[i] = fmt.Errorf("read chunk %s: it was deleted or replaced while it was searched for", h.Chunk.ID)
		}
	}
	return errs
}

// get adds chunks as the search has found them, by the ids of their records.
func (r *rest) get(ctx context.Context, hits []*index.Hit, found map[string]index.Chunk) error {
	ids := make([]string, len(hits))
	for i, h := range hits {
		ids[i] = chunkID(r.list[h.At()].born, nameKey(h.Chunk.DocumentID), h.Chunk.Ordinal)
	}
	var got struct {
		Docs []struct {
			hit
			Found bool       `json:"found"`
			Error *errorBody `json:"error"`
		} `json:"docs"`
	}
	// What can be searched is enough: a refresh before would cost as much as a search.
	if err := r.engine.call(ctx, http.MethodPost, "/"+r.store+"/_mget?realtime=false", object{"ids": ids}, &got); err != nil {
		return err
	}
	var err error
	for _, d := range got.Docs {
		switch {
		case d.Error != nil:
			err = d.Error.error(http.StatusServiceUnavailable)
		case d.Found:
			err = errors.Join(err, d.addTo(found))
		}
	}
	return err
}

// find adds what is published now of the chunks, where it has the same text.
func (r *rest) find(ctx context.Context, hits []*index.Hit, found map[string]index.Chunk) error {
	now, err := r.engine.state(ctx, r.collection)
	if err != nil {
		return err
	}
	should := make([]object, len(hits))
	for i, h := range hits {
		should[i] = both(
			object{"term": object{"doc": nameKey(h.Chunk.DocumentID)}},
			object{"term": object{"ordinal": h.Chunk.Ordinal}},
			object{"term": object{"key": r.list[h.At()].text}},
		)
	}
	query := both(now.visible(), kind(isChunk), object{"bool": object{"should": should}})
	got, err := r.engine.search(ctx, now.Store, object{"size": len(hits), "track_total_hits": false, "query": query})
	if err != nil {
		return err
	}
	for _, h := range got.Hits.Hits {
		if err := h.addTo(found); err != nil {
			return err
		}
	}
	return nil
}

func (h *hit) addTo(found map[string]index.Chunk) error {
	own, err := h.record()
	if err != nil {
		return err
	}
	c, err := own.chunk()
	found[c.ID] = c
	return err
}
