//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// installed is this test's binary as the real command, in a home of its own.
type installed struct {
	binary string
	home   string
	env    []string
	user   *syscall.Credential // nil is ours
}

func install(t *testing.T, env ...string) *installed {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &installed{binary: self, home: t.TempDir(), env: env}
}

func (p *installed) command(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), p.binary)
	cmd.Args = append([]string{"ragproxy"}, args...) // TestMain goes by the name
	cmd.Dir = p.home
	cmd.Env = append([]string{"HOME=" + p.home, "XDG_DATA_HOME=" + p.home + "/data"}, p.env...)
	if p.user != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.user}
	}
	return cmd
}

// run is a command to its end.
func (p *installed) run(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	cmd := p.command(t, args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// serve starts the server; wait is its end and gives its exit code.
func (p *installed) serve(t *testing.T) (base string, server *os.Process, wait func() int) {
	t.Helper()
	cmd := p.command(t, "serve", "--listen", "127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait = func() int {
		cmd.Wait() // the exit code says it
		return cmd.ProcessState.ExitCode()
	}
	var log strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if _, base, ok := strings.Cut(lines.Text(), "listening on "); ok {
			go io.Copy(io.Discard, stderr)
			return base, cmd.Process, wait
		}
		log.WriteString(lines.Text() + "\n")
	}
	t.Fatalf("the server ended:\n%s", &log)
	return "", nil, nil
}

// TestTerminateDrainsStreams ends a real server in the middle of 20 streams.
func TestTerminateDrainsStreams(t *testing.T) {
	const streams = 20
	begun, release := make(chan struct{}, streams), make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := func(text string) {
			fmt.Fprintf(w, "data: {\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"content\":%q}}]}\n\n", text)
			http.NewResponseController(w).Flush()
		}
		w.Header().Set("Content-Type", "text/event-stream")
		token("before ")
		begun <- struct{}{}
		<-release
		token("after")
		io.WriteString(w, "data: [DONE]\n\n")
	}))
	defer up.Close()
	base, server, wait := install(t, "RAGPROXY_UPSTREAM_BASE_URL="+up.URL+"/v1", "RAGPROXY_UPSTREAM_API_KEY=k").serve(t)
	var wg sync.WaitGroup
	for range streams {
		wg.Go(func() {
			resp, err := http.Post(base+"/v1/chat/completions", "application/json",
				strings.NewReader(`{"model":"any","stream":true,"messages":[{"role":"user","content":"Hello?"}],"rag":{"enabled":false}}`))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || !bytes.Contains(body, []byte("before ")) || !bytes.Contains(body, []byte("after")) || !bytes.HasSuffix(body, []byte("data: [DONE]\n\n")) {
				t.Errorf("got %q (%v), want both tokens and the end", body, err)
			}
		})
	}
	for range streams {
		<-begun
	}
	if err := server.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	awaitUnready(t, base)
	close(release)
	wg.Wait()
	if code := wait(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	http.DefaultClient.CloseIdleConnections()
}

// awaitUnready asks, on connections of their own, until /readyz says that the
// end is near.
func awaitUnready(t *testing.T, base string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		resp, err := client.Get(base + "/readyz")
		if err != nil {
			t.Fatalf("the listener is closed while streams run: %v", err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable {
			return
		}
	}
	t.Fatal("/readyz never said 503")
}

// TestReadOnlyData serves an index that the server's user cannot write to; an
// `index` says so and changes nothing.
func TestReadOnlyData(t *testing.T) {
	p := install(t)
	page := filepath.Join(p.home, "apples.txt")
	if err := os.WriteFile(page, []byte("Apples grow on trees."), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, said := p.run(t, "index", page); code != 0 {
		t.Fatalf("index: %d %s", code, said)
	}
	if os.Getuid() == 0 {
		p.beNobody(t)
	}
	protect(t, filepath.Join(p.home, "data"))
	base, server, wait := p.serve(t)
	resp, err := http.Post(base+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"any","messages":[{"role":"user","content":"Where do apples grow?"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("Apples grow on trees.")) {
		t.Errorf("got %s %s (%v), want the answer", resp.Status, body, err)
	}
	if code, said := p.run(t, "index", "--prune", page); code != 1 || !strings.Contains(said, "permission denied") || !strings.Contains(said, p.home) {
		t.Errorf("index: got %d %s, want 1 and what cannot be written", code, said)
	}
	if code, said := p.run(t, "search", "apples"); code != 0 || !strings.Contains(said, "apples.txt") {
		t.Errorf("search: got %d %s, want the page", code, said)
	}
	if err := server.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := wait(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	http.DefaultClient.CloseIdleConnections()
}

// beNobody makes the commands run as a user that the permissions hold for, and
// gives that user a binary that it can reach.
func (p *installed) beNobody(t *testing.T) {
	t.Helper()
	raw, err := os.ReadFile(p.binary)
	if err != nil {
		t.Fatal(err)
	}
	p.binary = filepath.Join(p.home, "ragproxy")
	if err := os.WriteFile(p.binary, raw, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := p.home; dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p.user = &syscall.Credential{Uid: 65532, Gid: 65532}
}

// protect takes from all, until the test ends, the right to write.
func protect(t *testing.T, dir string) {
	t.Helper()
	set := func(folders, files fs.FileMode) error {
		return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				return os.Chmod(path, folders)
			}
			return os.Chmod(path, files)
		})
	}
	if err := set(0o555, 0o444); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set(0o755, 0o644); err != nil {
			t.Error(err)
		}
	})
}
