// Command release builds what is published: a binary for each platform, the
// list of what each is made of (CycloneDX), and the sums of all.
//
//	go run ./internal/release -o dist
//
// It builds the commit that is checked out, from a clone of its own, so that
// nothing else gets in. With -twice each binary is built in two folders and
// must come out the same. Whoever has the same commit and the same Go gets the
// same bytes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	out := flag.String("o", "dist", "`FOLDER` for the files")
	targets := flag.String("targets", "linux/amd64,linux/arm64,darwin/arm64,windows/amd64", "platforms, as GOOS/GOARCH")
	twice := flag.Bool("twice", false, "build each twice and compare")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := release(ctx, *out, strings.Split(*targets, ","), *twice); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release fills a folder.
func release(ctx context.Context, out string, targets []string, twice bool) error {
	work, err := os.MkdirTemp("", "ragproxy-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	trees := []string{filepath.Join(work, "a")}
	if twice {
		trees = append(trees, filepath.Join(work, "another", "folder"))
	}
	for _, tree := range trees {
		if err := clone(ctx, tree); err != nil {
			return err
		}
	}
	var files []string
	for _, text := range targets {
		t, err := parseTarget(text)
		if err != nil {
			return err
		}
		names, err := publish(ctx, out, trees, t)
		if err != nil {
			return err
		}
		files = append(files, names...)
	}
	return writeSums(out, files)
}

// publish builds one target, in each tree, and lists what it is made of.
func publish(ctx context.Context, out string, trees []string, t target) ([]string, error) {
	name := t.name()
	binary := filepath.Join(out, name)
	if err := build(ctx, trees[0], binary, t); err != nil {
		return nil, err
	}
	sum, err := fileSum(binary)
	if err != nil {
		return nil, err
	}
	for _, tree := range trees[1:] {
		again := filepath.Join(tree, "again")
		if err := build(ctx, tree, again, t); err != nil {
			return nil, err
		}
		other, err := fileSum(again)
		if err != nil {
			return nil, err
		}
		if other != sum {
			return nil, fmt.Errorf("%s is not reproducible: %s in one folder, %s in another", name, sum, other)
		}
		fmt.Printf("%s: the same bytes from two folders\n", name)
	}
	bom := name + ".cdx.json"
	if err := writeBOM(filepath.Join(out, bom), trees[0], binary, sum); err != nil {
		return nil, err
	}
	fmt.Printf("%s  %s\n", sum, name)
	return []string{name, bom}, nil
}
