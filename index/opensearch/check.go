package opensearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// oldest is the server that the adapter was made for at the least: searches of
// Lucene's graphs take ef_search since it.
var oldest = [2]int{2, 16}

// legacyBM25 is what OpenSearch 2 multiplies BM25 with, k1 + 1.
const legacyBM25 = 2.2

// prepare sees, once, that the server can be worked with, and makes the index
// of collections.
func (e *Engine) prepare(ctx context.Context) error {
	e.mu.Lock()
	done := e.prepared
	e.mu.Unlock()
	if done {
		return nil
	}
	if _, err := e.version(ctx); err != nil {
		return err
	}
	if err := e.checkPlugin(ctx); err != nil {
		return err
	}
	if err := e.makeCollections(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.prepared = true
	return nil
}

// checkPlugin wants the k-NN plugin on every node.
func (e *Engine) checkPlugin(ctx context.Context) error {
	var answer struct {
		Nodes map[string]struct {
			Name    string   `json:"name"`
			Roles   []string `json:"roles"`
			Plugins []struct {
				Name string `json:"name"`
			} `json:"plugins"`
		} `json:"nodes"`
	}
	if err := e.call(ctx, http.MethodGet, "/_nodes/plugins", nil, &answer); err != nil {
		return fmt.Errorf("ask OpenSearch for its plugins: %w", unreachable(err))
	}
	var without []string
	for _, n := range answer.Nodes {
		found := !slices.Contains(n.Roles, "data")
		for _, p := range n.Plugins {
			found = found || strings.Contains(strings.ToLower(p.Name), "knn")
		}
		if !found {
			without = append(without, n.Name)
		}
	}
	if len(without) == 0 {
		return nil
	}
	slices.Sort(without)
	return fmt.Errorf("OpenSearch has no k-NN plugin on %s: run bin/opensearch-plugin install opensearch-knn there, and start it again", strings.Join(without, ", "))
}

// makeCollections makes the index of collections, or sees that the one that is
// there is ragproxy's.
func (e *Engine) makeCollections(ctx context.Context) error {
	name := e.collectionsIndex()
	metas, err := e.metas(ctx, name)
	if err != nil {
		return fmt.Errorf("read mapping of %s: %w", name, unreachable(err))
	}
	if meta, ok := metas[name]; ok {
		return checkFormat(name, meta.Format)
	}
	err = e.call(ctx, http.MethodPut, "/"+name, e.collectionsBody(), nil)
	if err != nil && !hasType(err, "resource_already_exists_exception") { // another process was faster
		return fmt.Errorf("make index %s: %w", name, unreachable(err))
	}
	return nil
}

func checkFormat(name string, got int) error {
	switch {
	case got == 0:
		return fmt.Errorf("OpenSearch has an index %s that ragproxy did not make: delete or rename it", name)
	case got > format:
		return fmt.Errorf("index %s has format %d, this build knows %d: use a newer ragproxy", name, got, format)
	}
	return nil
}

// metas are those of the indices that a pattern names; none is no error.
func (e *Engine) metas(ctx context.Context, pattern string) (map[string]storeMeta, error) {
	var answer map[string]struct {
		Mappings struct {
			Meta storeMeta `json:"_meta"`
		} `json:"mappings"`
	}
	err := e.call(ctx, http.MethodGet, "/"+pattern+"/_mapping?allow_no_indices=true&ignore_unavailable=true", nil, &answer)
	var refused *serverError
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		err = nil
	}
	out := map[string]storeMeta{}
	for name, index := range answer {
		out[name] = index.Mappings.Meta
	}
	return out, err
}
