package opensearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/ragproxy/ragproxy/index"
)

var _ index.Server = (*Engine)(nil)

// Check implements [index.Server].
func (e *Engine) Check(ctx context.Context) (string, error) {
	v, err := e.askVersion(ctx)
	if err != nil {
		return "", err
	}
	if err := e.checkPlugin(ctx); err != nil {
		return "", err
	}
	var health struct {
		Status string `json:"status"`
		Nodes  int    `json:"number_of_data_nodes"`
	}
	if err := e.call(ctx, http.MethodGet, "/_cluster/health", nil, &health); err != nil {
		return "", fmt.Errorf("ask OpenSearch for its health: %w", unreachable(err))
	}
	return fmt.Sprintf("OpenSearch %s, %d data nodes, %s", v.number, health.Nodes, health.Status), nil
}

// Drop implements [index.Server].
func (e *Engine) Drop(ctx context.Context, collection string) error {
	found := e.Exists(ctx, collection)
	unpublished := errors.Is(found, index.ErrNotFound) && index.CheckName(collection) == nil // of which a run may have left something
	if found != nil && !unpublished {
		return found
	}
	r, err := e.begin(ctx, index.BuildOptions{Collection: collection}, nil)
	if err != nil {
		return err
	}
	defer r.Abort() // which finds no lease to give back where all went well
	// The document first: without it nobody asks for the rest.
	err = e.call(ctx, http.MethodDelete, e.statePath("_doc", collection)+"?refresh=true", nil, nil)
	if err == nil {
		err = e.call(ctx, http.MethodDelete, "/"+e.storeStem(collection)+"*?ignore_unavailable=true&allow_no_indices=true", nil, nil)
	}
	if err != nil {
		return fmt.Errorf("drop collection %q: %w", collection, unreachable(err))
	}
	e.forget(collection)
	return found
}

type version struct {
	number string
	factor float64 // of its BM25 to ours
}

// version is what the server is; it is asked once.
func (e *Engine) version(ctx context.Context) (version, error) {
	e.mu.Lock()
	v := e.server
	e.mu.Unlock()
	if v.factor != 0 {
		return v, nil
	}
	return e.askVersion(ctx)
}

func (e *Engine) askVersion(ctx context.Context) (version, error) {
	var answer struct {
		Version struct {
			Distribution string `json:"distribution"`
			Number       string `json:"number"`
		} `json:"version"`
	}
	if err := e.call(ctx, http.MethodGet, "/", nil, &answer); err != nil {
		return version{}, fmt.Errorf("ask OpenSearch for its version: %w", unreachable(err))
	}
	v, err := readVersion(answer.Version.Distribution, answer.Version.Number)
	if err != nil {
		return v, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.server = v
	return v, nil
}

func readVersion(distribution, number string) (version, error) {
	needed := fmt.Sprintf("OpenSearch %d.%d or later is needed", oldest[0], oldest[1])
	if distribution != "opensearch" {
		return version{}, fmt.Errorf("engine.url is of a server that is not OpenSearch (distribution %q, version %q): %s", distribution, number, needed)
	}
	var major, minor int
	if _, err := fmt.Sscanf(number, "%d.%d", &major, &minor); err != nil || major < oldest[0] || major == oldest[0] && minor < oldest[1] {
		return version{}, errors.New("the server is OpenSearch " + number + ": " + needed)
	}
	if major < 3 {
		return version{number, legacyBM25}, nil
	}
	return version{number, 1}, nil
}
