// Package remote is what the adapters of engines on servers have in common:
// what a run knows of documents (ledger.go), how their chunks get vectors
// (vectors.go), and how both legs of a search wait for the query's (search.go).
// It knows no server.
package remote

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ragproxy/ragproxy/index"
)

// Others are the hits that are not among the found ones, best first.
func Others(found, other []index.Hit) []index.Hit {
	known := make(map[string]bool, len(found))
	for _, h := range found {
		known[h.Chunk.ID] = true
	}
	other = slices.DeleteFunc(other, func(h index.Hit) bool { return known[h.Chunk.ID] })
	slices.SortStableFunc(other, func(a, b index.Hit) int { return cmp.Compare(b.Score, a.Score) })
	return other
}

// ReadMeta reads metadata from their JSON; big integers keep their digits.
func ReadMeta(text string) (map[string]any, error) {
	if text == "" || text == "null" {
		return nil, nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	return m, nil
}
