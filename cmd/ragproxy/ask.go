package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/proxy"
	"github.com/ragproxy/ragproxy/proxy/access"
)

func newAsk() *cobra.Command {
	var collection string
	cmd := &cobra.Command{
		Use:   "ask QUESTION",
		Short: "Ask a question in the terminal: the whole pipeline, streamed",
		Example: `  ragproxy ask "What is task decomposition?"
  ragproxy ask --collection docs "How do I retry?"`,
		Args: oneText("QUESTION"),
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
	tellUpstream(cmd, cfg)
	out, whole := cmd.OutOrStdout(), true
	l, err := listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	keys, secret := access.Temporary("ask") // nobody else on this machine is served meanwhile
	return withServer(cmd.Context(), cfg, idx, l, keys, func(base string) error {
		c := client{base: base + "/v1", model: cfg.Upstream.Model, key: secret}
		r, err := c.chat(cmd.Context(), []chatMessage{{"user", question}}, collection, watcher{
			retrieved: func(*reply) {},
			degraded:  func(what string) { whole = false; fmt.Fprintln(cmd.ErrOrStderr(), "warning:", what) },
			delta:     func(s string) { fmt.Fprint(out, s) },
		})
		if err != nil {
			return err
		}
		fmt.Fprint(out, "\n\n")
		if len(r.sources) == 0 && whole {
			fmt.Fprintln(cmd.ErrOrStderr(), "no sources were found: `ragproxy index SOURCE` adds some")
		}
		return printSources(out, r.sources)
	})
}

// withServer runs work against a proxy of its own on l, which it closes. keys
// may be nil.
func withServer(ctx context.Context, cfg *config.Config, idx *index.Index, l net.Listener, keys *access.Store, work func(base string) error) error {
	defer l.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	builtinURL, stopBuiltin, err := startBuiltin(cfg)
	if err != nil {
		return err
	}
	defer stopBuiltin()
	opts, err := serverOptions(cfg, idx, builtinURL, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	opts.Keys, opts.Web.Loopback = keys, isLoopback(l.Addr())
	server := proxy.New(opts)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	workErr := work("http://" + reachable(l.Addr().String()))
	stop()
	if err := <-ended; workErr == nil {
		workErr = err
	}
	return workErr
}
