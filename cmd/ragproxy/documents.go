package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/load"
	"github.com/ragproxy/ragproxy/proxy"
)

// documents is the engine as the API reads and changes it.
type documents struct {
	index.Engine
	load   load.Options
	visits string
	wait   time.Duration // for another run to end
	logger *slog.Logger
}

func newDocuments(cfg *config.Config, engine index.Engine, logger *slog.Logger) (documents, error) {
	options, err := fetchOptions(cfg)
	return documents{engine, options, visitsFolder(cfg), cfg.Limits.QueueTimeout, logger}, err
}

// writing is who may change documents: on an address that others reach, without
// keys, that has to be said outright.
func writing(cfg *config.Config) proxy.Writing {
	switch {
	case !cfg.Documents.Write:
		return proxy.WriteNever
	case cfg.Source("documents.write") != "default":
		return proxy.WriteOpen
	}
	return proxy.WriteGuarded
}

// Extensions implements [proxy.Documents].
func (d documents) Extensions() []string { return load.Extensions() }

// DeleteDocument implements [proxy.Documents].
func (d documents) DeleteDocument(ctx context.Context, collection, id string) (m index.Manifest, err error) {
	err = patiently(ctx, d.wait, func() (err error) {
		m, err = d.Engine.DeleteDocument(ctx, collection, id)
		return err
	})
	return m, err
}

// Ingest implements [proxy.Documents].
func (d documents) Ingest(ctx context.Context, in proxy.Ingest, on func(proxy.IngestProgress)) (proxy.Ingested, error) {
	told := &ingestTeller{on: on, logger: d.logger, ids: []string{}, failures: []proxy.IngestFailure{}}
	run := ingestion{
		engine: d.Engine, build: index.BuildOptions{Collection: in.Collection}, load: d.load,
		sources: uploaded(in), wait: d.wait, visits: d.visits, watcher: told,
	}
	run.load.Classes, run.load.Select = in.Classes, in.Select
	r, err := run.run(ctx)
	if err != nil {
		return proxy.Ingested{}, fmt.Errorf("index documents: %w", err)
	}
	if told.more > 0 {
		told.failures = append(told.failures, proxy.IngestFailure{Error: fmt.Sprintf("%d more failed", told.more)})
	}
	return proxy.Ingested{
		Documents: r.Documents, Chunks: r.Chunks, Added: r.Added, Updated: r.Updated, Deleted: r.Deleted, Unchanged: r.Unchanged,
		Failed: told.failures, Generation: r.Generation, IDs: told.ids,
	}, nil
}

// uploaded are the sources of what a client handed in.
func uploaded(in proxy.Ingest) []source {
	if in.URL != "" {
		return typedSources([]string{in.URL})
	}
	var out []source
	for _, f := range in.Files {
		out = append(out, source{
			name: f.Name,
			key:  "upload:" + f.Name,
			open: func(o load.Options) (load.Loader, error) {
				return load.OpenNamed(f.Name, func() (io.ReadCloser, error) { return os.Open(f.Path) }, o)
			},
		})
	}
	return out
}

// What is told of a run stays so small that the event fits into a frame.
const (
	idBytes      = 32 << 10
	failureBytes = 16 << 10
	failureMost  = 1 << 10 // of one
)

// ingestTeller gathers what the client is told.
type ingestTeller struct {
	on     func(proxy.IngestProgress)
	logger *slog.Logger

	at                   proxy.IngestProgress
	ids                  []string
	failures             []proxy.IngestFailure
	idsTaken, failsTaken int
	more                 int // failures that are not told
}

func (t *ingestTeller) tell(stage string) {
	t.at.Stage, t.at.Total = stage, t.at.Chunks
	t.on(t.at)
}

func (t *ingestTeller) begun() { t.tell(proxy.StageLoad) }

func (t *ingestTeller) loaded(id string, chunks int) {
	t.at.Documents, t.at.Chunks = t.at.Documents+1, chunks
	if t.idsTaken += len(id); t.idsTaken <= idBytes {
		t.ids = append(t.ids, id)
	}
	t.tell(proxy.StageLoad)
}

func (t *ingestTeller) embedded(chunks, of int) {
	t.at.Done, t.at.Chunks = chunks, of
	t.tell(proxy.StageEmbed)
}

func (t *ingestTeller) committing() { t.tell(proxy.StageCommit) }

func (t *ingestTeller) failed(source, id string, err error) {
	text := err.Error()
	if len(text) > failureMost {
		text = strings.ToValidUTF8(text[:failureMost], "") + "…"
	}
	if t.failsTaken += len(source) + len(text); t.failsTaken > failureBytes {
		t.more++
		return
	}
	t.failures = append(t.failures, proxy.IngestFailure{Source: source, Error: text})
}

func (t *ingestTeller) warned(err error) { t.logger.Warn("indexing through the API", "error", err) }
