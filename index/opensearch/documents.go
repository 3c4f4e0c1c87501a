package opensearch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ragproxy/ragproxy/index"
)

// read runs f on one generation of a collection, once more where another one
// came between.
func (e *Engine) read(ctx context.Context, collection string, f func(s state) error) error {
	for try := 0; ; try++ {
		s, err := e.state(ctx, collection)
		if err != nil {
			return err
		}
		if err = f(s); !hasType(err, noIndex) || try >= tries {
			return err
		}
	}
}

// list asks for records, at most so many, in the order of a field.
func (e *Engine) list(ctx context.Context, s state, query object, by string, limit int) ([]record, error) {
	if s.Store == "" {
		return nil, nil
	}
	body := object{
		"size": min(limit, deepest), "track_total_hits": false, "query": both(s.visible(), query), "sort": []object{{by: "asc"}},
	}
	got, err := e.search(ctx, s.Store, body)
	if err != nil {
		return nil, unreachable(err)
	}
	out := make([]record, len(got.Hits.Hits))
	for i, h := range got.Hits.Hits {
		var err error
		if out[i], err = h.record(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Documents implements [index.Engine].
func (e *Engine) Documents(ctx context.Context, collection string, q index.DocumentsQuery) (list []index.DocumentInfo, more bool, err error) {
	filter, err := index.ParseFilters(q.Filters)
	if err != nil {
		return nil, false, err
	}
	q.Limit = min(q.Limit, deepest-1)
	err = e.read(ctx, collection, func(s state) error {
		query := []object{kind(isDocument), {"range": object{"id": object{"gt": q.After}}}}
		if f := condition(filter); f != nil {
			query = append(query, f)
		}
		records, err := e.list(ctx, s, both(query...), "id", q.Limit+1)
		list = nil
		for _, r := range records {
			d, errRead := r.info()
			list, err = append(list, d), errors.Join(err, errRead)
		}
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("read documents: %w", err)
	}
	if len(list) > q.Limit {
		list, more = list[:q.Limit], true
	}
	return list, more, nil
}

// Document implements [index.Engine].
func (e *Engine) Document(ctx context.Context, collection, id string, filters map[string]any) (info index.DocumentInfo, chunks []index.Chunk, err error) {
	filter, err := index.ParseFilters(filters)
	if err != nil {
		return info, nil, err
	}
	err = e.read(ctx, collection, func(s state) error {
		own := object{"term": object{"doc": nameKey(id)}}
		query := []object{kind(isDocument), own}
		if f := condition(filter); f != nil {
			query = append(query, f)
		}
		list, err := e.list(ctx, s, both(query...), "id", 1)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("document %q: %w", id, index.ErrNoDocument)
		}
		if info, err = list[0].info(); err != nil {
			return err
		}
		chunks = make([]index.Chunk, 0, info.Chunks)
		return e.each(ctx, scan{store: s.Store, query: both(s.visible(), kind(isChunk), own), sort: []string{"ordinal"}, source: true}, func(h hit) error {
			r, err := h.record()
			if err != nil {
				return err
			}
			c, err := r.chunk()
			chunks = append(chunks, c)
			return err
		})
	})
	if err != nil && !errors.Is(err, index.ErrNoDocument) && !errors.Is(err, index.ErrNotFound) {
		err = fmt.Errorf("read document: %w", err)
	}
	return info, chunks, err
}

// Delete implements [index.Engine].
func (e *Engine) Delete(ctx context.Context, collection string, names []string) (deleted []index.Deleted, err error) {
	query := object{"bool": object{"minimum_should_match": 1, "should": []object{
		among("doc", nameKeys(names)), among("url", slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "" })),
	}}}
	_, err = e.remove(ctx, collection, query, &deleted)
	return deleted, err
}

func nameKeys(ids []string) []string {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = nameKey(id)
	}
	return keys
}

