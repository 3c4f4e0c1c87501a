package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ragproxy/ragproxy/internal/pgtest"
)

func TestServer(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t)
	exec := func(sql string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	exec("CREATE EXTENSION vector; CREATE TABLE x (v vector(3)); INSERT INTO x VALUES ('[1,2,3]')")
	server.Kill(t)
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		conn.Close(t.Context())
		t.Fatal("got a connection to a killed server, want none")
	}
	server.Restart(t)
	exec("SELECT v <=> '[1,2,3]' FROM x")
}

// TestStandby: what a commit has acknowledged is there when the primary is gone.
func TestStandby(t *testing.T) {
	primary := pgtest.Start(t)
	url := primary.Database(t)
	standby := primary.Standby(t)
	url = pgtest.Hosts(url, standby)
	exec := func(sql string) error {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		_, err = conn.Exec(t.Context(), sql)
		return err
	}
	if err := exec("CREATE TABLE x (n int)"); err != nil {
		t.Fatal(err)
	}
	primary.Kill(t)
	if err := exec("INSERT INTO x VALUES (1)"); err == nil {
		t.Error("a standby has taken a write")
	}
	standby.Promote(t)
	if err := exec("INSERT INTO x VALUES (1)"); err != nil {
		t.Error(err)
	}
}
