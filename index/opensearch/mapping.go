package opensearch

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"

	"github.com/ragproxy/ragproxy/index/lexical"
)

// format is the number of what this build writes. It is in every index.
const format = 1

// object is JSON.
type object = map[string]any

// collectionsIndex has a document for each collection.
func (e *Engine) collectionsIndex() string { return e.opts.Prefix + "-collections" }

var notInNames = regexp.MustCompile(`[^a-z0-9_.]+`)

// storeStem begins the names of a collection's indices. Names of indices are of
// small letters, so that the sum of the name tells a from A.
func (e *Engine) storeStem(collection string) string {
	sum := sha256.Sum256([]byte(collection))
	return fmt.Sprintf("%s-store-%s-%x-", e.opts.Prefix, notInNames.ReplaceAllString(strings.ToLower(collection), "_"), sum[:4])
}

// writeAlias is the name that a store is written by. It goes with the store, so
// that nobody makes another by writing to it.
func writeAlias(store string) string { return store + "-write" }

func (e *Engine) copies() object {
	return object{"number_of_shards": 1, "number_of_replicas": e.opts.Replicas}
}

func (e *Engine) collectionsBody() object {
	return object{
		"settings": object{"index": e.copies()},
		"mappings": object{"dynamic": false, "_meta": object{"ragproxy": format}, "properties": object{}},
	}
}

// storeMeta is kept in a store's mapping: what a run that did not end has left
// is told by it.
type storeMeta struct {
	Format int    `json:"ragproxy"`
	Space  string `json:"space"`
}

// storeBody is an index for documents and chunks. _source is what a hit needs
// and nothing else, so that it is sent as it is stored; what is beside it can be
// made from it, but for the vector, which raw keeps as it was given.
//
//   - words are the chunk's, as package lexical cuts them; singles the characters
//     of its pairs (see [lexical.QueryTerm])
//   - facts are what filters ask for (filter.go)
//   - doc is the key of the document's id, key that of the embedded text
//   - born and died are numbers of runs
//
// A run refreshes before it publishes; the interval is for what merges leave.
func (e *Engine) storeBody(store, space string, dims int) object {
	term := object{"type": "keyword"}
	count := object{"type": "integer"}
	kept := object{"type": "keyword", "index": false}
	words := object{"type": "text", "analyzer": "whitespace", "index_options": "freqs", "similarity": "words"}
	properties := object{
		"kind": term, "doc": term, "key": term, "hash": kept, "src": kept, "facts": term,
		"id": object{"type": "keyword", "ignore_above": longestFact}, "url": object{"type": "keyword", "ignore_above": longestFact},
		"born": count, "died": count, "ordinal": count, "chunks": count,
		"words": words, "singles": words, "raw": object{"type": "binary", "doc_values": true},
	}
	if dims > 0 {
		properties["vector"] = vectorField(dims)
	}
	excluded := []string{"doc", "key", "hash", "src", "facts", "born", "died", "words", "singles", "vector", "raw"}
	return object{
		"settings": object{"index": object{
			"number_of_shards": e.opts.Shards, "number_of_replicas": e.opts.Replicas, "knn": true, "refresh_interval": "30s",
			"similarity": object{"words": object{"type": "BM25", "k1": lexical.K1, "b": lexical.B}},
		}},
		"mappings": object{
			"dynamic": false, "_meta": storeMeta{format, space}, "_source": object{"excludes": excluded}, "properties": properties,
		},
		"aliases": object{writeAlias(store): object{}},
	}
}

// vectorField is of unit vectors. Inner products are their cosines, and take the
// vector that is all zero, too.
func vectorField(dims int) object {
	return object{"type": "knn_vector", "dimension": dims, "method": object{
		"name": "hnsw", "engine": "lucene", "space_type": "innerproduct", "parameters": object{"m": 16, "ef_construction": 128},
	}}
}
