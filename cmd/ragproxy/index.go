package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/load"
	"github.com/ragproxy/ragproxy/index/split"
)

type indexFlags struct {
	collection    string
	classes       []string
	size, overlap int
	prune, dryRun bool
	asJSON        bool
}

func newIndex() *cobra.Command {
	var f indexFlags
	cmd := &cobra.Command{
		Use:   "index SOURCE...",
		Short: "Load, split, embed and index files, folders and web pages",
		Long: `Load each SOURCE (a file, a folder, an http(s) URL, or - for standard input),
split it into chunks, embed what is new, and publish the collection at once.
Documents that did not change are left alone. A SOURCE that fails is named, the
rest is indexed, and the exit code is 1.`,
		Example: `  ragproxy index ./docs
  ragproxy index https://example.org/post --class post-title,post-content
  ragproxy index ./docs --prune        also drop what ./docs no longer has
  cat notes.txt | ragproxy index -`,
		Args: someSources,
		RunE: func(cmd *cobra.Command, args []string) error { return runIndex(cmd, args, f) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.collection, "collection", defaultCollection, "`NAME` of the collection")
	fs.StringSliceVar(&f.classes, "class", nil, "keep only HTML elements with these CSS `classes`")
	fs.IntVar(&f.size, "chunk-size", 1000, "characters of a chunk, at most")
	fs.IntVar(&f.overlap, "chunk-overlap", 200, "characters that neighbouring chunks share, at most")
	fs.BoolVar(&f.prune, "prune", false, "remove documents that these SOURCEs no longer have")
	fs.BoolVar(&f.dryRun, "dry-run", false, "say what would change and write nothing")
	fs.BoolVar(&f.asJSON, "json", false, "print the result as one JSON object")
	return cmd
}

// indexResult is the last line of `index --json`. Documents and Chunks are the
// collection's, the rest is this run's.
type indexResult struct {
	Documents  int `json:"documents"`
	Chunks     int `json:"chunks"`
	Added      int `json:"added"`
	Updated    int `json:"updated"`
	Deleted    int `json:"deleted"`
	Unchanged  int `json:"unchanged"`
	Failed     int `json:"failed"`
	Generation int `json:"generation"`
}

func runIndex(cmd *cobra.Command, sources []string, f indexFlags) error {
	begin := time.Now()
	splitter, err := split.NewRecursive(split.Options{Size: f.size, Overlap: f.overlap})
	if err != nil {
		return usagef("--chunk-size, --chunk-overlap: %w", err)
	}
	cfg, err := loadConfig(cmd, nil, false)
	if err != nil {
		return err
	}
	idx, err := openIndex(cfg, splitter)
	if err != nil {
		return err
	}
	defer idx.Close()
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.done()
	builder, err := idx.Build(cmd.Context(), index.BuildOptions{Collection: f.collection, DryRun: f.dryRun, Embedded: progress.embedded})
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	defer builder.Abort()
	r := indexRun{builder: builder, options: loadOptions(cmd, cfg, f), progress: progress, stderr: cmd.ErrOrStderr(), prune: f.prune}
	if err := r.sources(cmd.Context(), sources); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	manifest, err := builder.Commit(cmd.Context())
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	progress.done()
	r.result.Documents, r.result.Chunks, r.result.Generation = manifest.Documents, manifest.Chunks, manifest.Generation
	if err := r.report(cmd.OutOrStdout(), f, time.Since(begin)); err != nil {
		return err
	}
	if r.result.Failed > 0 {
		return errReported
	}
	return nil
}

func loadOptions(cmd *cobra.Command, cfg *config.Config, f indexFlags) load.Options {
	return load.Options{
		Classes: f.classes, AllowPrivate: cfg.Load.AllowPrivate, AllowAddresses: cfg.Load.AllowAddresses,
		Timeout: cfg.Load.Timeout, MaxBytes: int64(cfg.Load.MaxBytes), Stdin: cmd.InOrStdin(),
		Skipped: func(path, reason string) { fmt.Fprintf(cmd.ErrOrStderr(), "skipped %s: %s\n", path, reason) },
	}
}

// indexRun is one run over its sources.
type indexRun struct {
	builder  *index.Builder
	options  load.Options
	progress *progress
	stderr   io.Writer
	prune    bool
	result   indexResult
}

// sources loads every SOURCE, one given twice only once, and then prunes: a
// document may have moved from one SOURCE to a later one.
func (r *indexRun) sources(ctx context.Context, sources []string) error {
	whole := map[string]bool{} // by key: nothing of it failed
	var keys []string
	for _, source := range sources {
		key := sourceKey(source)
		if slices.Contains(keys, key) {
			continue
		}
		keys = append(keys, key)
		before := r.result.Failed
		if err := r.source(ctx, source, key); err != nil {
			return err
		}
		whole[key] = r.result.Failed == before
	}
	for _, key := range keys {
		if r.prune && whole[key] {
			r.result.Deleted += r.builder.Prune(key)
		}
	}
	return nil
}

// source loads one SOURCE. Its failures are told and counted; the error ends
// the run.
func (r *indexRun) source(ctx context.Context, source, key string) error {
	loader, err := load.Open(source, r.options)
	source = shown(source)
	if err != nil {
		r.fail(source, "", err)
		return nil
	}
	for doc, err := range loader.Load(ctx) {
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.fail(source, doc.ID, err)
			r.builder.Keep(doc.ID)
			continue
		}
		if err := r.add(ctx, source, key, doc); err != nil {
			return err
		}
	}
	return nil
}

