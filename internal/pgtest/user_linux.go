package pgtest

import (
	"os"
	"os/exec"
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
