package main

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// container is what the image is to the binary: a root file system that is
// read-only but for /data, the image's environment, and a user that is nobody.
type container struct {
	root string
	env  []string
}

// newContainer needs root and namespaces of mounts; without them the test is
// skipped.
func newContainer(t *testing.T) *container {
	if os.Getuid() != 0 {
		t.Skip("mounting a read-only root needs root")
	}
	if out, err := exec.Command("unshare", "--mount", "mount", "--bind", t.TempDir(), t.TempDir()).CombinedOutput(); err != nil {
		t.Skipf("no namespace of mounts here: %v %s", err, out)
	}
	c := &container{root: t.TempDir()}
	for dir := c.root; dir != os.TempDir(); dir = filepath.Dir(dir) {
		check(t, os.Chmod(dir, 0o755)) // the user has to get there
	}
	for _, dir := range []string{"usr/bin", "data", "docs"} {
		check(t, os.MkdirAll(filepath.Join(c.root, dir), 0o755))
	}
	check(t, os.Chown(filepath.Join(c.root, "data"), uid, uid))
	c.build(t)
	for _, env := range instructions(t)["ENV"] {
		c.env = append(c.env, strings.Fields(env)...)
	}
	return c
}

func (c *container) build(t *testing.T) {
	args := append([]string{"build"}, buildFlags()...)
	cmd := exec.Command("go", append(args, "-o", c.binary(), "./cmd/ragproxy")...)
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "CGO_ENABLED=0", "GIT_OPTIONAL_LOCKS=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, said)
	}
}

func (c *container) binary() string { return filepath.Join(c.root, "usr/bin/ragproxy") }

// command runs the image's entry point. /data is read-only, too, if data says
// so.
func (c *container) command(t *testing.T, data string, args ...string) *exec.Cmd {
	const script = `root=$1 data=$2 && shift 2 &&
		mount --bind "$root" "$root" && mount --bind "$root/data" "$root/data" &&
		mount -o remount,bind,"$data" "$root/data" && mount -o remount,bind,ro "$root" &&
		exec chroot --userspec=65532:65532 "$root" /usr/bin/ragproxy "$@"`
	cmd := exec.CommandContext(t.Context(), "unshare", append([]string{"--mount", "sh", "-c", script, "sh", c.root, data}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, c.env...)
	return cmd
}

// run is a command to its end.
func (c *container) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := c.command(t, "rw", args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	var ended *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), said.String()
}

// serve starts the server and says where; stop must give its exit code.
func (c *container) serve(t *testing.T, data string) (base string, stop func() int) {
	t.Helper()
	cmd := c.command(t, data, "serve", "--listen", "127.0.0.1:0")
	said, err := cmd.StderrPipe()
	check(t, err)
	check(t, cmd.Start())
	stop = func() int {
		cmd.Process.Signal(syscall.SIGTERM)
		io.Copy(io.Discard, said)
		cmd.Wait()
		return cmd.ProcessState.ExitCode()
	}
	var log strings.Builder
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if _, base, ok := strings.Cut(lines.Text(), "listening on "); ok {
			return base, stop
		}
		log.WriteString(lines.Text() + "\n")
	}
	t.Fatalf("the server ended:\n%s", &log)
	return "", nil
}

func ask(t *testing.T, base, key string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/v1/chat/completions",
		strings.NewReader(`{"model":"any","messages":[{"role":"user","content":"Where do apples grow?"}]}`))
	check(t, err)
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	check(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(t, err)
	return resp.StatusCode, string(body)
}

// TestContainer goes the way of docs/deploy without an engine: the static
// binary, as another user, on a root that is read-only.
func TestContainer(t *testing.T) {
	c := newContainer(t)
	c.isStatic(t)
	check(t, os.WriteFile(filepath.Join(c.root, "docs/apples.txt"), []byte("Apples grow on trees."), 0o644))
	raw, err := os.ReadFile("../../index/load/testdata/pdf/letters.pdf")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(c.root, "docs/page.pdf"), raw, 0o644))

	if code, _, said := c.run(t, "serve", "--listen", "0.0.0.0:0"); code != 1 || !strings.Contains(said, "ragproxy keys add NAME") {
		t.Errorf("serve without keys: got %d %s, want 1 and what to do", code, said)
	}
	code, out, said := c.run(t, "keys", "add", "me")
	if code != 0 {
		t.Fatalf("keys add: %d %s", code, said)
	}
	words := strings.Fields(out)
	key := words[len(words)-1]
	if code, _, said := c.run(t, "index", "/docs"); code != 0 {
		t.Errorf("index: got %d %s, want 0", code, said)
	}
	if entries, err := os.ReadDir(filepath.Join(c.root, "data/cache/ragproxy/wasm")); err != nil || len(entries) == 0 {
		t.Errorf("the PDF reader kept nothing in /data/cache: %v", err)
	}
	if code, _, said := c.run(t, "export", "/out.tar"); code != 1 || !strings.Contains(said, "read-only file system") {
		t.Errorf("export to the root: got %d %s, want 1: it is read-only", code, said)
	}
	for _, data := range []string{"rw", "ro"} {
		c.answers(t, data, key)
	}
}

func (c *container) answers(t *testing.T, data, key string) {
	base, stop := c.serve(t, data)
	if status, _ := ask(t, base, ""); status != http.StatusUnauthorized {
		t.Errorf("/data %s: got %d without a key, want 401", data, status)
	}
	if status, body := ask(t, base, key); status != http.StatusOK || !strings.Contains(body, "Apples grow on trees.") {
		t.Errorf("/data %s: got %d %s, want the answer", data, status, body)
	}
	address := strings.TrimPrefix(base, "http://")
	if code, _, said := c.run(t, "healthcheck", "--listen", address); code != 0 {
		t.Errorf("/data %s: healthcheck: got %d %s, want 0", data, code, said)
	}
	if code := stop(); code != 0 {
		t.Errorf("/data %s: the server ended with %d by SIGTERM, want 0", data, code)
	}
	if code, _, _ := c.run(t, "healthcheck", "--listen", address); code != 1 {
		t.Errorf("/data %s: healthcheck of no server: got %d, want 1", data, code)
	}
}

func (c *container) isStatic(t *testing.T) {
	f, err := elf.Open(c.binary())
	check(t, err)
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary needs an interpreter: it is not static")
		}
	}
	if libs, _ := f.ImportedLibraries(); len(libs) > 0 { // an error: there is no such section
		t.Errorf("the binary needs %q: it is not static", libs)
	}
}
