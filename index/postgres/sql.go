package postgres

import (
	"fmt"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
)

// question is a query with all that its SQL needs.
type question struct {
	index.Query
	filter *index.Filter
	row    row       // of the collection, as last known
	vector []float32 // nil if there is none yet
	terms  []lexical.QueryTerm
}

// head asks for the row of the collection, so that the answer tells where the
// tables that were asked are no longer the collection's own, and for the mean
// cosine of the vector.
func (q *question) head() (string, []any) {
	return "SELECT " + rowColumns + `,
		(SELECT sum(a::float8 * b) FROM unnest(mean, $2::real[]) AS both_(a, b))
		FROM collection WHERE name = $1 AND generation > 0`, []any{q.Collection, q.vector}
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
func (q *question) nearest() (string, []any) {
	var s statement
	vector, name := s.arg(q.vector), s.arg(q.Collection)
	by := fmt.Sprintf("c.embedding <#> %s::real[]::vector", vector)
	order := by + ", c.row"
	if q.row.hnsw && (q.filter == nil || q.row.chunks > filterMost) {
		order = fmt.Sprintf("(c.embedding::halfvec(%d)) <#> %s::real[]::halfvec(%[1]d)", q.row.dims, vector)
	}
	fmt.Fprintf(&s, `
		WITH best AS MATERIALIZED (
			SELECT c.row FROM chunk_# c
			WHERE c.born <= (SELECT generation FROM collection WHERE name = %s) AND %s
			ORDER BY %s LIMIT %d)
		SELECT -(%s)::float8 AS score, NULL::float8, NULL::float8, %s
		FROM best JOIN chunk_# c ON c.row = best.row JOIN document_# d ON d.row = c.doc
		ORDER BY score DESC, c.row`, name, s.within(q.filter), order, q.Depth, by, columns)
	return in(q.row.store, s.String()), s.args
}

// within is the condition that the chunk c is of a document that passes.
func (s *statement) within(f *index.Filter) string {
	if f == nil {
		return "true"
	}
	return "c.doc IN (SELECT d.row FROM document_# d WHERE " + s.condition(f) + ")"
}

// matching scores the chunks that have a word of the query with BM25, by the
// formula of package lexical. A posting list is cut into rows of some hundred
// chunks, each with the word's frequency and the chunk's length in one number;
// a deleted chunk stays in them and is passed over when the best are picked. The
// OFFSET keeps the planner from reading all chunks to join them with the best.
func (q *question) matching() (string, []any) {
	var s statement
	words, counts := make([]string, len(q.terms)), make([]float32, len(q.terms))
	same, pairs := "p.term = q.term", false
	for i, t := range q.terms {
		words[i], counts[i] = t.Text, float32(t.Count)
		pairs = pairs || t.Pairs
	}
	if pairs {
		same = "(p.term = q.term OR char_length(p.term) = 2 AND strpos(p.term, q.term) > 0)"
	}
	vector, name := s.arg(q.vector), s.arg(q.Collection)
	fmt.Fprintf(&s, `
		WITH col AS MATERIALIZED (
			SELECT generation, stat_chunks::float8 AS n, greatest(stat_tokens, 1)::float8 / greatest(stat_chunks, 1) AS mean
			FROM collection WHERE name = %s),
		q AS (SELECT * FROM unnest(%s::text[], %s::real[]) AS words(term, count)),
		list AS MATERIALIZED (
			SELECT q.term, p.chunks, p.weights FROM q JOIN posting_# p ON %s
			WHERE p.born <= (SELECT generation FROM col)),
		idf AS MATERIALIZED (
			SELECT q.term, q.count * ln(1 + (col.n - least(df, col.n) + 0.5) / (df + 0.5)) AS weight
			FROM col, q CROSS JOIN LATERAL (
				SELECT coalesce(sum(cardinality(chunks)), 0)::float8 AS df FROM list WHERE list.term = q.term) AS f),
		ceiling AS (SELECT %g * sum(idf.weight) + %g * ln(1 + (max(col.n) - 0.5) / 1.5) AS ceiling FROM idf, col),
		best AS (
			SELECT chunk, sum(weight * tf / (tf + %g * (%g + %g * len / mean))) AS score
			FROM (%s) AS found JOIN idf USING (term), col
			GROUP BY chunk)
		SELECT best.score, hit.*
		FROM (SELECT * FROM best ORDER BY score DESC, chunk) AS best CROSS JOIN LATERAL (
			SELECT CASE WHEN %[11]s::real[] IS NULL THEN NULL ELSE -(c.embedding <#> %[11]s::real[]::vector)::float8 END,
				(SELECT ceiling FROM ceiling), %[12]s
			FROM chunk_# c JOIN document_# d ON d.row = c.doc
			WHERE c.row = best.chunk AND c.born <= (SELECT generation FROM col) AND %[13]s OFFSET 0) AS hit
		ORDER BY best.score DESC, best.chunk LIMIT %[14]d`,
		name, s.arg(words), s.arg(counts), same, lexical.Fitting, lexical.Doubt,
		lexical.K1, 1-lexical.B, lexical.B, occurrences(pairs), vector, columns, s.condition(q.filter), q.Depth)
	return in(q.row.store, s.String()), s.args
}

// occurrences are the rows of the lists; where several words stand for one,
// they count together.
func occurrences(pairs bool) string {
	const each = `SELECT term, u.chunk, (u.weight >> 16)::float8 AS tf, (u.weight & 65535)::float8 AS len
		FROM list CROSS JOIN LATERAL unnest(chunks, weights) AS u(chunk, weight)`
	if !pairs {
		return each
	}
	return "SELECT term, chunk, sum(tf) AS tf, max(len) AS len FROM (" + each + ") AS each GROUP BY term, chunk"
}
