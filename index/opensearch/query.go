package opensearch

import (
	"bytes"
	"encoding/json"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
)

const (
	// mostTerms is how many different words of a query count: OpenSearch takes
	// 1,024 clauses of a query by default, and filters want some.
	mostTerms = 512
	// mostCounted is of how many words it is asked how many chunks have them;
	// what the others weigh is taken to be like these.
	mostCounted = 64
	// deepest is how many hits OpenSearch gives of a search.
	deepest = 10_000
)

// question is a query with all that its requests need.
type question struct {
	index.Query
	filter *index.Filter
	state  state     // of the collection, as last known
	vector []float32 // nil if there is none yet
	terms  []lexical.QueryTerm
	factor float64 // of the server's BM25 to ours
	list   int     // candidates of the graph
	route  string  // keeps the parts of a search on the same copies
}

func (q *question) depth() int { return min(q.Depth, deepest) }

// among adds to a query's clauses what it may find. Only chunks have words and
// vectors.
func (q *question) among(clauses object) object {
	clauses["must_not"] = q.state.invisible()
	if f := condition(q.filter); f != nil {
		clauses["filter"] = []object{f}
	}
	return object{"bool": clauses}
}

// nearest finds the chunks with the best cosines. The filter acts within the
// walk through the graph, and what few chunks pass are all compared.
func (q *question) nearest() object {
	return q.hits(object{"knn": object{"vector": object{
		"vector": q.vector, "k": q.depth(), "filter": q.among(object{}),
		"method_parameters": object{"ef_search": max(q.depth(), q.list)},
	}}})
}

// matching scores the chunks that have a word of the query with BM25. Their
// vectors come along where there is one to compare them with.
func (q *question) matching() object {
	should := make([]object, len(q.terms))
	for i, t := range q.terms {
		should[i] = object{"term": object{field(t): object{"value": t.Text, "boost": float64(t.Count) / q.factor}}}
	}
	query := q.among(object{"should": should, "minimum_should_match": 1})
	if q.vector != nil {
		return q.hits(query, "raw")
	}
	return q.hits(query)
}

// hits asks for what both legs' hits are told apart by, and what else is named.
// Doc values are read in a tenth of the time that the stored fields of as many
// chunks take, which lie far from each other in compressed blocks.
func (q *question) hits(query object, also ...string) object {
	return object{
		"size": q.depth(), "track_total_hits": false, "query": query, "stored_fields": "_none_",
		"docvalue_fields": append([]string{"id", "ordinal", "key", "born"}, also...),
	}
}

// cosine is what a score of the vector field means (OpenSearch's innerproduct:
// 1 + x of what is not negative, else 1 / (1 - x)).
func cosine(score float64) float64 {
	if score >= 1 {
		return score - 1
	}
	return 1 - 1/score
}

// counting counts the chunks that have each of the words; those that died count
// until they are gone, as they do in its scores. A search for each word would
// cost as much as both legs.
func counting(terms []lexical.QueryTerm) object {
	filters := make([]object, len(terms))
	for i, t := range terms {
		filters[i] = object{"term": object{field(t): t.Text}}
	}
	return object{"size": 0, "track_total_hits": false, "aggs": object{"chunks": object{"filters": object{"filters": filters}}}}
}

func field(t lexical.QueryTerm) string {
	if t.Pairs {
		return "singles"
	}
	return "words"
}

// request gathers the lines of a _msearch.
type request struct {
	bytes.Buffer
	err error
}

// add adds a search. All of them fail rather than leave a shard out.
func (r *request) add(index, route string, body object) {
	head := object{"index": index, "allow_partial_search_results": false}
	if route != "" {
		// With several shards, words weigh by the counts of all.
		head["preference"], head["search_type"] = route, "dfs_query_then_fetch"
	}
	for _, line := range []object{head, body} {
		b, err := json.Marshal(line)
		if err != nil {
			r.err = err
		}
		r.Write(b)
		r.WriteByte('\n')
	}
}
