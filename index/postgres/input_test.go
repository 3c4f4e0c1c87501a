package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/postgres"
	"github.com/ragproxy/ragproxy/internal/pgtest"
)

// TestURLIsNotRepeated: whatever is wrong with a URL, its password stays out of
// the message.
func TestURLIsNotRepeated(t *testing.T) {
	for _, url := range []string{
		"postgres://rag:verysecret@h:port/db", "postgres://rag:verysecret@h/db?sslmode=perhaps", "postgres://rag:very%secret@h/db",
		"postgres://rag:verysecret@[::1/db", "host=h password=verysecret port=x", "postgres://rag:verysecret@h/db?sslrootcert=/nowhere/verysecret",
		"postgres://h/db?password=verysecret&connect_timeout=x", "http://rag:verysecret@h", "postgres://rag:very\nsecret@h/db?sslmode=x",
	} {
		_, err := postgres.Open(postgres.Options{URL: url})
		if err == nil {
			t.Errorf("%s: got no error", url)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %q, want nothing of the password", url, err)
		}
	}
	_, err := postgres.Open(postgres.Options{URL: "postgres://h/db?sslmode=perhaps"})
	if err == nil || !strings.Contains(err.Error(), "sslmode") {
		t.Errorf("got %v, want sslmode named", err)
	}
	for _, schema := range []string{"Public", "a-b", "x; DROP SCHEMA public"} {
		if _, err := postgres.Open(postgres.Options{URL: "postgres://h/db", Schema: schema}); err == nil {
			t.Errorf("schema %q: got no error", schema)
		}
	}
}

// begin gives the error of beginning, or else of publishing.
func begin(t *testing.T, x *postgres.Engine) error {
	t.Helper()
	r, err := x.Begin(t.Context(), index.BuildOptions{Collection: "c"})
	if err != nil {
		return err
	}
	_, err = r.Add(t.Context(), "source", index.Document{ID: "1", Text: "fox"})
	if err == nil {
		_, err = r.Commit(t.Context())
	}
	return errors.Join(err, r.Abort())
}

// TestServersThatCannotBeUsed: each says what is wrong, what to do, and by its
// mark what kind of failure it is.
func TestServersThatCannotBeUsed(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t)
	execute(t, url, "CREATE ROLE reader LOGIN; CREATE ROLE full LOGIN CONNECTION LIMIT 0")
	as := func(user string) string { return strings.Replace(url, "postgres@", user+"@", 1) }
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, c := range []struct {
		name, url string
		mark      error
		want      []string
	}{
		{"nobody there", "postgres://postgres@127.0.0.1:1/x?sslmode=disable", index.ErrOpen, []string{"cannot be reached", "connection refused"}},
		{"no answer", "postgres://postgres@" + silent.Addr().String() + "/x?sslmode=disable&connect_timeout=1", index.ErrOpen, []string{"cannot be reached"}},
		{"no such host", "postgres://postgres@nowhere.invalid/x?sslmode=disable&connect_timeout=2", index.ErrOpen, []string{"cannot be reached", "nowhere.invalid"}},
		{"no such database", strings.Replace(url, "/test1", "/nothing", 1), nil, []string{`database "nothing" does not exist`, "CREATE DATABASE"}},
		{"no such user", as("nobody"), nil, []string{`role "nobody" does not exist`, "user in engine.url"}},
		{"too many connections", as("full"), index.ErrOpen, []string{"too many connections", "pool_max_conns"}},
		{"may not make tables", as("reader"), nil, []string{"CREATE SCHEMA", "permission denied", "GRANT"}},
		{"wants TLS", strings.Replace(url, "sslmode=disable", "sslmode=require", 1), nil, []string{"server refused TLS connection"}},
		{"read-only", url + "&default_transaction_read_only=on", index.ErrReadOnly, []string{"primary"}},
	} {
		x := open(t, postgres.Options{URL: c.url, Embedder: letters{}})
		err := begin(t, x)
		if err == nil {
			t.Errorf("%s: got no error", c.name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %q, want %q in it", c.name, err, want)
			}
		}
		if c.mark != nil && !errors.Is(err, c.mark) {
			t.Errorf("%s: got %q, want the mark %q", c.name, err, c.mark)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got lines, want one: %q", c.name, err)
		}
	}
}

// TestServerWithoutPgvector has a server look for its extensions where there
// are none, and where there is an old one.
func TestServerWithoutPgvector(t *testing.T) {
	server := pgtest.Start(t)
	old := filepath.Join(server.Folder(), "extension")
	if err := os.Mkdir(old, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(old, "vector.control"), []byte("default_version = '0.7.4'\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(old, "vector--0.7.4.sql"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{"/nowhere": "no pgvector", server.Folder(): "pgvector 0.7.4, and 0.8.0 or later is needed"} {
		x := open(t, postgres.Options{URL: server.Database(t) + "&options=-c%20extension_control_path%3D" + url.QueryEscape(from), Embedder: letters{}})
		if _, err := x.Check(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("check: got %v, want %q", err, want)
		}
		if err := begin(t, x); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("begin: got %v, want %q", err, want)
		}
	}
}

