package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/opensearch"
	"github.com/ragproxy/ragproxy/index/postgres"
	"github.com/ragproxy/ragproxy/index/vector"
)

// openEngine opens the engine of a configuration. splitter may be nil where
// nothing is built.
func openEngine(cfg *config.Config, splitter index.Splitter) (index.Engine, error) {
	embedder, err := newEmbedder(cfg)
	if err != nil {
		return nil, fmt.Errorf("embedding: %w", err)
	}
	return openEngineWith(cfg, newTracedEmbedder(cfg, embedder), splitter)
}

// openEngineWith is the table of engines. None of them dials before it is
// needed: one that is down is told by what needs it.
func openEngineWith(cfg *config.Config, embedder index.Embedder, splitter index.Splitter) (index.Engine, error) {
	switch cfg.Engine.Kind {
	case config.PostgresEngine:
		x, err := postgres.Open(postgres.Options{URL: cfg.Engine.URL, Embedder: embedder, Splitter: splitter})
		if err != nil {
			return nil, fmt.Errorf("engine.url: %w", err) // a nil *Engine in an Engine would not be nil
		}
		return x, nil
	case config.OpenSearchEngine:
		x, err := opensearch.Open(opensearch.Options{
			URL: cfg.Engine.URL, Shards: cfg.Engine.Shards, Replicas: cfg.Engine.Replicas, Embedder: embedder, Splitter: splitter,
		})
		if err != nil {
			return nil, fmt.Errorf("engine.url: %w", err)
		}
		return x, nil
	case config.LocalEngine:
		opts, err := localOptions(cfg, embedder, splitter)
		if err != nil {
			return nil, err
		}
		return index.Open(opts), nil
	}
	return nil, fmt.Errorf("engine.kind: no engine %q", cfg.Engine.Kind) // which the configuration has refused
}

func localOptions(cfg *config.Config, embedder index.Embedder, splitter index.Splitter) (index.Options, error) {
	none := index.Options{}
	engine, err := vector.New(cfg.Index.Vector)
	if err != nil {
		return none, err
	}
	keyword, err := lexical.New(lexical.Options{})
	if err != nil {
		return none, err
	}
	logger, err := newLogger(cfg, os.Stderr)
	if err != nil {
		return none, err
	}
	return index.Options{
		Damaged: func(collection string, err error) {
			logger.Warn("index damaged", "collection", collection, "error", err)
		},
		Dir: cfg.DataDir, Embedder: embedder, Splitter: splitter,
		Vector: engine, VectorByName: vector.New, Keyword: keyword,
		KeywordByName: func(name string) (index.KeywordEngine, error) { return lexical.ByName(name, lexical.Options{}) },
	}, nil
}

// openExisting opens the engine for commands that split nothing.
func openExisting(cmd *cobra.Command) (index.Engine, error) {
	cfg, err := loadConfig(cmd, nil, false)
	if err != nil {
		return nil, err
	}
	return openEngine(cfg, nil)
}

// openLocal is openExisting for commands about an index's files; instead says
// what there is where the engine has none.
func openLocal(cmd *cobra.Command, instead string) (*index.Index, error) {
	cfg, err := loadConfig(cmd, nil, false)
	if err != nil {
		return nil, err
	}
	x, err := openEngine(cfg, nil)
	if err != nil {
		return nil, err
	}
	if local, ok := x.(*index.Index); ok {
		return local, nil
	}
	x.Close()
	return nil, fmt.Errorf("%s is for engine.kind %s, and it is %s: %s", cmd.Name(), config.LocalEngine, cfg.Engine.Kind, instead)
}

// visitsFolder is where is remembered what servers said of pages, so that one
// that did not change is not fetched again. Nothing is where others index into
// the same engine: they may have seen a page since, as it is not any more.
func visitsFolder(cfg *config.Config) string {
	if cfg.Engine.Kind != config.LocalEngine {
		return ""
	}
	return filepath.Join(cfg.DataDir, "visits")
}

// checkWithin is how long an engine may take to say that it is there, and
// readyFor how long that then goes without asking.
const (
	checkWithin = 2 * time.Second
	readyFor    = time.Second
)

// engineReady is nil for an engine that is always there.
func engineReady(x index.Engine) func(context.Context) error {
	server, ok := x.(index.Server)
	if !ok {
		return nil
	}
	var checked atomic.Int64 // when it last was there
	return func(ctx context.Context) error {
		if time.Since(time.Unix(0, checked.Load())) < readyFor { // whoever asks for this needs no key
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, checkWithin)
		defer cancel()
		_, err := server.Check(ctx)
		if err == nil {
			checked.Store(time.Now().UnixNano())
		}
		return err
	}
}
