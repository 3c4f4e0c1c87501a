package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// nobody has no rights anywhere; PostgreSQL refuses to run as root.
const nobody = 65534

func own(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	return os.Chown(dir, nobody, nobody)
}

// unprivileged runs the command as nobody where the test is root's, and ends
// it with the test however that ends.
func unprivileged(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
}

// childrenOf lists a process's children by their ids.
func childrenOf(pid int) (children []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state parent ...; a name may hold anything
		_, rest, _ := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
		var state string
		var parent, child int
		if n, _ := fmt.Sscanf(rest, "%s %d", &state, &parent); n != 2 || parent != pid {
			continue
		}
		if n, _ := fmt.Sscanf(string(b), "%d", &child); n == 1 {
			children = append(children, child)
		}
	}
	return children
}
