// Package child runs what long measurements need as processes of their own:
// programs that serve, ragproxy among them. It tells what /proc says of them,
// so that part works on Linux only.
package child

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// Child is a process that serves.
type Child struct {
	Name string
	URL  string // base URL, with /v1
	Log  string // the file that has its standard error
	cmd  *exec.Cmd
	done chan error
}

// Pid is the process's number.
func (c *Child) Pid() int { return c.cmd.Process.Pid }

// Signal sends a signal.
func (c *Child) Signal(s os.Signal) error { return c.cmd.Process.Signal(s) }

// Ended gets, once, what the process ended with.
func (c *Child) Ended() <-chan error { return c.done }

var listening = regexp.MustCompile(`listening on (http://\S+)`)

// Start runs a program and waits until it says where it listens. Its standard
// error goes to a file in dir: a pipe would cost this process a wake-up a log
// line.
func Start(ctx context.Context, dir, name string, cmd *exec.Cmd) (*Child, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c := &Child{Name: name, Log: log.Name(), cmd: cmd, done: make(chan error, 1)}
	go func() { c.done <- cmd.Wait() }()
	for deadline := time.After(20 * time.Second); ; {
		said, err := os.ReadFile(log.Name())
		if err != nil {
			c.Stop()
			return nil, fmt.Errorf("start %s: %w", name, err)
		}
		if m := listening.FindSubmatch(said); m != nil && bytes.HasSuffix(said, []byte("\n")) {
			c.URL = string(m[1]) + "/v1"
			return c, nil
		}
		select {
		case err := <-c.done:
			return nil, fmt.Errorf("start %s: it ended: %w\n%s", name, cmp.Or(err, errors.New("with no error")), said)
		case <-deadline:
			c.Stop()
			return nil, fmt.Errorf("start %s: it does not listen\n%s", name, said)
		case <-ctx.Done():
			c.Stop()
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop ends the process and waits for it.
func (c *Child) Stop() {
	c.cmd.Process.Signal(os.Interrupt)
	select {
	case <-c.done:
	case <-time.After(5 * time.Second):
		c.cmd.Process.Kill()
		<-c.done
	}
}

// StartSelf runs this program in another role. It ends with its standard
// input, so also if this process is killed.
func StartSelf(ctx context.Context, dir, role string, args ...string) (*Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"-role", role}, args...)...)
	cmd.Env = []string{"HOME=" + dir}
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	return Start(ctx, dir, role, cmd)
}

// Serve is such a role: it serves until standard input ends.
func Serve(srv *http.Server) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "listening on http://%s\n", l.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		srv.Close()
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Build makes the ragproxy that is measured, as the Makefile does.
func Build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "ragproxy")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=auto", "-trimpath", "-ldflags", "-s -w", "-o", binary, "github.com/ragproxy/ragproxy/cmd/ragproxy")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GIT_OPTIONAL_LOCKS=0") // the stamp only reads
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build ragproxy: %w\n%s", err, out)
	}
	return binary, nil
}
