package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/load"
	"github.com/ragproxy/ragproxy/index/split"
)

type indexFlags struct {
	collection      string
	classes         []string
	selector        string
	depth, maxPages int
	size, overlap   int
	analyzer        string
	prune, dryRun   bool
	reembed, asJSON bool
	watch           bool
	every           time.Duration
}

func newIndex() *cobra.Command {
	var f indexFlags
	cmd := &cobra.Command{
		Use:   "index SOURCE...",
		Short: "Load, split, embed and index files, folders and web pages",
		Long: `Load each SOURCE (a file, a folder, an http(s) URL, or - for standard input),
split it into chunks, embed what is new, and publish the collection at once.
Documents that did not change are left alone. A SOURCE that fails is named, the
rest is indexed, and the exit code is 1. A SOURCE that is a sitemap.xml stands
for the pages that it lists; --depth follows links.

With --watch the run goes on until it is interrupted: folders and files are
indexed again when they change, URLs after --every. A server that runs follows.`,
		Example: `  ragproxy index ./docs
  ragproxy index https://example.org/post --class post-title,post-content
  ragproxy index ./docs --prune        # also drop what ./docs no longer has
  ragproxy index ./docs --watch --prune
  ragproxy index https://example.org/docs/ --depth 2 --select main
  ragproxy index --reembed             # after embedding.* was changed
  cat notes.txt | ragproxy index -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.reembed && len(args) == 0 {
				return nil // what is there is enough
			}
			return someSources(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runIndex(cmd, args, f) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.collection, "collection", defaultCollection, "`NAME` of the collection")
	fs.StringSliceVar(&f.classes, "class", nil, "keep only HTML elements with these CSS `classes`")
	fs.StringVar(&f.selector, "select", "", "keep only HTML elements that this CSS `SELECTOR` takes")
	fs.IntVar(&f.depth, "depth", 0, "follow a page's links below its folder so many steps")
	fs.IntVar(&f.maxPages, "max-pages", 1000, "pages of a crawl or a sitemap, at most")
	fs.IntVar(&f.size, "chunk-size", 1000, "characters of a chunk, at most")
	fs.IntVar(&f.overlap, "chunk-overlap", 200, "characters that neighbouring chunks share, at most")
	fs.StringVar(&f.analyzer, "analyzer", "", "`NAME` of how words are found; the collection keeps it (default \"default\",\nwhich serves all scripts): "+strings.Join(lexical.Analyzers(), ", "))
	fs.BoolVar(&f.prune, "prune", false, "remove documents that these SOURCEs no longer have")
	fs.BoolVar(&f.reembed, "reembed", false, "embed the whole collection again, with the embedder of now; needs no SOURCE")
	fs.BoolVar(&f.watch, "watch", false, "go on and index what changes")
	fs.DurationVar(&f.every, "every", 10*time.Minute, "with --watch: how often URLs are asked whether they changed")
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
	splitter, err := split.NewRecursive(split.Options{Size: f.size, Overlap: f.overlap})
	if err != nil {
		return usagef("--chunk-size, --chunk-overlap: %w", err)
	}
	if err := f.check(); err != nil {
		return err
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
	if len(sources) == 0 {
		if err := idx.Exists(cmd.Context(), f.collection); err != nil {
			return fmt.Errorf("index --reembed: %w", err)
		}
	}
	run := func() error { return indexOnce(cmd, cfg, idx, sources, f, splitter.Name()) }
	if !f.watch {
		return run()
	}
	return watch(cmd.Context(), sources, f.every, cmd.ErrOrStderr(), run)
}

func (f *indexFlags) check() error {
	switch {
	case f.depth < 0 || f.depth > 100:
		return usagef("--depth: write a number from 0 to 100, not %d", f.depth)
	case f.maxPages < 1:
		return usagef("--max-pages: write a number above 0, not %d", f.maxPages)
	case f.watch && f.dryRun:
		return usagef("--watch and --dry-run: choose one")
	case f.every < time.Second:
		return usagef("--every: write 1s or more, not %s", f.every)
	case f.analyzer != "" && !slices.Contains(lexical.Analyzers(), f.analyzer):
		return usagef("--analyzer: no %q: write one of %s", f.analyzer, strings.Join(lexical.Analyzers(), ", "))
	}
	return nil
}

// indexOnce is one run over the sources, from loading to what is told of it.
func indexOnce(cmd *cobra.Command, cfg *config.Config, idx *index.Index, sources []string, f indexFlags, splitter string) error {
	begin := time.Now()
	options, err := loadOptions(cmd, cfg, f)
	if err != nil {
		return err
	}
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.end()
	build := index.BuildOptions{Collection: f.collection, DryRun: f.dryRun, Reembed: f.reembed, Embedded: progress.embedded}
	if f.analyzer != "" {
		if build.Keyword, err = lexical.New(lexical.Options{Analyzer: f.analyzer}); err != nil {
			return fmt.Errorf("--analyzer: %w", err)
		}
	}
	builder, err := idx.Build(cmd.Context(), build)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	defer builder.Abort()
	pages := openVisits(cfg.DataDir, f.collection, fmt.Sprintf("%s %q %q", splitter, f.classes, f.selector))
	options.Known = func(id string) load.Visit {
		if !builder.Has(id) {
			return load.Visit{}
		}
		return pages.Pages[id]
	}
	progress.total = func() (int64, bool) { return sizeOf(cmd.Context(), sources, options) }
	options.Read = progress.read
	options.Visited = func(id string, v load.Visit) { pages.seen[id] = v }
	r := indexRun{builder: builder, options: options, progress: progress, stderr: cmd.ErrOrStderr(), prune: f.prune, visits: pages}
	if err := r.sources(cmd.Context(), sources); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	manifest, err := builder.Commit(cmd.Context())
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	progress.end()
	if !f.dryRun {
		if err := pages.save(); err != nil { // the next run fetches them again
			fmt.Fprintln(cmd.ErrOrStderr(), "warning:", err)
		}
	}
	r.result.Documents, r.result.Chunks, r.result.Generation = manifest.Documents, manifest.Chunks, manifest.Generation
	if err := r.report(cmd.OutOrStdout(), f, time.Since(begin)); err != nil {
		return err
	}
	if r.result.Failed > 0 {
		return errReported
	}
	return nil
}

// sizeOf is how much of the sources' files is to be read; false where that is
// not known.
func sizeOf(ctx context.Context, sources []string, options load.Options) (bytes int64, known bool) {
	seen := map[string]bool{}
	for _, source := range sources {
		key := sourceKey(source)
		if seen[key] {
			continue
		}
		seen[key] = true
		n, ok := load.Size(ctx, source, options)
		if !ok {
			return 0, false
		}
		bytes += n
	}
	return bytes, true
}

func loadOptions(cmd *cobra.Command, cfg *config.Config, f indexFlags) (load.Options, error) {
	headers := map[string]http.Header{}
	for _, line := range cfg.Load.Headers {
		from, name, value, err := load.ParseHeader(line)
		if err != nil {
			return load.Options{}, err
		}
		if headers[from] == nil {
			headers[from] = http.Header{}
		}
		headers[from].Add(name, value)
	}
	return load.Options{
		Classes: f.classes, Select: f.selector, Depth: f.depth, MaxPages: f.maxPages, Delay: cfg.Load.Delay,
		AllowPrivate: cfg.Load.AllowPrivate, AllowAddresses: cfg.Load.AllowAddresses, Headers: headers,
		Timeout: cfg.Load.Timeout, ParseTimeout: cfg.Load.ParseTimeout, MaxBytes: int64(cfg.Load.MaxBytes), KeepHidden: cfg.Load.KeepHidden, Stdin: cmd.InOrStdin(),
		Skipped: func(path, reason string) { fmt.Fprintf(cmd.ErrOrStderr(), "skipped %s: %s\n", path, reason) },
	}, nil
}

// indexRun is one run over its sources.
type indexRun struct {
	builder  *index.Builder
	options  load.Options
	progress *progress
	stderr   io.Writer
	prune    bool
	visits   *visits // nil where none are kept
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
		if errors.Is(err, load.ErrUnchanged) {
			r.builder.Keep(doc.ID)
			r.result.Unchanged++
			continue
		}
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
		if r.visits != nil {
			delete(r.visits.seen, doc.ID)
		}
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
