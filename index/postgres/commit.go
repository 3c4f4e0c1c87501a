package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/remote"
)

// Commit implements [index.Run]. What is published changes in one transaction
// of the session that holds the lease.
func (r *run) Commit(ctx context.Context) (index.Manifest, error) {
	m, err := r.commit(ctx)
	return m, errors.Join(told(err), r.Abort())
}

func (r *run) commit(ctx context.Context) (index.Manifest, error) {
	if r.opts.DryRun || r.failed == nil && r.idle() {
		return r.prev.manifest(), nil
	}
	if err := errors.Join(r.failed, ctx.Err()); err != nil {
		return index.Manifest{}, err
	}
	if err := r.flush(ctx); err != nil {
		return index.Manifest{}, err
	}
	if err := r.carry(ctx); err != nil {
		return index.Manifest{}, err
	}
	if err := r.openStore(ctx); err != nil { // a run that only deletes has written nothing yet
		return index.Manifest{}, fmt.Errorf("make tables: %w", err)
	}
	if err := errors.Join(r.writeRows(ctx), r.writeLists(ctx), r.settle()); err != nil {
		return index.Manifest{}, err
	}
	next := r.next()
	if !r.stage.anew && next.wasteful() {
		if err := r.compact(ctx, &next); err != nil {
			return index.Manifest{}, fmt.Errorf("write postings anew: %w", err)
		}
	}
	if err := r.graph(ctx, &next); err != nil {
		return index.Manifest{}, err
	}
	if r.stage.anew || r.stage.chunks > r.prev.chunks/5 {
		// The server would look at them by itself in a minute; until then its
		// plans would be those for empty tables.
		if _, err := r.conn.Exec(ctx, in(next.store, "ANALYZE document_#, chunk_#, posting_#")); err != nil {
			return index.Manifest{}, fmt.Errorf("count rows: %w", err)
		}
	}
	err := pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error { return r.publish(ctx, tx, next) })
	if err != nil {
		return index.Manifest{}, fmt.Errorf("publish generation %d: %w", next.generation, err)
	}
	if r.prev.store != 0 && r.prev.store != next.store {
		// Whoever still asks the old tables asks again. What cannot be dropped
		// now stays: nobody reads it.
		_, _ = r.conn.Exec(ctx, in(r.prev.store, dropStore))
	}
	return next.manifest(), nil
}

func (r *run) idle() bool {
	if r.prev.generation == 0 {
		return r.ledger.Empty()
	}
	return !r.ledger.Dirty
}

// next is the row as it will be published.
func (r *run) next() row {
	n, s := r.prev, r.stage
	n.generation, n.store, n.staging, n.stagingSpace = s.born, s.store, 0, ""
	n.nextDocument, n.nextChunk = s.document, s.chunk
	n.keyword = r.terms.Engine()
	if r.opts.Like != nil {
		n.splitter = r.opts.Like.Splitter
	} else if r.engine.opts.Splitter != nil {
		n.splitter = r.engine.opts.Splitter.Name()
	}
	if s.anew {
		n.documents, n.chunks, n.statChunks, n.statTokens, n.statLoose, n.hnsw = s.documents, s.chunks, int64(s.chunks), s.tokens, 0, false
	} else {
		chunks := r.ledger.GoneChunks()
		n.documents += s.documents - len(r.ledger.Gone)
		n.chunks += s.chunks - chunks
		n.statChunks += int64(s.chunks)
		n.statTokens += s.tokens
		if s.chunks < listAhead && r.prev.chunks > 0 {
			n.statLoose += s.chunks
		}
	}
	if n.space = r.space; n.chunks == 0 {
		n.space = ""
	}
	n.dims = r.vectors.Dims
	return n
}

// graph makes the graph of a store that has grown to need one. It sees what is
// staged, too; searches go on meanwhile.
func (r *run) graph(ctx context.Context, next *row) error {
	if next.hnsw || next.chunks < r.engine.opts.HNSWFrom || next.dims > mostHNSW {
		return nil
	}
	if _, err := r.conn.Exec(ctx, in(next.store, graphIndex(next.dims))); err != nil {
		return fmt.Errorf("build graph: %w", err)
	}
	next.hnsw = true
	return nil
}

func (r *run) publish(ctx context.Context, tx pgx.Tx, next row) error {
	// All that was written before is safe with this transaction: on disk, and
	// where the server has synchronous standbys to be found there, too.
	if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = remote_apply"); err != nil {
		return err
	}
	if !r.stage.anew {
		gone := r.goneRows()
		for _, sql := range []string{"DELETE FROM chunk_# WHERE doc = ANY($1)", "DELETE FROM document_# WHERE row = ANY($1)"} {
			if len(gone) == 0 {
				break
			}
			if _, err := tx.Exec(ctx, in(next.store, sql), gone); err != nil {
				return err
			}
		}
		for id, source := range r.ledger.Moved {
			if _, err := tx.Exec(ctx, in(next.store, "UPDATE document_# SET source = $2 WHERE row = $1"), r.ledger.Before[id].Row, plain(source)); err != nil {
				return err
			}
		}
	}
	if r.stage.compacted {
		if _, err := tx.Exec(ctx, in(next.store, "DELETE FROM posting_# WHERE born <= $1"), r.prev.generation); err != nil {
			return err
		}
	}
	tag, err := tx.Exec(ctx, in(next.store, `UPDATE collection SET generation = $2, store = $3, space = $4, dims = $5, splitter = $6, keyword = $7,
			documents = $8, chunks = $9, hnsw = $10, stat_chunks = $11, stat_tokens = $12, next_document = $13, next_chunk = $14,
			stat_loose = $17, staging = 0, staging_space = '', published_at = now(),
			mean = (SELECT avg(embedding)::real[] FROM (SELECT embedding FROM chunk_# WHERE row % $15 = 0) AS sample)
		WHERE name = $1 AND generation = $16`),
		next.name, next.generation, next.store, next.space, next.dims, next.splitter, next.keyword, next.documents, next.chunks, next.hnsw,
		next.statChunks, next.statTokens, next.nextDocument, next.nextChunk, max(1, next.chunks/meanSample), r.prev.generation, next.statLoose)
	if err != nil {
		return err
	}
	if tag.RowsAffected() != 1 {
		return errors.New("another run has published meanwhile: index again")
	}
	_, err = tx.Exec(ctx, "DELETE FROM embedded WHERE collection = $1", next.name)
	return err
}

// meanSample is some number of vectors that the mean is made of.
const meanSample = 4096

// carry writes the documents of the old store into a new one, where there is
// one: what is stored of them is enough.
func (r *run) carry(ctx context.Context) error {
	if !r.stage.anew || r.prev.store == 0 {
		return nil
	}
	rows := make(map[int]index.Key, len(r.ledger.Before))
	for id, was := range r.ledger.Before {
		if !r.ledger.Gone[id] {
			rows[was.Row] = id
		}
	}
	for at, to := 0, 0; at < r.prev.nextDocument; at = to {
		to = at + remote.EmbedAhead
		list, err := r.stored(ctx, at, to)
		if err != nil {
			return fmt.Errorf("read documents: %w", err)
		}
		for _, d := range list {
			id, ok := rows[d.row]
			if !ok {
				continue
			}
			if source, moved := r.ledger.Moved[id]; moved {
				d.Source = source
			}
			if err := r.enqueue(ctx, d.Stored); err != nil {
				return err
			}
		}
	}
	return r.flush(ctx)
}
