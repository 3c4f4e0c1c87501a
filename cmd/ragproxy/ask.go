package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
)

func newAsk() *cobra.Command {
	var collection string
	cmd := &cobra.Command{
		Use:   "ask QUESTION",
		Short: "Ask a question in the terminal: the whole pipeline, streamed",
		Example: `  ragproxy ask "What is task decomposition?"
  ragproxy ask --collection docs "How do I retry?"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return ask(cmd, args[0], collection) },
	}
	cmd.Flags().StringVar(&collection, "collection", "", "`NAME` of the collection (default \"default\")")
	return cmd
}

func ask(cmd *cobra.Command, question, collection string) error {
	cfg, err := loadConfig(cmd, nil, false)
	if err != nil {
		return err
	}
	idx, err := openIndex(cfg, nil)
	if err != nil {
		return err
	}
	defer idx.Close()
	if cfg.Upstream.BaseURL == config.Builtin {
		tellUpstream(cmd, cfg)
	}
	out := cmd.OutOrStdout()
	return withServer(cmd.Context(), cfg, idx, "127.0.0.1:0", func(base string) error {
		c := client{base: base + "/v1", model: cfg.Upstream.Model}
		r, err := c.chat(cmd.Context(), []chatMessage{{"user", question}}, collection, watcher{
			retrieved: func(*reply) {},
			degraded:  func(what string) { fmt.Fprintln(cmd.ErrOrStderr(), "warning:", what) },
			delta:     func(s string) { fmt.Fprint(out, s) },
		})
		if err != nil {
			return err
		}
		fmt.Fprint(out, "\n\n")
		return printSources(out, r.sources)
	})
}

// withServer runs work against a proxy of its own that listens on address.
func withServer(ctx context.Context, cfg *config.Config, idx *index.Index, address string, work func(base string) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	upstream, err := startUpstream(ctx, cfg)
	if err != nil {
		return err
	}
	server, err := newServer(cfg, idx, upstream, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w: choose another address with --listen", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	workErr := work("http://" + l.Addr().String())
	stop()
	if err := <-ended; workErr == nil {
		workErr = err
	}
	return workErr
}
