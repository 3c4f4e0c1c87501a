package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// target is a platform.
type target struct{ goos, goarch string }

func parseTarget(text string) (target, error) {
	goos, goarch, ok := strings.Cut(text, "/")
	if !ok || goos == "" || goarch == "" {
		return target{}, fmt.Errorf("target %q is not GOOS/GOARCH", text)
	}
	return target{goos, goarch}, nil
}

// name is the binary's.
func (t target) name() string {
	name := "ragproxy-" + t.goos + "-" + t.goarch
	if t.goos == "windows" {
		name += ".exe"
	}
	return name
}

// buildFlags are the Makefile's and the Dockerfile's, too.
func buildFlags() []string { return []string{"-trimpath", "-ldflags", "-s -w"} }

// clone makes a folder with the commit that is checked out in the project
// around the working folder.
func clone(ctx context.Context, to string) error {
	root, err := exec.CommandContext(ctx, "git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return fmt.Errorf("find project: %w", err)
	}
	cmd := exec.CommandContext(ctx, "git", "clone", "--quiet", "--shared", strings.TrimSpace(string(root)), to)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("clone project: %w: %s", err, said)
	}
	return nil
}

// build makes the binary of a tree. What of this machine's settings would
// change it is switched off.
func build(ctx context.Context, tree, binary string, t target) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	args := append([]string{"build", "-buildvcs=true"}, buildFlags()...)
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", binary, "./cmd/ragproxy")...)
	cmd.Dir = tree
	own := func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains([]string{"GOFLAGS", "GOEXPERIMENT", "GOAMD64", "GOARM64", "GOFIPS140"}, name)
	}
	cmd.Env = append(slices.DeleteFunc(os.Environ(), own), "CGO_ENABLED=0", "GOENV=off", "GOWORK=off", "GOOS="+t.goos, "GOARCH="+t.goarch)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", t.name(), err, said)
	}
	return nil
}

// fileSum is a file's SHA-256 in hex.
func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// writeSums writes SHA256SUMS in the form of sha256sum(1).
func writeSums(dir string, names []string) error {
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		sum, err := fileSum(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		b.WriteString(sum + "  " + name + "\n")
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(b.String()), 0o644)
}
