package main

import (
	"context"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/proxy"
	"github.com/ragproxy/ragproxy/proxy/access"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the OpenAI-compatible endpoint",
		Long: `Serve the endpoint until interrupted. Point an OpenAI SDK's base_url at
http://ADDRESS/v1. Without an upstream in the configuration OPENAI_BASE_URL or
OPENAI_API_KEY choose one; with neither the builtin extractive upstream answers.

Without keys only loopback is served; see ` + "`ragproxy keys`" + `. SIGHUP reads keys,
prompts, limits and certificates again; SIGTERM lets running requests end.`,
		Example: `  ragproxy serve
  ragproxy serve --listen 127.0.0.1:9000
  RAGPROXY_UPSTREAM_BASE_URL=http://127.0.0.1:11434/v1 ragproxy serve`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd) },
	}
	cmd.Flags().String("listen", "", "`ADDRESS` to serve on, host:port (default 127.0.0.1:8080)")
	return cmd
}

func serve(cmd *cobra.Command) error {
	cfg, err := loadConfig(cmd, nil, false)
	if err != nil {
		return err
	}
	stderr := cmd.ErrOrStderr()
	logger, err := newLogger(cfg, stderr)
	if err != nil {
		return err
	}
	traces, err := newTracing(cmd.Context(), cfg, logger)
	if err != nil {
		return err
	}
	defer traces.stop()
	splitter, err := defaultSplitter()
	if err != nil {
		return err
	}
	engine, err := openEngine(cfg, splitter)
	if err != nil {
		return err
	}
	defer engine.Close()
	builtinURL, stopBuiltin, err := startBuiltin(cfg)
	if err != nil {
		return err
	}
	defer stopBuiltin()
	opts, err := serverOptions(cfg, engine, builtinURL, logger)
	if err != nil {
		return err
	}
	if opts.Keys, err = access.Open(cfg.Auth.File); err != nil {
		return err
	}
	cert, err := newCertificate(cfg.TLS)
	if err != nil {
		return err
	}
	opts.TLS = cert.config()
	l, err := listen(cfg.Listen)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := mayListen(cfg, opts.Keys, l.Addr()); err != nil {
		return err
	}
	opts.Web.Loopback, opts.Observe.Traces = isLoopback(l.Addr()), traces.of()
	server := proxy.New(opts)
	stopMetrics, err := serveMetrics(cfg, server, stderr)
	if err != nil {
		return err
	}
	defer stopMetrics()
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	go opts.Keys.Watch(ctx, logger)
	go (&reloader{cmd: cmd, cfg: cfg, engine: engine, opts: opts, cert: cert, server: server}).run(ctx)
	tellUpstream(cmd, cfg)
	tellTraces(cfg, stderr)
	fmt.Fprintf(stderr, "listening on %s://%s\n", scheme(cfg), l.Addr())
	return server.Serve(ctx, l)
}

func scheme(cfg *config.Config) string {
	if cfg.TLS.CertFile != "" {
		return "https"
	}
	return "http"
}

// mayListen refuses to give the upstream to whoever reaches the address.
func mayListen(cfg *config.Config, keys *access.Store, address net.Addr) error {
	if isLoopback(address) || keys.Required() || cfg.Auth.OpenToEveryone {
		return nil
	}
	return fmt.Errorf("serve: %s can be reached from other machines, and no key is needed: make one with `ragproxy keys add NAME`, "+
		"listen on 127.0.0.1, or set auth.open_to_everyone: true", cfg.Listen)
}

func isLoopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve: %w: choose another address with --listen", err)
	}
	return l, nil
}

// tellUpstream says who answers, and that the builtin one is no model.
func tellUpstream(cmd *cobra.Command, cfg *config.Config) {
	if cfg.Upstream.BaseURL == config.Builtin {
		fmt.Fprintf(cmd.ErrOrStderr(), "upstream: builtin, which picks sentences and is no language model (%s)\n", cfg.UpstreamReason())
		return
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "upstream: %s (%s)\n", cfg.Upstream.BaseURL, cfg.UpstreamReason())
}
