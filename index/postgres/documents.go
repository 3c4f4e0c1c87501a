package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ragproxy/ragproxy/index"
)

// read runs f on one generation of a collection.
func (e *Engine) read(ctx context.Context, collection string, f func(tx pgx.Tx, r row) error) error {
	return told(pgx.BeginTxFunc(ctx, e.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		r, err := published(ctx, tx, collection)
		if err != nil {
			return err
		}
		return f(tx, r)
	}))
}

// Documents implements [index.Engine].
func (e *Engine) Documents(ctx context.Context, collection string, q index.DocumentsQuery) (list []index.DocumentInfo, more bool, err error) {
	filter, err := index.ParseFilters(q.Filters)
	if err != nil {
		return nil, false, err
	}
	err = e.read(ctx, collection, func(tx pgx.Tx, r row) error {
		var s statement
		fmt.Fprintf(&s, "SELECT d.id, d.url, d.title, d.meta::text, d.chunks FROM document_# d WHERE d.born <= %s AND d.id > %s AND %s ORDER BY d.id LIMIT %s",
			s.arg(r.generation), s.arg(plain(q.After)), s.condition(filter), s.arg(q.Limit+1))
		list, err = documentInfos(ctx, tx, in(r.store, s.String()), s.args)
		return err
	})
	if len(list) > q.Limit {
		list, more = list[:q.Limit], true
	}
	return list, more, err
}

func documentInfos(ctx context.Context, tx pgx.Tx, sql string, args []any) ([]index.DocumentInfo, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	return pgx.CollectRows(rows, func(from pgx.CollectableRow) (d index.DocumentInfo, err error) {
		var meta *string
		if err := from.Scan(&d.ID, &d.URL, &d.Title, &meta, &d.Chunks); err != nil {
			return d, err
		}
		d.Meta, err = readMeta(meta)
		return d, err
	})
}

// Document implements [index.Engine].
func (e *Engine) Document(ctx context.Context, collection, id string, filters map[string]any) (info index.DocumentInfo, chunks []index.Chunk, err error) {
	filter, err := index.ParseFilters(filters)
	if err != nil {
		return info, nil, err
	}
	err = e.read(ctx, collection, func(tx pgx.Tx, r row) error {
		var s statement
		fmt.Fprintf(&s, "SELECT d.id, d.url, d.title, d.meta::text, d.chunks FROM document_# d WHERE d.born <= %s AND d.id = %s AND %s",
			s.arg(r.generation), s.arg(plain(id)), s.condition(filter))
		list, err := documentInfos(ctx, tx, in(r.store, s.String()), s.args)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("document %q: %w", id, index.ErrNoDocument)
		}
		info = list[0]
		chunks, err = documentChunks(ctx, tx, r, info)
		return err
	})
	return info, chunks, err
}

func documentChunks(ctx context.Context, tx pgx.Tx, r row, d index.DocumentInfo) ([]index.Chunk, error) {
	rows, err := tx.Query(ctx, in(r.store, `SELECT c.text, c.ordinal, c.from_char, c.to_char, coalesce(c.meta, d.meta)::text
		FROM document_# d JOIN chunk_# c ON c.doc = d.row WHERE d.id = $1 AND d.born <= $2 ORDER BY c.ordinal`), d.ID, r.generation)
	if err != nil {
		return nil, fmt.Errorf("read chunks: %w", err)
	}
	return pgx.CollectRows(rows, func(from pgx.CollectableRow) (c index.Chunk, err error) {
		var meta *string
		if err := from.Scan(&c.Text, &c.Ordinal, &c.Start, &c.End, &meta); err != nil {
			return c, err
		}
		c.ID, c.DocumentID, c.URL, c.Title = index.ChunkID(d.ID, c.Ordinal), d.ID, d.URL, d.Title
		c.Meta, err = readMeta(meta)
		return c, err
	})
}

