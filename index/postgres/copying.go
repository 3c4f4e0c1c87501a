package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// copying is what a run hands over to the server while it goes on cutting and
// embedding: one thing at a time, as there is one connection. Whoever needs the
// connection calls settle before.
type copying struct {
	cancel context.CancelFunc
	done   chan error // nil where nothing is under way
}

// into are rows for a table.
type into struct {
	table   string
	columns []string
	rows    [][]any
}

// copy begins to write rows, once what was under way has ended well.
func (r *run) copy(ctx context.Context, list ...into) error {
	if err := r.settle(); err != nil {
		return err
	}
	// It goes on when the call that began it has ended; Abort ends it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	r.copying = copying{cancel, done}
	go func(conn *pgx.Conn) {
		done <- func() error {
			for _, to := range list {
				if len(to.rows) == 0 {
					continue
				}
				if _, err := conn.CopyFrom(ctx, pgx.Identifier{to.table}, to.columns, pgx.CopyFromRows(to.rows)); err != nil {
					return fmt.Errorf("write %s: %w", to.table, err)
				}
			}
			return nil
		}()
	}(r.conn)
	return nil
}

// settle waits for what is under way.
func (r *run) settle() error {
	if r.copying.done == nil {
		return nil
	}
	err := <-r.copying.done
	r.copying.cancel()
	r.copying = copying{}
	return err
}

// settleWithin is settle, given up when the context ends.
func (r *run) settleWithin(ctx context.Context) error {
	if r.copying.done != nil {
		defer context.AfterFunc(ctx, r.copying.cancel)()
	}
	return r.settle()
}
