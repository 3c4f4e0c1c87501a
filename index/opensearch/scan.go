package opensearch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// scan reads all records of a store that match, in the order of fields that no
// two of them have alike.
type scan struct {
	store  string
	query  object
	sort   []string
	fields []string // doc values
	source bool     // _source, too
	page   int      // records of an answer; default 1,000
	seqNo  bool     // tell versions
}

// each calls f with each hit.
func (e *Engine) each(ctx context.Context, s scan, f func(h hit) error) error {
	if s.page == 0 {
		s.page = 1000
	}
	sort := make([]object, len(s.sort))
	for i, field := range s.sort {
		sort[i] = object{field: "asc"}
	}
	body := object{
		"size": s.page, "track_total_hits": false, "query": s.query, "sort": sort, "_source": s.source,
		"docvalue_fields": append([]string{}, s.fields...), "seq_no_primary_term": s.seqNo, // null is no list
	}
	for {
		got, err := e.search(ctx, s.store, body)
		if err != nil {
			return unreachable(err)
		}
		for _, h := range got.Hits.Hits {
			if err := f(h); err != nil {
				return err
			}
		}
		if len(got.Hits.Hits) < s.page {
			return nil
		}
		body["search_after"] = got.Hits.Hits[len(got.Hits.Hits)-1].Sort
	}
}

// search asks one index, and fails rather than leave a shard out.
func (e *Engine) search(ctx context.Context, index string, body object) (got response, err error) {
	err = e.call(ctx, http.MethodPost, "/"+index+"/_search?rest_total_hits_as_int=true&allow_partial_search_results=false", body, &got)
	if err == nil {
		err = got.error()
	}
	return got, err
}

// both is what two queries and more have in common.
func both(queries ...object) object { return object{"bool": object{"filter": queries}} }

func kind(of string) object { return object{"term": object{"kind": of}} }

func among(field string, values []string) object { return object{"terms": object{field: values}} }

// refresh makes what was written visible, on all copies that are searched.
func (e *Engine) refresh(ctx context.Context, stores ...string) error {
	if len(stores) == 0 {
		return nil
	}
	var answer struct {
		Shards struct {
			Failed   int `json:"failed"`
			Failures []struct {
				Reason errorBody `json:"reason"`
			} `json:"failures"`
		} `json:"_shards"`
	}
	if err := e.call(ctx, http.MethodPost, "/"+strings.Join(stores, ",")+"/_refresh", nil, &answer); err != nil {
		return fmt.Errorf("refresh: %w", unreachable(err))
	}
	if answer.Shards.Failed > 0 {
		err := &serverError{Status: 503, Reason: fmt.Sprintf("%d shards were not refreshed", answer.Shards.Failed)}
		if len(answer.Shards.Failures) > 0 {
			err = answer.Shards.Failures[0].Reason.error(503)
		}
		return fmt.Errorf("refresh: %w", unreachable(err))
	}
	return nil
}

// count counts what matches.
func (e *Engine) count(ctx context.Context, store string, query object) (int, error) {
	var answer struct {
		Count  int `json:"count"`
		Shards struct {
			Failed int `json:"failed"`
		} `json:"_shards"`
	}
	if err := e.call(ctx, http.MethodPost, "/"+store+"/_count", object{"query": query}, &answer); err != nil {
		return 0, unreachable(err)
	}
	if answer.Shards.Failed > 0 {
		return 0, unreachable(&serverError{Status: 503, Reason: fmt.Sprintf("%d shards were not counted", answer.Shards.Failed)})
	}
	return answer.Count, nil
}

// removeWhere deletes what matches, for good.
func (e *Engine) removeWhere(ctx context.Context, store string, query object) error {
	var answer struct {
		Failures []json.RawMessage `json:"failures"`
	}
	err := e.call(ctx, http.MethodPost, "/"+store+"/_delete_by_query?conflicts=proceed&refresh=false", object{"query": query}, &answer)
	if err == nil && len(answer.Failures) > 0 {
		err = &serverError{Status: 503, Reason: string(answer.Failures[0])}
	}
	return unreachable(err)
}