func (r *indexRun) add(ctx context.Context, source, key string, doc index.Document) error {
	change, err := r.builder.Add(ctx, key, doc)
	var bad *index.DocumentError
	switch {
	case errors.As(err, &bad):
		r.fail(source, doc.ID, bad)
		return nil
	case err != nil:
		return err
	case change == index.Added:
		r.result.Added++
	case change == index.Updated:
		r.result.Updated++
	default:
		r.result.Unchanged++
	}
	r.progress.loaded()
	return nil
}

func (r *indexRun) fail(source, id string, err error) {
	r.result.Failed++
	r.progress.clear()
	if id == "" || id == source || strings.Contains(err.Error(), source) {
		fmt.Fprintf(r.stderr, "failed %s: %v\n", source, err)
		return
	}
	fmt.Fprintf(r.stderr, "failed %s: %s: %v\n", source, id, err)
}

// sourceKey is what a SOURCE is recorded as, the same however it is spelled.
// The credentials of a URL are not recorded.
func sourceKey(source string) string {
	if source == "-" {
		return source
	}
	if u := webAddress(source); u != nil {
		u.User, u.Fragment, u.RawFragment = nil, "", ""
		return u.String()
	}
	if abs, err := filepath.Abs(source); err == nil {
		return abs
	}
	return source
}

// shown is a SOURCE for messages: a password in a URL is not repeated.
func shown(source string) string {
	if u := webAddress(source); u != nil && u.User != nil {
		return u.Redacted()
	}
	return source
}

// webAddress is nil if source is no http or https URL.
func webAddress(source string) *url.URL {
	u, err := url.Parse(source)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	return u
}

func (r *indexRun) report(w io.Writer, f indexFlags, took time.Duration) error {
	if f.asJSON {
		return json.NewEncoder(w).Encode(r.result)
	}
	x := r.result
	if f.dryRun {
		_, err := fmt.Fprintf(w, "would add %d, update %d and delete %d documents (%d unchanged, %d failed); nothing was written\n",
			x.Added, x.Updated, x.Deleted, x.Unchanged, x.Failed)
		return err
	}
	_, err := fmt.Fprintf(w, "collection %s: %d documents, %d chunks (%d added, %d updated, %d deleted, %d unchanged, %d failed) in %.1fs\n",
		f.collection, x.Documents, x.Chunks, x.Added, x.Updated, x.Deleted, x.Unchanged, x.Failed, took.Seconds())
	return err
}