// TestSchemaOfALaterBuild is left alone.
func TestSchemaOfALaterBuild(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t)
	x := open(t, postgres.Options{URL: url, Embedder: letters{}})
	publish(t, x, docs("1 fox")...)
	execute(t, url, "INSERT INTO migration (number) VALUES (99)")
	if err := begin(t, x); err == nil || !strings.Contains(err.Error(), "use a newer ragproxy") {
		t.Errorf("got %v, want to be told of a newer ragproxy", err)
	}
}

// TestFullDisk: a disk that is full keeps what is published, and is told; so
// is one that the server itself has made read-only.
func TestFullDisk(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t)
	x := open(t, postgres.Options{URL: url, Embedder: letters{}})
	publish(t, x, docs("1 fox")...)
	for code, want := range map[string]string{"53100": "disk is full", "25006": "primary"} {
		// As the server says it when it cannot extend a file.
		execute(t, url, "CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''could not extend file'' USING ERRCODE = ''"+code+"''; END'")
		execute(t, url, "CREATE OR REPLACE TRIGGER full_disk BEFORE INSERT ON chunk_1 EXECUTE FUNCTION full_disk()")
		r, err := x.Begin(t.Context(), index.BuildOptions{Collection: "c"})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = r.Add(t.Context(), "source", index.Document{ID: "2", Text: "bear"}) // the error may come with what follows
		_, err = r.Commit(t.Context())
		if !errors.Is(err, index.ErrReadOnly) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want ErrReadOnly and %q", code, err, want)
		}
		legs, err := x.Search(t.Context(), index.Query{Text: "fox", Collection: "c", Depth: 3})
		if err != nil || legs.Vector.Err != nil || len(legs.Keyword.Hits) != 1 {
			t.Errorf("%s: got %v, %v, want what is published", code, legs, err)
		}
	}
	execute(t, url, "DROP TRIGGER full_disk ON chunk_1")
	publish(t, x, docs("2 bear")...)
}

// TestServerThatHangs: a search ends with its context, and says why.
func TestServerThatHangs(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t)
	x := open(t, postgres.Options{URL: url, Embedder: letters{}})
	publish(t, x, docs("1 fox")...)
	if _, err := x.Search(t.Context(), index.Query{Text: "fox", Collection: "c", Depth: 3}); err != nil {
		t.Fatal(err)
	}
	server.Freeze(t)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	begin := time.Now()
	legs, err := x.Search(ctx, index.Query{Text: "fox", Collection: "c", Depth: 3})
	took := time.Since(begin)
	if err != nil || !errors.Is(legs.Vector.Err, context.DeadlineExceeded) || !errors.Is(legs.Keyword.Err, context.DeadlineExceeded) || !errors.Is(legs.Keyword.Err, index.ErrOpen) {
		t.Errorf("got %v, %v, %v, want both legs' deadline and ErrOpen", err, legs.Vector.Err, legs.Keyword.Err)
	}
	if took > 2*time.Second {
		t.Errorf("the search took %s, want it to end with its context", took)
	}
	server.Thaw(t)
	legs, err = x.Search(t.Context(), index.Query{Text: "fox", Collection: "c", Depth: 3})
	if err != nil || legs.Vector.Err != nil || len(legs.Keyword.Hits) != 1 {
		t.Errorf("afterwards: got %v, %v", legs, err)
	}
}

// TestAbortOfRunThatHangs: a run whose server hangs amid writing, and that has
// more to write, ends all the same.
func TestAbortOfRunThatHangs(t *testing.T) {
	server := pgtest.Start(t)
	x := open(t, postgres.Options{URL: server.Database(t), Embedder: letters{}})
	r, err := x.Begin(t.Context(), index.BuildOptions{Collection: "c"})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	add := func(documents int) {
		for range documents {
			n++
			if _, err := r.Add(t.Context(), "source", index.Document{ID: fmt.Sprint(n), Text: fmt.Sprintf("fox %d", n)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(128)
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Freeze(t)
	defer server.Thaw(t)
	add(1024 + 128) // what is written, and what waits for that
	ended := make(chan error, 1)
	go func() { ended <- r.Abort() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("abort: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the run does not end")
	}
}

// TestDeleteLeavesItsArguments: they are the caller's.
func TestDeleteLeavesItsArguments(t *testing.T) {
	server := pgtest.Start(t)
	x := open(t, postgres.Options{URL: server.Database(t), Embedder: letters{}})
	publish(t, x, docs("1 fox")...)
	names := []string{"a\x00b", "1"}
	if deleted, err := x.Delete(t.Context(), "c", names); err != nil || len(deleted) != 1 || !slices.Equal(names, []string{"a\x00b", "1"}) {
		t.Errorf("got %v, %v of %q", deleted, err, names)
	}
}
