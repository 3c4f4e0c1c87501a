package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a ragproxy that was started as a user starts it.
type process struct {
	cmd  *exec.Cmd
	said *transcript
	base string // where it serves
}

// transcript is a buffer that is written to while it is read.
type transcript struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// ragproxyIn makes a command in dir, which is its home, with nothing else in its
// environment than env.
func ragproxyIn(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ragproxy", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	cmd.Dir = dir
	cmd.Env = append([]string{"HOME=" + dir, "XDG_DATA_HOME=" + filepath.Join(dir, "data"), "PATH=" + os.Getenv("PATH")}, env...)
	return cmd
}

// runIn runs a command to its end and gives all that it said.
func runIn(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	out, err := ragproxyIn(t, dir, env, args...).CombinedOutput()
	if ended := (*exec.ExitError)(nil); err != nil && !asExit(err, &ended) {
		t.Fatal(err)
	}
	return string(out)
}

func asExit(err error, to **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*to = e
	return ok
}

var serving = regexp.MustCompile(`(?m)^listening on (http://\S+)$`)

// startServe starts `ragproxy serve` on a free port.
func startServe(t *testing.T, dir string, env ...string) *process {
	t.Helper()
	p := &process{cmd: ragproxyIn(t, dir, env, "serve", "--listen", "127.0.0.1:0"), said: &transcript{}}
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		if m := serving.FindStringSubmatch(p.said.String()); m != nil {
			p.base = m[1]
			return p
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not listen:\n%s", p.said)
		}
	}
}

// stop asks it to end, and waits until it has.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("got %v, want exit code 0:\n%s", err, p.said)
	}
}

// ask sends a request and gives the status, the headers as lines, and the body.
// headers are names and values in turn.
func (p *process) ask(t *testing.T, method, path, body string, headers ...string) (status int, all string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	var out bytes.Buffer
	_ = resp.Header.Write(&out)     // a buffer takes everything
	_, _ = io.Copy(&out, resp.Body) // an answer may be cut
	return resp.StatusCode, out.String()
}
