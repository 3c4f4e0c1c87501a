// Package postgres keeps collections in PostgreSQL with pgvector: the same
// engine contract as the index on disk, for several processes at once
// (docs/adr/0007-engines.md).
//
// Start at [Open]. Reading is in search.go, documents.go; writing in run.go,
// stage.go, commit.go. Nothing is dialled before it is needed.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
)

// Options say where the database is and what to work with. The zero value of
// a number means its default.
type Options struct {
	// URL is a connection URI or DSN as of libpq, of one or several hosts.
	// target_session_attrs in it chooses who answers searches (prefer-standby);
	// what writes goes to the primary in any case. A pooler between must keep
	// sessions: a run's lease is one.
	URL      string
	Schema   string // of all tables; default "ragproxy"
	Embedder index.Embedder
	Splitter index.Splitter // may be nil where nothing is built
	Keyword  string         // name of the keyword engine of new collections; default "bleve-bm25:default"
	// HNSWFrom is from how many chunks on a collection gets a graph; below it
	// every vector is compared. Default 20,000.
	HNSWFrom int
	// SearchList is hnsw.ef_search, up to 1,000, where the URL does not say it
	// (hnsw.ef_search=400); default 120.
	SearchList int
	// Patience is how long a search waits for the query's vector to ask both
	// legs in one round trip; then the keyword leg goes ahead. Default 25 ms.
	Patience time.Duration
	// Timeout bounds calls that have no context; default 10 s.
	Timeout time.Duration
}

// Engine is a database with its collections. It implements [index.Engine].
type Engine struct {
	opts   Options
	config *pgxpool.Config
	pool   *pgxpool.Pool

	mu    sync.Mutex
	known map[string]row // as last seen; a search tells when one is old
	terms lexical.TermsByName

	scorers sync.Pool // of *lexical.Scorer
}

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// Open checks the options and dials nothing.
func Open(opts Options) (*Engine, error) {
	opts.Schema = cmp.Or(opts.Schema, "ragproxy")
	opts.Keyword = cmp.Or(opts.Keyword, "bleve-bm25:default")
	opts.HNSWFrom = cmp.Or(opts.HNSWFrom, 20_000)
	opts.SearchList = cmp.Or(opts.SearchList, 120)
	opts.Patience = cmp.Or(opts.Patience, 25*time.Millisecond)
	opts.Timeout = cmp.Or(opts.Timeout, 10*time.Second)
	if !schemaName.MatchString(opts.Schema) {
		return nil, fmt.Errorf("postgres: schema %q: write small letters, digits and _", opts.Schema)
	}
	config, err := pgxpool.ParseConfig(opts.URL)
	if err != nil {
		return nil, unreadable(err)
	}
	c := config.ConnConfig
	c.RuntimeParams["search_path"] = opts.Schema + ",public"
	if c.RuntimeParams["hnsw.ef_search"] == "" {
		c.RuntimeParams["hnsw.ef_search"] = fmt.Sprint(opts.SearchList)
	}
	c.RuntimeParams["hnsw.iterative_scan"] = "strict_order"
	c.RuntimeParams["jit"] = "off" // it costs more than a search takes
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, opts.Timeout)
	// A search that is given up must not go on in the server.
	c.BuildContextWatcherHandler = func(pc *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: pc, DeadlineDelay: grace}
	}
	if !strings.Contains(opts.URL, "pool_max_conns") {
		config.MaxConns = mostConns
	}
	// A ping before each search would be a round trip of its own; where the
	// connection turns out to be dead the search begins anew on another.
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	e := &Engine{opts: opts, config: config, pool: pool, known: map[string]row{}}
	e.scorers.New = func() any { return &lexical.Scorer{} }
	return e, nil
}

// unreadable tells what is wrong with a URL without repeating it: it may hold a
// password, and where it is malformed nobody can say which part that is.
func unreadable(err error) error {
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) && parse.Unwrap() != nil {
		if cause := parse.Unwrap().Error(); !strings.ContainsAny(cause, "\"`/") { // what is quoted may be of it
			return errors.New("postgres: cannot read the URL: " + cause)
		}
	}
	return errors.New("postgres: cannot read the URL: write it like postgres://user:password@host1,host2/database?sslmode=require")
}

// mostConns is how many searches a process asks the server at a time, where
// pool_max_conns in the URL says nothing else.
const mostConns = 16

// grace is how long a statement has to end by itself when its context does.
const grace = 100 * time.Millisecond

// Close ends all connections, when the searches that use them have ended.
func (e *Engine) Close() error {
	e.pool.Close()
	return nil
}

// SplitterName names the splitter; "" without one.
func (e *Engine) SplitterName() string {
	if e.opts.Splitter == nil {
		return ""
	}
	return e.opts.Splitter.Name()
}

// brief is a context for calls that have none.
func (e *Engine) brief() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), e.opts.Timeout)
}