// Delete implements [index.Engine].
func (e *Engine) Delete(ctx context.Context, collection string, names []string) (deleted []index.Deleted, err error) {
	asked := make([]string, len(names))
	for i, name := range names {
		asked[i] = plain(name)
	}
	_, err = e.remove(ctx, collection, "id = ANY($1) OR url <> '' AND url = ANY($1)", asked, &deleted)
	return deleted, told(err)
}

// DeleteDocument implements [index.Engine].
func (e *Engine) DeleteDocument(ctx context.Context, collection, id string) (index.Manifest, error) {
	var deleted []index.Deleted
	m, err := e.remove(ctx, collection, "id = ANY($1)", []string{plain(id)}, &deleted)
	if err == nil && len(deleted) == 0 {
		err = fmt.Errorf("document %q: %w", id, index.ErrNoDocument)
	}
	return m, told(err)
}

// remove publishes a generation without the documents of a condition.
func (e *Engine) remove(ctx context.Context, collection, where string, names []string, deleted *[]index.Deleted) (index.Manifest, error) {
	if err := e.Exists(ctx, collection); err != nil {
		return index.Manifest{}, err
	}
	r, err := e.begin(ctx, index.BuildOptions{Collection: collection}, nil)
	if err != nil {
		return index.Manifest{}, err
	}
	defer r.Abort() // of a run that ended by an error
	if r.prev.store != 0 {
		rows, err := r.conn.Query(ctx, in(r.prev.store, "SELECT id, url FROM document_# WHERE ("+where+") ORDER BY row"), names)
		if err != nil {
			return index.Manifest{}, fmt.Errorf("delete documents: %w", err)
		}
		if *deleted, err = pgx.CollectRows(rows, pgx.RowToStructByPos[index.Deleted]); err != nil {
			return index.Manifest{}, fmt.Errorf("delete documents: %w", err)
		}
	}
	for _, d := range *deleted {
		r.ledger.Gone[index.KeyOf(d.ID)], r.ledger.Dirty = true, true
	}
	m, err := r.Commit(ctx)
	if err != nil {
		*deleted = nil
	}
	return m, err
}

// Collections implements [index.Engine].
func (e *Engine) Collections() ([]index.CollectionInfo, error) {
	ctx, cancel := e.brief()
	defer cancel()
	rows, err := e.rows(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]index.CollectionInfo, len(rows))
	for i, r := range rows {
		out[i] = index.CollectionInfo{Name: r.name, Manifest: r.manifest()}
	}
	return out, nil
}

func (e *Engine) rows(ctx context.Context) ([]row, error) {
	rows, err := e.pool.Query(ctx, "SELECT "+rowColumns+`,
		(SELECT coalesce(sum(pg_total_relation_size(to_regclass(kind || '_' || store))), 0)::bigint FROM unnest(ARRAY['document', 'chunk', 'posting']) AS kind)
		FROM collection WHERE generation > 0 ORDER BY name`)
	if err == nil {
		var list []row
		list, err = pgx.CollectRows(rows, func(from pgx.CollectableRow) (row, error) {
			var size int64
			r, err := scanRow(from, &size)
			r.size = size
			return r, err
		})
		if err == nil {
			return list, nil
		}
	}
	if hasCode(err, undefinedTable, undefinedSchema) {
		return nil, nil
	}
	return nil, told(fmt.Errorf("list collections: %w", err))
}

// Names implements [index.Engine].
func (e *Engine) Names() ([]string, error) {
	list, err := e.Collections()
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.Name
	}
	return names, err
}

// Served implements [index.Engine]. A search asks the server, so it never is
// behind it; a standby may be, which is the server's to tell.
func (e *Engine) Served() ([]index.Served, error) {
	list, err := e.Collections()
	out := make([]index.Served, len(list))
	for i, c := range list {
		out[i] = index.Served{Collection: c.Name, Generation: c.Manifest.Generation, Documents: c.Manifest.Documents, Open: true}
	}
	return out, err
}
