package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the OpenAI-compatible endpoint",
		Long: `Serve the endpoint until interrupted. Point an OpenAI SDK's base_url at
http://ADDRESS/v1. Without an upstream in the configuration OPENAI_BASE_URL or
OPENAI_API_KEY choose one; with neither the builtin extractive upstream answers.`,
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
	idx, err := openIndex(cfg, nil)
	if err != nil {
		return err
	}
	defer idx.Close()
	builtinURL, stopBuiltin, err := startBuiltin(cfg)
	if err != nil {
		return err
	}
	defer stopBuiltin()
	server, err := newServer(cfg, idx, builtinURL, logger)
	if err != nil {
		return err
	}
	l, err := listen(cfg.Listen)
	if err != nil {
		return err
	}
	tellUpstream(cmd, cfg)
	fmt.Fprintf(stderr, "listening on http://%s\n", l.Addr())
	return server.Serve(cmd.Context(), l)
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
