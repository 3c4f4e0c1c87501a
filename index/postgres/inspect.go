package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/jackc/pgx/v5"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
)

// Inspect implements [index.Engine]: it counts what the collection's row says,
// and holds documents, chunks, vectors and postings against each other. That
// pages are whole is the server's to know (data checksums, amcheck).
func (e *Engine) Inspect(ctx context.Context, collection string) (index.Report, error) {
	report := index.Report{Collection: collection}
	err := e.read(ctx, collection, func(tx pgx.Tx, r row) error {
		report.Manifest = r.manifest()
		for _, c := range checks(r) {
			var got int64
			if err := tx.QueryRow(ctx, in(r.store, c.sql), r.generation).Scan(&got); err != nil {
				return fmt.Errorf("%s: %w", c.what, err)
			}
			if got != c.want {
				report.Problems = append(report.Problems, fmt.Errorf("%s: got %d, want %d: index --reembed makes the collection anew", c.what, got, c.want))
			}
		}
		err := e.checkPostings(ctx, tx, r)
		if errors.Is(err, errPostings) {
			report.Problems, err = append(report.Problems, err), nil
		}
		return err
	})
	if err != nil && ctx.Err() == nil && isServers(err) && !errors.Is(err, index.ErrNotFound) {
		report.Problems, err = append(report.Problems, err), nil
	}
	return report, err
}

// checkPostings cuts the texts into words again and holds the postings of the
// chunks that are there against them: the sums of what each word of each chunk
// is in the index must be the same. Postings of deleted chunks may be left.
func (e *Engine) checkPostings(ctx context.Context, tx pgx.Tx, r row) error {
	terms, err := e.terms.Of(r.keyword)
	if err != nil {
		return err
	}
	var want, got uint64
	there := make([]bool, r.nextChunk)
	err = each(ctx, tx, in(r.store, "SELECT c.row, d.title, c.text FROM chunk_# c JOIN document_# d ON d.row = c.doc WHERE c.born <= $1"), r.generation, func(rows pgx.Rows) error {
		var at int
		var c index.Chunk
		if err := rows.Scan(&at, &c.Title, &c.Text); err != nil {
			return err
		}
		if at < 0 || at >= r.nextChunk {
			return fmt.Errorf("chunk %d of %d: %w", at, r.nextChunk, errPostings)
		}
		there[at] = true
		words := terms.Chunk(c)
		for term, n := range words.Counts {
			want += postingSum(plain(term), lexical.Occurrence{Row: int32(at), Count: uint32(n), Length: uint32(words.Length)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	var list []lexical.Occurrence
	err = each(ctx, tx, in(r.store, "SELECT term, chunks, list FROM posting_# WHERE born <= $1"), r.generation, func(rows pgx.Rows) error {
		var term string
		var chunks int
		var raw []byte
		if err := rows.Scan(&term, &chunks, &raw); err != nil {
			return err
		}
		if list, err = readPostings(raw, list[:0]); err != nil || len(list) != chunks {
			return fmt.Errorf("postings of %q: %w", term, errPostings)
		}
		for _, o := range list {
			if int(o.Row) >= r.nextChunk {
				return fmt.Errorf("postings of %q: chunk %d of %d: %w", term, o.Row, r.nextChunk, errPostings)
			}
			if there[o.Row] {
				got += postingSum(term, o)
			}
		}
		return nil
	})
	if err == nil && got != want {
		err = fmt.Errorf("postings: they are not those of the chunks' words: %w", errPostings)
	}
	return err
}

// postingSum is a number that tells one posting from another; their order does
// not count.
func postingSum(term string, o lexical.Occurrence) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(term)) // it never fails
	var b [12]byte
	binary.LittleEndian.PutUint32(b[:], uint32(o.Row))
	binary.LittleEndian.PutUint32(b[4:], o.Count)
	binary.LittleEndian.PutUint32(b[8:], o.Length)
	_, _ = h.Write(b[:])
	return h.Sum64()
}

func each(ctx context.Context, tx pgx.Tx, sql string, generation int, f func(pgx.Rows) error) error {
	rows, err := tx.Query(ctx, sql, generation)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

type check struct {
	what, sql string
	want      int64
}

func checks(r row) []check {
	return []check{
		{"documents", "SELECT count(*) FROM document_# WHERE born <= $1", int64(r.documents)},
		{"chunks", "SELECT count(*) FROM chunk_# WHERE born <= $1", int64(r.chunks)},
		{"documents that came twice", "SELECT count(*) - count(DISTINCT id) FROM document_# WHERE born <= $1", 0},
		{"documents without all of their chunks", `SELECT count(*) FROM document_# d WHERE born <= $1 AND chunks <>
			(SELECT count(*) FROM chunk_# c WHERE c.doc = d.row AND c.ordinal < d.chunks AND c.born <= $1)`, 0},
		{"chunks without a document", "SELECT count(*) FROM chunk_# c WHERE born <= $1 AND NOT EXISTS (SELECT FROM document_# d WHERE d.row = c.doc)", 0},
		{"vectors that are neither unit vectors nor zero", `SELECT count(*) FROM chunk_# WHERE born <= $1 AND
			abs(-(embedding <#> embedding) - 1) > 0.001 AND -(embedding <#> embedding) > 0.001`, 0},
	}
}
