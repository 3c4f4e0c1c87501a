package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ragproxy/ragproxy/index"
)

// Codes of SQLSTATE.
const (
	undefinedTable  = "42P01"
	undefinedSchema = "3F000"
	// A standby that is about to show what the primary has done ends searches
	// that would see what was before.
	conflictWithRecovery = "40001"
)

func hasCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	for _, c := range codes {
		if pg.Code == c {
			return true
		}
	}
	return false
}

// isServers says whether the server has refused a statement, rather than not
// answered.
func isServers(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && !away(pg.Code)
}

// refused says whether the statement is at fault, or what it has found.
func refused(err error) bool { return isServers(err) || errors.Is(err, errPostings) }

// away are the codes of a server that shuts down, starts, or has lost the
// connection: another one may answer, or the same one in a while. A statement
// that was canceled (57014) is not among them.
func away(code string) bool {
	return strings.HasPrefix(code, "57P") || strings.HasPrefix(code, "08")
}

func noRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

// remedy is what can be done about what the server says, and the mark that
// package index has for it; "" where the server's own words have to do.
func remedy(code string) (do string, mark error) {
	switch code {
	case "28P01":
		return "correct the password in engine.url", nil
	case "28000":
		return "correct the user in engine.url, or let it in by the server's pg_hba.conf", nil
	case "3D000":
		return "make the database with CREATE DATABASE, or correct engine.url", nil
	case "42501":
		return "have its owner GRANT it to the user of engine.url", nil
	case "53300":
		return "raise max_connections of the server, or set pool_max_conns in engine.url", index.ErrOpen
	case "53100":
		return "the server's disk is full: make room on it and index again; what is published is whole", index.ErrReadOnly
	case "53200":
		return "the server is out of memory: lower its maintenance_work_mem, or give it more", index.ErrReadOnly
	case "25006":
		return "it is a standby, or default_transaction_read_only is on: name the primary in engine.url", index.ErrReadOnly
	case "57014":
		return "it took too long: raise retrieval.deadline or the server's statement_timeout", nil
	}
	return "", nil
}

// told adds to an error what can be done about it and the mark that package
// index has for it. What the server has no part in stays as it is.
func told(err error) error {
	var pg *pgconn.PgError
	var embedder *index.EmbedderError
	switch {
	case err == nil, errors.As(err, &embedder), errors.Is(err, context.Canceled), errors.Is(err, index.ErrOpen), errors.Is(err, index.ErrReadOnly):
		return err
	case errors.Is(err, pgconn.ErrReadOnlyConnection):
		return fmt.Errorf("%w: none of the hosts in engine.url is a primary: name it there, or promote a standby: %w", index.ErrReadOnly, flat{err})
	case errors.As(err, &pg):
		do, mark := remedy(pg.Code)
		if away(pg.Code) {
			mark = index.ErrOpen
		}
		err = flat{err}
		if do != "" {
			err = fmt.Errorf("%w: %s", err, do)
		}
		if mark != nil {
			err = fmt.Errorf("%w: %w", mark, err)
		}
		return err
	case isLost(err):
		return fmt.Errorf("%w: the server cannot be reached: %w", index.ErrOpen, flat{err})
	}
	return err
}

// isLost says whether the way to the server is at fault.
func isLost(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, context.DeadlineExceeded)
}

// flat is an error on one line: pgx gives each host that it tried a line.
type flat struct{ error }

func (f flat) Error() string { return strings.Join(strings.Fields(f.error.Error()), " ") }

func (f flat) Unwrap() error { return f.error }
