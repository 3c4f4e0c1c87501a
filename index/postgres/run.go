package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	pgxvec "github.com/pgvector/pgvector-go/pgx"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/remote"
)

// run is what writes a collection. All that it does goes over one connection,
// whose session holds the lease: where that is lost, so is the right to write.
// It implements [index.Run].
type run struct {
	engine *Engine
	opts   index.BuildOptions
	conn   *pgx.Conn
	terms  *lexical.Terms
	space  string
	prev   row // as published; generation 0 if nothing is
	stage  staged

	ledger   *remote.Ledger
	vectors  remote.Vectors
	copying  copying
	recall   bool // there are vectors of texts that may come again
	pending  []index.Stored
	ahead    int
	embedded int
	failed   error
}

// Begin implements [index.Engine].
func (e *Engine) Begin(ctx context.Context, opts index.BuildOptions) (index.Run, error) {
	r, err := e.begin(ctx, opts, e.opts.Embedder)
	if err != nil {
		return nil, told(err)
	}
	return r, nil
}

// begin takes no embedder where nothing is embedded: then the space stays.
func (e *Engine) begin(ctx context.Context, opts index.BuildOptions, embedder index.Embedder) (*run, error) {
	if err := index.CheckName(opts.Collection); err != nil {
		return nil, err
	}
	r := &run{engine: e, opts: opts, ledger: remote.NewLedger(opts.DryRun)}
	if opts.Like == nil {
		r.vectors.Embedder = embedder
	}
	r.vectors.Known = r.known
	r.vectors.Told = func(left int) { r.tell(r.embedded + r.ahead - left) }
	var err error
	if opts.Like != nil {
		r.space = opts.Like.Space
	} else if embedder != nil {
		if r.space, err = remote.SpaceOf(ctx, embedder, opts.DryRun); err != nil {
			return nil, fmt.Errorf("ask embedder: %w", &index.EmbedderError{Err: err})
		}
	}
	if r.conn, err = e.writer(ctx); err != nil {
		return nil, fmt.Errorf("index into postgres: %w", err)
	}
	if err := r.open(ctx, embedder == nil && opts.Like == nil); err != nil {
		return nil, errors.Join(err, r.Abort())
	}
	return r, nil
}

// writer connects to the primary. A holder of a lease whose machine is gone
// without a word loses it after some twenty seconds of silence.
func (e *Engine) writer(ctx context.Context) (*pgx.Conn, error) {
	c := e.config.ConnConfig.Copy()
	c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	host, _ := os.Hostname() // only words for a message
	c.RuntimeParams["application_name"] = fmt.Sprintf("ragproxy, process %d of %.30s", os.Getpid(), host)
	c.RuntimeParams["tcp_keepalives_idle"] = "5"
	c.RuntimeParams["tcp_keepalives_interval"] = "5"
	c.RuntimeParams["tcp_keepalives_count"] = "3"
	c.RuntimeParams["tcp_user_timeout"] = "20000"
	// What a run writes before it publishes is nobody's yet; see publish.
	c.RuntimeParams["synchronous_commit"] = "off"
	return pgx.ConnectConfig(ctx, c)
}

// open takes the lease and reads what the run goes on from.
func (r *run) open(ctx context.Context, keepSpace bool) error {
	e := r.engine
	var err error
	if r.opts.DryRun {
		r.prev, err = published(ctx, r.conn, r.opts.Collection)
		if errors.Is(err, index.ErrNotFound) {
			r.prev, err = row{name: r.opts.Collection}, nil
		}
	} else {
		if err = e.migrate(ctx, r.conn); err != nil {
			return fmt.Errorf("prepare postgres: %w", err)
		}
		if err = r.lease(ctx); err == nil {
			r.prev, err = r.claim(ctx)
		}
	}
	if err != nil {
		return err
	}
	if keepSpace {
		r.space = r.prev.space
	}
	if r.prev.chunks > 0 && !r.opts.Reembed {
		if err := remote.CheckSpace(r.opts.Collection, r.prev.space, r.space, r.opts.Like != nil); err != nil {
			return err
		}
	}
	keyword := e.opts.Keyword
	switch {
	case r.opts.Keyword != nil:
		keyword = r.opts.Keyword.Name()
	case r.opts.Like != nil:
		keyword = r.opts.Like.Keyword
	case r.prev.keyword != "":
		keyword = r.prev.keyword
	}
	if r.terms, err = e.terms.Of(keyword); err != nil {
		return fmt.Errorf("collection %q: %w", r.opts.Collection, err)
	}
	r.stage = newStaged(r)
	otherWords := r.prev.generation > 0 && keyword != r.prev.keyword
	r.ledger.Dirty = otherWords || r.opts.Reembed && r.prev.chunks > 0
	// Tables that hold no chunk any more may be of another space.
	if r.stage.anew = r.ledger.Dirty || r.prev.chunks == 0 && r.prev.dims != 0; !r.stage.anew {
		r.vectors.Dims = r.prev.dims
	}
	if r.opts.Like != nil {
		r.vectors.Dims = r.opts.Like.Dims
	}
	return r.remember(ctx)
}

// lease keeps other runs out for as long as this session lives.
func (r *run) lease(ctx context.Context) error {
	key := lockKey(r.engine.opts.Schema, r.opts.Collection)
	var got bool
	if err := r.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", key).Scan(&got); err != nil {
		return fmt.Errorf("lock collection %q: %w", r.opts.Collection, err)
	}
	if got {
		return pgxvec.RegisterTypes(ctx, r.conn)
	}
	holder := "another process"
	_ = r.conn.QueryRow(ctx, `SELECT application_name || ', since ' || to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
		FROM pg_locks JOIN pg_stat_activity USING (pid)
		WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid = $1::bigint::oid AND objid = $2::bigint::oid`,
		int64(uint64(key)>>32), int64(uint32(key))).Scan(&holder) // only words for the message
	return fmt.Errorf("lock collection %q: %w (%s): wait for it to end", r.opts.Collection, index.ErrBusy, holder)
}

