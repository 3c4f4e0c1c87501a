package postgres

import (
	"context"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/ragproxy/ragproxy/index"
)

// Scan implements [index.Engine].
func (e *Engine) Scan(ctx context.Context, collection string, f func(index.Manifest, iter.Seq2[index.Stored, error]) error) error {
	return e.read(ctx, collection, func(tx pgx.Tx, r row) error {
		return f(r.manifest(), func(yield func(index.Stored, error) bool) {
			rows, err := tx.Query(ctx, in(r.store, storedSQL("c.embedding::real[]", "d.born <= $1")), r.generation)
			if err == nil {
				err = eachStored(rows, func(d storedDocument) bool { return yield(d.Stored, nil) })
			}
			if err != nil {
				yield(index.Stored{}, fmt.Errorf("read collection %q: %w", collection, err))
			}
		})
	})
}

type storedDocument struct {
	index.Stored
	row int
}

// stored are the published documents whose rows are in [from, to), as they
// were handed in, cut, without their vectors.
func (r *run) stored(ctx context.Context, from, to int) (list []storedDocument, err error) {
	if err := r.settle(); err != nil {
		return nil, err
	}
	rows, err := r.conn.Query(ctx, in(r.prev.store, storedSQL("NULL::real[]", "d.row >= $1 AND d.row < $2 AND d.born <= $3")), from, to, r.prev.generation)
	if err != nil {
		return nil, err
	}
	return list, eachStored(rows, func(d storedDocument) bool {
		for _, c := range d.Cut.Chunks {
			d.Cut.Texts = append(d.Cut.Texts, index.EmbeddedText(c))
		}
		d.Cut.Vectors = nil
		list = append(list, d)
		return true
	})
}

func storedSQL(vector, where string) string {
	return `SELECT d.row, d.id, d.url, d.title, d.meta::text, d.marks, d.source, d.hash,
			c.text, c.ordinal, c.from_char, c.to_char, coalesce(c.meta, d.meta)::text, ` + vector + `
		FROM document_# d LEFT JOIN chunk_# c ON c.doc = d.row
		WHERE ` + where + ` ORDER BY d.row, c.ordinal`
}

// eachStored hands over the documents of rows, until yield says no.
func eachStored(rows pgx.Rows, yield func(storedDocument) bool) error {
	defer rows.Close()
	var now storedDocument // rows begin at 1: 0 is none
	for rows.Next() {
		var d storedDocument
		var meta, chunkMeta, text *string
		var ordinal, start, end *int
		var hash []byte
		var vector []float32
		doc := &d.Document
		err := rows.Scan(&d.row, &doc.ID, &doc.URL, &doc.Title, &meta, &doc.Marks, &d.Source, &hash, &text, &ordinal, &start, &end, &chunkMeta, &vector)
		if err != nil {
			return err
		}
		if now.row != d.row {
			if now.row != 0 && !yield(now) {
				return nil
			}
			if doc.Meta, err = readMeta(meta); err != nil {
				return err
			}
			copy(d.Cut.Hash[:], hash)
			now = d
		}
		if text == nil {
			continue
		}
		doc = &now.Document
		c := index.Chunk{
			ID: index.ChunkID(doc.ID, *ordinal), DocumentID: doc.ID, URL: doc.URL, Title: doc.Title,
			Text: *text, Ordinal: *ordinal, Start: *start, End: *end,
		}
		if c.Meta, err = readMeta(chunkMeta); err != nil {
			return err
		}
		now.Cut.Chunks, now.Cut.Vectors = append(now.Cut.Chunks, c), append(now.Cut.Vectors, vector)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if now.row != 0 {
		yield(now)
	}
	return nil
}
