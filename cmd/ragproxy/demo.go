package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/load"
	"github.com/ragproxy/ragproxy/testdata"
)

func newDemo() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: no key, no network, no set-up",
		Long: `Index the shipped sample into a temporary folder, start the server on the
builtin upstream, and ask it a question and a follow-up through its own HTTP
API. Then keep serving, so that you can point a client at it.`,
		Example: `  ragproxy demo
  ragproxy demo --once`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return demo(cmd, once) },
	}
	cmd.Flags().BoolVar(&once, "once", false, "take a free port, ask, and exit")
	cmd.Flags().String("listen", "", "`ADDRESS` to serve on, host:port (default 127.0.0.1:8080)")
	return cmd
}

func demo(cmd *cobra.Command, once bool) error {
	dir, err := os.MkdirTemp("", "ragproxy-demo-")
	if err != nil {
		return fmt.Errorf("make temporary folder: %w", err)
	}
	defer os.RemoveAll(dir)
	cfg, err := loadConfig(cmd, map[string]string{
		"data_dir": filepath.Join(dir, "data"), "engine.kind": config.LocalEngine, "engine.url": "", "upstream.base_url": config.Builtin, "rewrite.base_url": config.Builtin,
		"embedding.provider": "minilm", "rewrite.mode": "auto", "stream.dialect": "rag",
		"observability.explain": "100", // the playground asks for it
	}, true)
	if err != nil {
		return err
	}
	if once {
		cfg.Listen = "127.0.0.1:0"
	}
	l, err := listen(cfg.Listen) // an address that is taken is told before the work
	if err != nil {
		return err
	}
	defer l.Close()
	if err := mayListen(cfg, nil, l.Addr()); err != nil {
		return err
	}
	splitter, err := defaultSplitter()
	if err != nil {
		return err
	}
	engine, err := openEngine(cfg, splitter)
	if err != nil {
		return err
	}
	defer engine.Close()
	out := cmd.OutOrStdout()
	if err := indexSample(cmd, engine, dir); err != nil {
		return err
	}
	fmt.Fprintln(out, "The builtin upstream answers: it picks sentences and is no language model.")
	return withServer(cmd.Context(), cfg, engine, l, nil, func(base string) error {
		if err := demoTurns(cmd, base); err != nil || once {
			return err
		}
		fmt.Fprintf(out, "\nbase URL:   %s/v1   (point any OpenAI SDK at it; Ctrl-C ends)\nplayground: %s/\n", base, base)
		<-cmd.Context().Done()
		return nil
	})
}

// indexSample indexes the shipped sample as a user would index a folder.
func indexSample(cmd *cobra.Command, engine index.Engine, dir string) error {
	sample, err := fs.Sub(testdata.Sample, "sample")
	if err != nil {
		return err
	}
	folder := filepath.Join(dir, "sample")
	if err := os.CopyFS(folder, sample); err != nil {
		return fmt.Errorf("unpack sample: %w", err)
	}
	run, err := engine.Begin(cmd.Context(), index.BuildOptions{Collection: defaultCollection})
	if err != nil {
		return err
	}
	defer run.Abort()
	loader, err := load.Open(folder, load.Options{Classes: []string{"post-title", "post-header", "post-content"}})
	if err != nil {
		return err
	}
	for doc, err := range loader.Load(cmd.Context()) {
		if err != nil {
			return fmt.Errorf("load sample: %w", err)
		}
		if doc.URL != "" {
			if rel, err := filepath.Rel(dir, doc.URL); err == nil {
				doc.URL = filepath.ToSlash(rel) // the folder is gone when the demo is
			}
		}
		if _, err := run.Add(cmd.Context(), "sample", doc); err != nil {
			return fmt.Errorf("index sample: %w", err)
		}
	}
	m, err := run.Commit(cmd.Context())
	if err != nil {
		return fmt.Errorf("index sample: %w", err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "Indexed the sample: %d documents, %d chunks.\n", m.Documents, m.Chunks)
	return err
}

// demoQuestions are the origin's: the second one has to be rewritten.
func demoQuestions() []string {
	return []string{"What is Task Decomposition?", "What are some common ways of doing it?"}
}

// demoTurns asks them.
func demoTurns(cmd *cobra.Command, base string) error {
	out := cmd.OutOrStdout()
	c := client{base: base + "/v1", model: "demo"}
	var messages []chatMessage
	for _, question := range demoQuestions() {
		messages = append(messages, chatMessage{"user", question})
		fmt.Fprintf(out, "\nquestion: %s\n", question)
		r, err := c.chat(cmd.Context(), messages, "", demoWatcher(out))
		if err != nil {
			return err
		}
		fmt.Fprintln(out)
		messages = append(messages, chatMessage{"assistant", r.answer})
	}
	return nil
}

func demoWatcher(out io.Writer) watcher {
	return watcher{
		retrieved: func(r *reply) {
			fmt.Fprintf(out, "query: %s\n", r.query)
			_ = printSources(out, r.sources) // a closed terminal ends the demo with the next line
			fmt.Fprint(out, "answer: ")
		},
		degraded: func(what string) { fmt.Fprintf(out, "degraded: %s\n", what) },
		delta:    func(s string) { fmt.Fprint(out, s) },
	}
}
