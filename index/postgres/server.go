package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ragproxy/ragproxy/index"
)

var _ index.Server = (*Engine)(nil)

// Check implements [index.Server].
func (e *Engine) Check(ctx context.Context) (string, error) {
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return "", told(err)
	}
	defer conn.Release()
	v, err := checkServer(ctx, conn.Conn())
	if err != nil {
		return "", told(err)
	}
	kind := "primary"
	if v.standby {
		kind = "standby"
	}
	return fmt.Sprintf("PostgreSQL %s, pgvector %s, %s", v.server, v.vector, kind), nil
}

// Drop implements [index.Server].
func (e *Engine) Drop(ctx context.Context, collection string) (err error) {
	defer func() { err = told(err) }()
	if err := e.Exists(ctx, collection); err != nil {
		return err
	}
	r, err := e.begin(ctx, index.BuildOptions{Collection: collection}, nil)
	if err != nil {
		return err
	}
	defer r.Abort()
	err = pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
		for _, sql := range []string{"DELETE FROM embedded WHERE collection = $1", "DELETE FROM collection WHERE name = $1"} {
			if _, err := tx.Exec(ctx, sql, collection); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, in(r.prev.store, dropStore)) // IF EXISTS: an empty collection has none
		return err
	})
	if err != nil {
		return fmt.Errorf("drop collection %q: %w", collection, err)
	}
	e.forget(collection)
	return nil
}
