package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// exchange is what a search says to the server and hears: statements go out
// without waiting for the answers of those before them, and more can follow
// while the server is still busy, so that all take the time of one round trip.
// They see one state of the database. Not safe for concurrent use.
type exchange struct {
	conn *pgxpool.Conn
	pipe *pgconn.Pipeline
	args pgx.ExtendedQueryBuilder
}

// statementText is SQL with its arguments. What is asked again and again is
// prepared, once for each connection; SQL of a filter, of which there are as
// many as clients think of, is not.
type statementText struct {
	sql    string
	args   []any
	once   bool
	parsed *pgconn.StatementDescription
}

// open begins an exchange in which these statements may be sent.
func (e *Engine) open(ctx context.Context, list ...*statementText) (*exchange, error) {
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		if s == nil || s.once {
			continue
		}
		sum := sha256.Sum256([]byte(s.sql))
		if s.parsed, err = conn.Conn().Prepare(ctx, "s"+hex.EncodeToString(sum[:12]), s.sql); err != nil {
			conn.Release()
			return nil, err
		}
	}
	x := &exchange{conn: conn, pipe: conn.Conn().PgConn().StartPipeline(ctx)}
	x.pipe.SendQueryParams("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", nil, nil, nil, nil)
	return x, nil
}

// send adds a statement to those that go out with the next flush; nil is none.
func (x *exchange) send(s *statementText) error {
	if s == nil {
		return nil
	}
	if err := x.args.Build(x.conn.Conn().TypeMap(), s.parsed, s.args); err != nil {
		return err
	}
	if s.parsed == nil {
		x.pipe.SendQueryParams(s.sql, x.args.ParamValues, nil, x.args.ParamFormats, x.args.ResultFormats)
	} else {
		x.pipe.SendQueryPrepared(s.parsed.Name, x.args.ParamValues, x.args.ParamFormats, x.args.ResultFormats)
	}
	x.pipe.SendFlushRequest() // its answer is not kept back until the next one is made
	return nil
}

func (x *exchange) flush() error { return x.pipe.Flush() }

// commit is behind the last statement.
func (x *exchange) commit() error {
	x.pipe.SendQueryParams("COMMIT", nil, nil, nil, nil)
	return x.pipe.Sync()
}

var errNoAnswer = errors.New("the server's answers have ended too early")

// answer is the next statement's. It has to be read to its end.
func (x *exchange) answer() (*pgconn.ResultReader, error) {
	got, err := x.pipe.GetResults()
	if err != nil {
		return nil, err
	}
	if r, ok := got.(*pgconn.ResultReader); ok {
		return r, nil
	}
	return nil, errNoAnswer
}

// rows is answer for values that are scanned.
func (x *exchange) rows() (pgx.Rows, error) {
	r, err := x.answer()
	if err != nil {
		return nil, err
	}
	return pgx.RowsFromResultReader(x.conn.Conn().TypeMap(), r), nil
}

// done skips an answer without rows.
func (x *exchange) done() error {
	r, err := x.answer()
	if err == nil {
		_, err = r.Close()
	}
	return err
}

// close gives the connection back; one that is in the middle of something is
// not used again.
func (x *exchange) close() {
	_ = x.pipe.Close() // whose error the answers have told, or nobody waits for
	x.conn.Release()
}
