package ostest

import (
	"os/exec"
	"syscall"
)

// endWithTest ends the command with the test however that ends.
func endWithTest(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
