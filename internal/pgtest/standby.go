package pgtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Standby starts a second server that follows this one, and returns when each
// commit here waits until it is safe there (seen there it may be later, see
// synchronous_commit). Make databases before.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	home, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	if err := own(home); err != nil {
		t.Fatalf("hand %s to another user: %v", home, err)
	}
	b := &Server{bin: s.bin, data: filepath.Join(home, "data"), port: freePort(t)}
	if b.log, err = os.Create(filepath.Join(home, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.log.Close() })
	s.run(t, "pg_basebackup", "-h", "127.0.0.1", "-p", fmt.Sprint(s.port), "-U", "postgres", "-D", b.data, "-R", "-X", "stream", "-c", "fast", "--no-sync")
	b.Restart(t)
	t.Cleanup(func() { b.Kill(t) })
	// Only now, or the commits of this server would wait for nobody; and only
	// here, or those of the other would once it is promoted.
	s.exec(t, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
	s.await(t, "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
	return b
}

// Promote makes a standby a server of its own, which takes writes.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	s.exec(t, "SELECT pg_promote()") // waits for it
}

// Hosts adds servers to a URL of [Server.Database], as those to be tried next.
func Hosts(url string, more ...*Server) string {
	before, after, _ := strings.Cut(url, "/test")
	for _, s := range more {
		before += fmt.Sprintf(",127.0.0.1:%d", s.port)
	}
	return before + "/test" + after
}

func (s *Server) exec(t testing.TB, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// await waits until a query says true.
func (s *Server) await(t testing.TB, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		var is bool
		if err := conn.QueryRow(ctx, sql).Scan(&is); err != nil {
			t.Fatalf("%s: %v\n%s", sql, err, s.Log())
		}
		if is {
			return
		}
		<-poll.C
	}
}
