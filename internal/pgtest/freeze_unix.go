//go:build unix

package pgtest

import (
	"syscall"
	"testing"
)

// Freeze stops the server where it is: it holds its connections, takes new
// ones, and says nothing. Thaw lets it go on.
func (s *Server) Freeze(t testing.TB) { s.signal(t, syscall.SIGSTOP) }

// Thaw is after Freeze.
func (s *Server) Thaw(t testing.TB) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	for _, pid := range append(childrenOf(s.process.Process.Pid), s.process.Process.Pid) {
		if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH { // it has ended
			t.Fatal(err)
		}
	}
}