// claim reads the collection's row, which it makes where there is none, and
// clears up what a run that did not end has left; its vectors are kept.
func (r *run) claim(ctx context.Context) (row, error) {
	if _, err := r.conn.Exec(ctx, "INSERT INTO collection (name) VALUES ($1) ON CONFLICT DO NOTHING", r.opts.Collection); err != nil {
		return row{}, fmt.Errorf("open collection %q: %w", r.opts.Collection, err)
	}
	c, err := scanRow(r.conn.QueryRow(ctx, "SELECT "+rowColumns+" FROM collection WHERE name = $1", r.opts.Collection))
	if err != nil {
		return row{}, fmt.Errorf("open collection %q: %w", r.opts.Collection, err)
	}
	if c.staging == 0 {
		return c, nil
	}
	err = pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error { return sweep(ctx, tx, c) })
	if err != nil {
		return row{}, fmt.Errorf("clear up after a run that did not end: %w", err)
	}
	return c, nil
}

func sweep(ctx context.Context, tx pgx.Tx, c row) error {
	_, err := tx.Exec(ctx, in(c.staging, `INSERT INTO embedded
		SELECT DISTINCT ON (key) $1, $2, key, embedding::real[] FROM chunk_# WHERE born > $3 ON CONFLICT DO NOTHING`),
		c.name, c.stagingSpace, c.generation)
	if err != nil {
		return err
	}
	if c.staging != c.store {
		if _, err := tx.Exec(ctx, in(c.staging, dropStore)); err != nil {
			return err
		}
	} else {
		for _, table := range []string{"document_#", "chunk_#", "posting_#"} {
			if _, err := tx.Exec(ctx, in(c.store, "DELETE FROM "+table+" WHERE born > $1"), c.generation); err != nil {
				return err
			}
		}
	}
	_, err = tx.Exec(ctx, "UPDATE collection SET staging = 0 WHERE name = $1", c.name)
	return err
}

// remember reads what is needed of each document to see that it did not change.
func (r *run) remember(ctx context.Context) error {
	r.recall = r.prev.chunks > 0 && r.prev.space == r.space
	if !r.opts.DryRun && !r.recall {
		err := r.conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM embedded WHERE collection = $1 AND space = $2)", r.opts.Collection, r.space).Scan(&r.recall)
		if err != nil {
			return fmt.Errorf("look for known vectors: %w", err)
		}
	}
	if r.prev.store == 0 {
		return nil
	}
	rows, err := r.conn.Query(ctx, in(r.prev.store, "SELECT row, id, hash, source, chunks FROM document_# WHERE born <= $1"), r.prev.generation)
	if err != nil {
		return fmt.Errorf("read documents: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var was remote.Published
		var id, source string
		var hash []byte
		if err := rows.Scan(&was.Row, &id, &hash, &source, &was.Chunks); err != nil {
			return fmt.Errorf("read documents: %w", err)
		}
		copy(was.Hash[:], hash)
		was.Source = index.KeyOf(source)
		r.ledger.Before[index.KeyOf(id)] = was
	}
	return rows.Err()
}

// Add implements [index.Run].
func (r *run) Add(ctx context.Context, source string, d index.Document) (index.Change, error) {
	if err := checkCharacters(d.ID); err != nil {
		return 0, err
	}
	change, s, err := r.ledger.Add(r.engine.opts.Splitter, source, d)
	if s == nil {
		return change, err
	}
	return change, r.enqueue(ctx, *s)
}

// Take implements [index.Run].
func (r *run) Take(ctx context.Context, s index.Stored) (index.Change, error) {
	if err := checkCharacters(s.Document.ID); err != nil {
		return 0, err
	}
	change, taken, err := r.ledger.Take(s, r.vectors.Dims)
	if taken == nil {
		return change, err
	}
	return change, r.enqueue(ctx, *taken)
}

func checkCharacters(id string) error {
	if strings.Contains(id, "\x00") {
		return &index.DocumentError{Err: fmt.Errorf("document %q: PostgreSQL takes no character 0 in an id", id)}
	}
	return nil
}

// Keep implements [index.Run].
func (r *run) Keep(id string) { r.ledger.Keep(id) }

// Prune implements [index.Run].
func (r *run) Prune(source string) int { return r.ledger.Prune(source) }

// Has implements [index.Run].
func (r *run) Has(id string) bool { return r.ledger.Has(id) }

// Chunks implements [index.Run].
func (r *run) Chunks() int { return r.embedded + r.ahead }

// Abort implements [index.Run]. What was written is cleared up by the next
// run, which finds the vectors.
func (r *run) Abort() error {
	if r.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	// What was embedded is not to be embedded again: the next run finds what comes
	// through.
	if r.settleWithin(ctx) == nil && len(r.stage.chunkRows) > 0 && r.writeRows(ctx) == nil {
		_ = r.settleWithin(ctx)
	}
	// The lease goes with the session, however that ends; so it goes at once.
	_, _ = r.conn.Exec(ctx, "SELECT pg_advisory_unlock_all()")
	_ = r.conn.Close(ctx)
	r.conn = nil
	return nil
}

// goneRows are the rows of the documents that go, in order.
func (r *run) goneRows() (rows []int) {
	for id := range r.ledger.Gone {
		rows = append(rows, r.ledger.Before[id].Row)
	}
	slices.Sort(rows)
	return rows
}