// DeleteDocument implements [index.Engine].
func (e *Engine) DeleteDocument(ctx context.Context, collection, id string) (index.Manifest, error) {
	var deleted []index.Deleted
	m, err := e.remove(ctx, collection, among("doc", nameKeys([]string{id})), &deleted)
	if err == nil && len(deleted) == 0 {
		err = fmt.Errorf("document %q: %w", id, index.ErrNoDocument)
	}
	return m, err
}

// remove publishes a generation without the documents that match.
func (e *Engine) remove(ctx context.Context, collection string, query object, deleted *[]index.Deleted) (index.Manifest, error) {
	if err := e.Exists(ctx, collection); err != nil {
		return index.Manifest{}, err
	}
	r, err := e.begin(ctx, index.BuildOptions{Collection: collection}, nil)
	if err != nil {
		return index.Manifest{}, err
	}
	defer r.Abort() // of a run that ended by an error
	r.stage.anew = false
	if r.prev.Store != "" {
		query = both(r.prev.visible(), kind(isDocument), query)
		err := e.each(ctx, scan{store: r.prev.Store, query: query, sort: []string{"id"}, source: true}, func(h hit) error {
			rec, err := h.record()
			*deleted = append(*deleted, index.Deleted{ID: rec.ID, URL: rec.URL})
			return err
		})
		if err == nil {
			err = r.remember(ctx, query)
		}
		if err != nil {
			*deleted = nil
			return index.Manifest{}, fmt.Errorf("delete documents: %w", err)
		}
	}
	for _, d := range *deleted {
		r.ledger.Gone[index.KeyOf(d.ID)], r.ledger.Dirty = true, true
	}
	m, err := r.Commit(ctx)
	if err != nil {
		*deleted = nil
	}
	return m, err
}

// Collections implements [index.Engine].
func (e *Engine) Collections() ([]index.CollectionInfo, error) {
	ctx, cancel := e.brief()
	defer cancel()
	states, err := e.states(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]index.CollectionInfo, len(states))
	for i, s := range states {
		out[i] = index.CollectionInfo{Name: s.Name, Manifest: s.manifest()}
	}
	return out, nil
}

func (e *Engine) states(ctx context.Context) ([]state, error) {
	body := object{"size": deepest, "track_total_hits": false, "query": object{"match_all": object{}}}
	got, err := e.search(ctx, e.collectionsIndex(), body)
	if hasType(err, noIndex) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list collections: %w", unreachable(err))
	}
	sizes, err := e.sizes(ctx)
	if err != nil {
		return nil, fmt.Errorf("list collections: %w", err)
	}
	var out []state
	for _, h := range got.Hits.Hits {
		var s state
		if err := json.Unmarshal(h.Source, &s); err != nil {
			return nil, fmt.Errorf("list collections: %w", err)
		}
		if s.Generation == 0 {
			continue
		}
		s.size = sizes[s.Store]
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b state) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// sizes are the bytes of stores, of all copies.
func (e *Engine) sizes(ctx context.Context) (map[string]int64, error) {
	var answer []struct {
		Index string `json:"index"`
		Size  string `json:"store.size"`
	}
	path := "/_cat/indices/" + e.opts.Prefix + "-store-*?format=json&bytes=b&h=index,store.size"
	if err := e.call(ctx, http.MethodGet, path, nil, &answer); err != nil {
		return nil, unreachable(err)
	}
	out := map[string]int64{}
	for _, a := range answer {
		out[a.Index], _ = strconv.ParseInt(a.Size, 10, 64) // nothing while it begins
	}
	return out, nil
}

// Names implements [index.Engine].
func (e *Engine) Names() ([]string, error) {
	list, err := e.Collections()
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.Name
	}
	return names, err
}

// Served implements [index.Engine]. A search asks the server what is published,
// so it never is behind it.
func (e *Engine) Served() ([]index.Served, error) {
	list, err := e.Collections()
	out := make([]index.Served, len(list))
	for i, c := range list {
		out[i] = index.Served{Collection: c.Name, Generation: c.Manifest.Generation, Documents: c.Manifest.Documents, Open: true}
	}
	return out, err
}
