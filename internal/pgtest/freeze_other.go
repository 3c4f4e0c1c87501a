//go:build !unix

package pgtest

import "testing"

// Freeze skips the test: processes are not stopped this way here.
func (s *Server) Freeze(t testing.TB) {
	t.Helper()
	t.Skip("SKIPPED: no SIGSTOP on this system")
}

// Thaw is after Freeze.
func (s *Server) Thaw(testing.TB) {}
