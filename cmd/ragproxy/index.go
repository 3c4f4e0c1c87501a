package main

import (
	"context"
	"encoding/json"
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
	fs.IntVar(&f.size, "chunk-size", chunkSize, "characters of a chunk, at most")
	fs.IntVar(&f.overlap, "chunk-overlap", chunkOverlap, "characters that neighbouring chunks share, at most")
	fs.StringVar(&f.analyzer, "analyzer", "", "`NAME` of how words are found; the collection keeps it (default \"default\",\nwhich serves all scripts): "+strings.Join(lexical.Analyzers(), ", "))
	fs.BoolVar(&f.prune, "prune", false, "remove documents that these SOURCEs no longer have")
	fs.BoolVar(&f.reembed, "reembed", false, "embed the whole collection again, with the embedder of now; needs no SOURCE")
	fs.BoolVar(&f.watch, "watch", false, "go on and index what changes")
	fs.DurationVar(&f.every, "every", 10*time.Minute, "with --watch: how often URLs are asked whether they changed")
	fs.BoolVar(&f.dryRun, "dry-run", false, "say what would change and write nothing")
	fs.BoolVar(&f.asJSON, "json", false, "print the result as one JSON object")
	return cmd
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
	engine, err := openEngine(cfg, splitter)
	if err != nil {
		return err
	}
	defer engine.Close()
	if len(sources) == 0 {
		if err := engine.Exists(cmd.Context(), f.collection); err != nil {
			return fmt.Errorf("index --reembed: %w", err)
		}
	}
	run := func() error { return indexOnce(cmd, cfg, engine, sources, f) }
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
func indexOnce(cmd *cobra.Command, cfg *config.Config, engine index.Engine, args []string, f indexFlags) error {
	begin := time.Now()
	options, err := loadOptions(cmd, cfg, f)
	if err != nil {
		return err
	}
	told := &indexTeller{progress: newProgress(cmd.ErrOrStderr()), stderr: cmd.ErrOrStderr()}
	defer told.progress.end()
	told.progress.total = func() (int64, bool) { return sizeOf(cmd.Context(), args, options) }
	options.Read = told.progress.read
	in := ingestion{
		engine: engine, build: index.BuildOptions{Collection: f.collection, DryRun: f.dryRun, Reembed: f.reembed},
		load: options, sources: typedSources(args), prune: f.prune, visits: visitsFolder(cfg), watcher: told,
	}
	if f.analyzer != "" {
		if in.build.Keyword, err = lexical.New(lexical.Options{Analyzer: f.analyzer}); err != nil {
			return fmt.Errorf("--analyzer: %w", err)
		}
	}
	result, err := in.run(cmd.Context())
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	told.progress.end()
	if err := report(cmd.OutOrStdout(), result, f, time.Since(begin)); err != nil {
		return err
	}
	if result.Failed > 0 {
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

// indexTeller shows a run in the terminal.
type indexTeller struct {
	progress *progress
	stderr   io.Writer
}

func (t *indexTeller) begun()                 {}
func (t *indexTeller) loaded(string, int)     { t.progress.loaded() }
func (t *indexTeller) embedded(chunks, _ int) { t.progress.embedded(chunks) }
func (t *indexTeller) committing()            {}
func (t *indexTeller) warned(err error)       { fmt.Fprintln(t.stderr, "warning:", err) }
func (t *indexTeller) failed(in, id string, err error) {
	t.progress.clear()
	fmt.Fprintf(t.stderr, "failed %s\n", failure(in, id, err))
}

func loadOptions(cmd *cobra.Command, cfg *config.Config, f indexFlags) (load.Options, error) {
	options, err := fetchOptions(cfg)
	options.Classes, options.Select, options.Depth, options.MaxPages = f.classes, f.selector, f.depth, f.maxPages
	options.Stdin = cmd.InOrStdin()
	options.Skipped = func(path, reason string) { fmt.Fprintf(cmd.ErrOrStderr(), "skipped %s: %s\n", path, reason) }
	return options, err
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

func report(w io.Writer, x indexResult, f indexFlags, took time.Duration) error {
	if f.asJSON {
		return json.NewEncoder(w).Encode(x)
	}
	if f.dryRun {
		_, err := fmt.Fprintf(w, "would add %d, update %d and delete %d documents (%d unchanged, %d failed); nothing was written\n",
			x.Added, x.Updated, x.Deleted, x.Unchanged, x.Failed)
		return err
	}
	_, err := fmt.Fprintf(w, "collection %s: %d documents, %d chunks (%d added, %d updated, %d deleted, %d unchanged, %d failed) in %.1fs\n",
		f.collection, x.Documents, x.Chunks, x.Added, x.Updated, x.Deleted, x.Unchanged, x.Failed, took.Seconds())
	return err
}
