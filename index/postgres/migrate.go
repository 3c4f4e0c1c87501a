package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
)

//go:embed migrations/*.sql
var migrations embed.FS

// oldestServer and oldestVector are what the adapter was tried with at the
// least: iterative scans came with 0.8.
const (
	oldestServer = 15_00_00
	oldestVector = "0.8.0"
)

// migrate brings the schema up to this build, under a lock of its own: two
// processes may begin at once.
func (e *Engine) migrate(ctx context.Context, conn *pgx.Conn) error {
	if _, err := checkServer(ctx, conn); err != nil {
		return err
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	var done int
	err = conn.QueryRow(ctx, "SELECT coalesce(max(number), 0) FROM migration").Scan(&done)
	if err == nil && done == len(names) {
		return nil
	}
	if err == nil && done > len(names) {
		return newerSchema(e.opts.Schema, done, len(names))
	}
	if err != nil && !hasCode(err, undefinedTable) {
		return fmt.Errorf("read schema version: %w", err)
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return e.apply(ctx, tx, names) })
}

func newerSchema(schema string, got, known int) error {
	return fmt.Errorf("schema %q has version %d, this build knows %d: use a newer ragproxy", schema, got, known)
}

func (e *Engine) apply(ctx context.Context, tx pgx.Tx, names []string) error {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", lockKey(e.opts.Schema, "")); err != nil {
		return fmt.Errorf("lock schema: %w", err)
	}
	for _, sql := range []string{
		"CREATE SCHEMA IF NOT EXISTS " + e.opts.Schema,
		"CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public",
		"CREATE TABLE IF NOT EXISTS migration (number int PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("prepare database (%s): %w: let its owner run this once, or grant it", sql, err)
		}
	}
	var done int
	if err := tx.QueryRow(ctx, "SELECT coalesce(max(number), 0) FROM migration").Scan(&done); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if done > len(names) {
		return newerSchema(e.opts.Schema, done, len(names))
	}
	for i, name := range names[done:] {
		sql, err := migrations.ReadFile(name)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, string(sql)); err != nil {
			return fmt.Errorf("apply %s: %w", name, err)
		}
		if _, err := tx.Exec(ctx, "INSERT INTO migration (number) VALUES ($1)", done+i+1); err != nil {
			return fmt.Errorf("apply %s: %w", name, err)
		}
	}
	return nil
}

// serverVersion is what a server says of itself.
type serverVersion struct {
	server, vector string
	standby        bool
}

func checkServer(ctx context.Context, conn *pgx.Conn) (serverVersion, error) {
	var v serverVersion
	var number int
	var vector *string
	err := conn.QueryRow(ctx, `SELECT split_part(current_setting('server_version'), ' ', 1), current_setting('server_version_num')::int, pg_is_in_recovery(),
		(SELECT coalesce(installed_version, default_version) FROM pg_available_extensions WHERE name = 'vector')`).Scan(&v.server, &number, &v.standby, &vector)
	switch {
	case err != nil:
		return v, fmt.Errorf("ask server for its version: %w", err)
	case number < oldestServer:
		return v, fmt.Errorf("the server is PostgreSQL %s: use %d or later", v.server, oldestServer/10000)
	case vector == nil:
		return v, errors.New("the server has no pgvector: install its package (postgresql-NN-pgvector of most distributions), 0.8 or later")
	case older(*vector, oldestVector):
		return v, fmt.Errorf("the database has pgvector %s, and %s or later is needed: install it, then run ALTER EXTENSION vector UPDATE", *vector, oldestVector)
	}
	v.vector = *vector
	return v, nil
}

func older(version, than string) bool {
	var a, b [2]int
	_, errA := fmt.Sscanf(version, "%d.%d", &a[0], &a[1])
	_, errB := fmt.Sscanf(than, "%d.%d", &b[0], &b[1])
	return errA == nil && errB == nil && (a[0] < b[0] || a[0] == b[0] && a[1] < b[1])
}
