package postgres

import (
	"fmt"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/remote"
)

// question is a query with all that its SQL needs.
type question struct {
	remote.Search
	filter *index.Filter
	row    row // of the collection, as last known
	terms  []lexical.QueryTerm
}

// head asks for the row of the collection, so that the answer tells where the
// tables that were asked are no longer the collection's own, and for the mean
// cosine of the vector.
func (q *question) head() *statementText {
	var vector any // an untyped nil is NULL
	if q.Vector != nil {
		vector = q.Vector
	}
	return &statementText{sql: "SELECT " + rowColumns + `,
		(SELECT sum(a::float8 * b) FROM unnest(mean, $2::real[]) AS both_(a, b))
		FROM collection WHERE name = $1 AND generation > 0`, args: []any{q.Collection, vector}}
}

// columns of a hit, of a chunk c and its document d, behind its scores.
const columns = `d.id, d.url, d.title, c.text, c.ordinal, c.from_char, c.to_char, coalesce(c.meta, d.meta)::text`

// filterMost is up to how many chunks a filtered search compares all vectors
// that pass, which is exact; a graph would be walked past most of what does not.
const filterMost = 200_000

// The depth is written into the SQL: a plan for any depth would not know that
// a graph pays.

// nearest finds the chunks with the best cosines. A graph holds halves; what
// it finds is scored by the whole vectors.
func (q *question) nearest() *statementText {
	var s statement
	vector, name := s.arg(q.Vector), s.arg(q.Collection)
	by := fmt.Sprintf("c.embedding <#> %s::real[]::vector", vector)
	order := by + ", c.row"
	if q.row.hnsw && (q.filter == nil || q.row.chunks > filterMost) {
		order = fmt.Sprintf("(c.embedding::halfvec(%d)) <#> %s::real[]::halfvec(%[1]d)", q.row.dims, vector)
	}
	fmt.Fprintf(&s, `
		WITH best AS MATERIALIZED (
			SELECT c.row FROM chunk_# c
			WHERE c.born <= (SELECT generation FROM collection WHERE name = %s::text) AND %s
			ORDER BY %s LIMIT %d)
		SELECT -(%s)::float8 AS score, %s
		FROM best JOIN chunk_# c ON c.row = best.row JOIN document_# d ON d.row = c.doc
		ORDER BY score DESC, c.row`, name, s.within(q.filter), order, q.Depth, by, columns)
	return &statementText{sql: in(q.row.store, s.String()), args: s.args, once: q.filter != nil}
}

// within is the condition that the chunk c is of a document that passes.
func (s *statement) within(f *index.Filter) string {
	if f == nil {
		return "true"
	}
	return "c.doc IN (SELECT d.row FROM document_# d WHERE " + s.condition(f) + ")"
}

// postings asks for the lists of the query's words. A character that stands for
// all pairs with it has the lists of all of them. The OFFSET keeps the planner
// from reading all lists to join them.
func (q *question) postings() *statementText {
	words, same := make([]string, len(q.terms)), "p.term = q.term"
	for i, t := range q.terms {
		words[i] = plain(t.Text)
		if t.Pairs {
			same = "(p.term = q.term OR char_length(p.term) = 2 AND strpos(p.term, q.term) > 0)"
		}
	}
	return &statementText{sql: in(q.row.store, `
		SELECT q.n::int, of.list FROM unnest($1::text[]) WITH ORDINALITY AS q(term, n) CROSS JOIN LATERAL (
			SELECT p.list FROM posting_# p
			WHERE `+same+` AND p.born <= (SELECT generation FROM collection WHERE name = $2::text) OFFSET 0) AS of`), args: []any{words, q.Collection}}
}

// picked asks for chunks by their rows, in that order: the first that are there
// and pass the filter, with their cosines. The OFFSET keeps the planner from
// reading all chunks to join them.
func (q *question) picked(rows []int32) *statementText {
	var s statement
	list, generation := s.arg(rows), s.arg(q.row.generation)
	cosine := "NULL::float8"
	if q.Vector != nil {
		cosine = fmt.Sprintf("-(c.embedding <#> %s::real[]::vector)::float8", s.arg(q.Vector))
	}
	fmt.Fprintf(&s, `
		SELECT best.n::int, hit.*
		FROM unnest(%s::int[]) WITH ORDINALITY AS best(row, n) CROSS JOIN LATERAL (
			SELECT %s, %s FROM chunk_# c JOIN document_# d ON d.row = c.doc
			WHERE c.row = best.row AND c.born <= %s::int AND %s OFFSET 0) AS hit
		ORDER BY best.n LIMIT %d`, list, cosine, columns, generation, s.condition(q.filter), q.Depth)
	return &statementText{sql: in(q.row.store, s.String()), args: s.args, once: q.filter != nil}
}
