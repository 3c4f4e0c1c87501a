package clienttest

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// patience bounds what one request of a script may take: far above what it
// does.
const patience = 2 * time.Minute

// startScript runs a script as one process that answers a line with a line: a
// start for every request would take most of the time.
func startScript(t *testing.T, c client) runner {
	dir := installed(t)
	cmd := exec.Command(filepath.Join(dir, "venv", "bin", "python"), c.file)
	if filepath.Ext(c.file) == ".mjs" {
		cmd = exec.Command("node", filepath.Join(beside(t, dir), filepath.Base(c.file)))
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PYTHONDONTWRITEBYTECODE=1", "HOME=" + t.TempDir()}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v (is it installed? see install.sh)", c.file, err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
			t.Errorf("%s: %v\n%s", c.file, err, &stderr)
		}
	})
	lines := bufio.NewReader(stdout)
	var hello struct{ Version string }
	receive(t, cmd, lines, &hello)
	if want := c.version(t); hello.Version != want {
		t.Fatalf("got %s %s, want %s: run install.sh again", c.pkg, hello.Version, want)
	}
	return func(t *testing.T, a ask) (r result) {
		if err := json.NewEncoder(stdin).Encode(a); err != nil {
			t.Fatalf("write to %s: %v", c.file, err)
		}
		receive(t, cmd, lines, &r)
		return r
	}
}

// receive reads a line; a script that says nothing for too long is ended.
func receive(t *testing.T, cmd *exec.Cmd, lines *bufio.Reader, v any) {
	t.Helper()
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	line, err := lines.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		t.Fatalf("the script ended without an answer")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(line, v); err != nil {
		t.Fatalf("read answer %q: %v", line, err)
	}
}

// beside puts the Node scripts next to the installed modules: that is where
// Node looks for what an ES module imports.
func beside(t *testing.T, dir string) string {
	at := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "node_modules"), filepath.Join(at, "node_modules")); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("clients/*.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(at, filepath.Base(file)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return at
}

// version is the pinned one.
func (c client) version(t *testing.T) string {
	file, pattern := "../../go.mod", `(?m)^\s*`+regexp.QuoteMeta(c.pkg)+` v(\S+)`
	switch filepath.Ext(c.file) {
	case ".py":
		file, pattern = "clients/requirements.txt", `(?m)^`+regexp.QuoteMeta(c.pkg)+`==(\S+)$`
	case ".mjs":
		file, pattern = "clients/package.json", `"`+regexp.QuoteMeta(c.pkg)+`": "([^"]+)"`
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(pattern).FindSubmatch(b)
	if m == nil {
		t.Fatalf("%s has no version of %s", file, c.pkg)
	}
	return string(m[1])
}
