package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/load"
	"github.com/ragproxy/ragproxy/index/split"
)

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

// source is one SOURCE of a run.
type source struct {
	name string // for messages, without a password
	key  string // what its documents are recorded under
	open func(load.Options) (load.Loader, error)
}

// typedSources are those that a user wrote.
func typedSources(args []string) []source {
	var out []source
	for _, arg := range args {
		out = append(out, source{shown(arg), sourceKey(arg), func(o load.Options) (load.Loader, error) { return load.Open(arg, o) }})
	}
	return out
}

// runWatcher is told how a run goes, in order, by the goroutine of the run.
type runWatcher interface {
	begun()                              // nobody else writes the collection now
	loaded(id string, chunks int)        // a document; the new ones have so many chunks so far
	embedded(chunks, of int)             // so many of them
	committing()                         // all is embedded
	failed(source, id string, err error) // a document, or, without an id, a source
	warned(error)                        // nothing is lost
}

// ingestion is the one way from sources into a collection: load, split, embed,
// commit. Nothing is seen of it before the end, and all at once then.
type ingestion struct {
	engine  index.Engine
	build   index.BuildOptions
	load    load.Options
	sources []source
	prune   bool          // drop what the sources no longer have
	whole   bool          // publish nothing if a document fails: errNotWhole
	wait    time.Duration // for another run to end
	visits  string        // the folder of what is remembered of pages; "" remembers nothing
	watcher runWatcher

	builder index.Run
	pages   *visits // nil where none are kept
	result  indexResult
}

var errNotWhole = errors.New("documents failed")

// run does it all. Documents that fail are told to the watcher and counted; the
// error is for what ended the run, and then the collection is as it was.
func (in *ingestion) run(ctx context.Context) (indexResult, error) {
	in.build.Embedded = func(n int) { in.watcher.embedded(n, in.builder.Chunks()) }
	err := patiently(ctx, in.wait, func() (err error) {
		in.builder, err = in.engine.Begin(ctx, in.build)
		return err
	})
	if err != nil {
		return in.result, err
	}
	defer in.builder.Abort()
	in.watcher.begun()
	in.remember()
	if err := in.loadAll(ctx); err != nil {
		return in.result, err
	}
	if in.whole && in.result.Failed > 0 {
		return in.result, errNotWhole
	}
	if err := in.builder.Flush(ctx); err != nil {
		return in.result, err
	}
	in.watcher.committing()
	manifest, err := in.builder.Commit(ctx)
	if err != nil {
		return in.result, err
	}
	if in.pages != nil && !in.build.DryRun {
		if err := in.pages.save(); err != nil { // the next run fetches them again
			in.watcher.warned(err)
		}
	}
	in.result.Documents, in.result.Chunks, in.result.Generation = manifest.Documents, manifest.Chunks, manifest.Generation
	return in.result, nil
}

// remember lets the loaders ask servers for pages only if they changed.
func (in *ingestion) remember() {
	if in.visits == "" {
		return
	}
	in.pages = openVisits(in.visits, in.build.Collection, fmt.Sprintf("%s %q %q", in.engine.SplitterName(), in.load.Classes, in.load.Select))
	in.load.Known = func(id string) load.Visit {
		if !in.builder.Has(id) {
			return load.Visit{}
		}
		return in.pages.Pages[id]
	}
	in.load.Visited = func(id string, v load.Visit) { in.pages.seen[id] = v }
}

// loadAll loads every source, one given twice only once, and then prunes: a
// document may have moved from one source to a later one.
func (in *ingestion) loadAll(ctx context.Context) error {
	whole := map[string]bool{} // by key: nothing of it failed
	var keys []string
	for _, source := range in.sources {
		if slices.Contains(keys, source.key) {
			continue
		}
		keys = append(keys, source.key)
		before := in.result.Failed
		if err := in.loadSource(ctx, source); err != nil {
			return err
		}
		whole[source.key] = in.result.Failed == before
	}
	for _, key := range keys {
		if in.prune && whole[key] {
			in.result.Deleted += in.builder.Prune(key)
		}
	}
	return nil
}

// loadSource tells and counts failures; the error ends the run.
func (in *ingestion) loadSource(ctx context.Context, s source) error {
	loader, err := s.open(in.load)
	if err != nil {
		in.fail(s.name, "", err)
		return nil
	}
	for doc, err := range loader.Load(ctx) {
		if errors.Is(err, load.ErrUnchanged) {
			in.builder.Keep(doc.ID)
			in.result.Unchanged++
			in.watcher.loaded(doc.ID, in.builder.Chunks())
			continue
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			in.fail(s.name, doc.ID, err)
			in.builder.Keep(doc.ID)
			continue
		}
		if err := in.add(ctx, s, doc); err != nil {
			return err
		}
	}
	return nil
}

func (in *ingestion) add(ctx context.Context, s source, doc index.Document) error {
	change, err := in.builder.Add(ctx, s.key, doc)
	var bad *index.DocumentError
	switch {
	case errors.As(err, &bad):
		in.fail(s.name, doc.ID, bad)
		if in.pages != nil {
			delete(in.pages.seen, doc.ID)
		}
		return nil
	case err != nil:
		return err
	case change == index.Added:
		in.result.Added++
	case change == index.Updated:
		in.result.Updated++
	default:
		in.result.Unchanged++
	}
	in.watcher.loaded(doc.ID, in.builder.Chunks())
	return nil
}

func (in *ingestion) fail(source, id string, err error) {
	in.result.Failed++
	in.watcher.failed(source, id, err)
}

// failure names a source, its document where that says more, and the reason.
func failure(source, id string, err error) string {
	if id == "" || id == source || strings.Contains(err.Error(), source) {
		return fmt.Sprintf("%s: %v", source, err)
	}
	return fmt.Sprintf("%s: %s: %v", source, id, err)
}

// patiently tries again while another run writes the collection.
func patiently(ctx context.Context, wait time.Duration, try func() error) error {
	until := time.Now().Add(wait)
	for {
		err := try()
		if !errors.Is(err, index.ErrBusy) || !time.Now().Before(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// fetchOptions are what the configuration says of loading.
func fetchOptions(cfg *config.Config) (load.Options, error) {
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
		Delay: cfg.Load.Delay, AllowPrivate: cfg.Load.AllowPrivate, AllowAddresses: cfg.Load.AllowAddresses, Headers: headers,
		Timeout: cfg.Load.Timeout, ParseTimeout: cfg.Load.ParseTimeout, MaxBytes: int64(cfg.Load.MaxBytes), KeepHidden: cfg.Load.KeepHidden,
	}, nil
}

// The sizes of chunks where nobody says otherwise.
const (
	chunkSize    = 1000
	chunkOverlap = 200
)

func defaultSplitter() (index.Splitter, error) {
	return split.NewRecursive(split.Options{Size: chunkSize, Overlap: chunkOverlap})
}
