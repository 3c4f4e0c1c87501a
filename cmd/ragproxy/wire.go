package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/embed"
	"github.com/ragproxy/ragproxy/index/embed/minilm"
	"github.com/ragproxy/ragproxy/internal/breaker"
	"github.com/ragproxy/ragproxy/proxy"
	"github.com/ragproxy/ragproxy/proxy/access"
	"github.com/ragproxy/ragproxy/proxy/builtin"
	"github.com/ragproxy/ragproxy/proxy/dialect"
	"github.com/ragproxy/ragproxy/retrieval"
	"github.com/ragproxy/ragproxy/retrieval/rerank"
)

// defaultCollection is what `index` fills and requests search when they name
// none.
const defaultCollection = "default"

// globalFlags are the flags of every command that are keys of the
// configuration.
func globalFlags() map[string]string {
	return map[string]string{"data-dir": "data_dir", "log-level": "log_level", "listen": "listen"}
}

// loadConfig reads the configuration of a command and tells its warnings.
// override wins over everything.
func loadConfig(cmd *cobra.Command, override map[string]string, ignoreOpenAI bool) (*config.Config, error) {
	cfg, warnings, err := readConfig(cmd, override, ignoreOpenAI)
	for _, w := range warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
	}
	return cfg, err
}

// anyFlag says whether the command line is at fault.
func anyFlag(problems []config.Problem, flags map[string]string) bool {
	return slices.ContainsFunc(problems, func(p config.Problem) bool { _, ok := flags[p.Key]; return ok })
}

func newLogger(cfg *config.Config, w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return nil, fmt.Errorf("log_level: %w", err)
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})), nil
}

func newEmbedder(cfg *config.Config) (index.Embedder, error) {
	if cfg.Embedding.Provider == "minilm" {
		return minilm.New(minilm.Options{})
	}
	logger, err := newLogger(cfg, os.Stderr)
	if err != nil {
		return nil, err
	}
	client, err := sameOriginClient(cfg, cfg.Embedding.BaseURL)
	if err != nil {
		return nil, err
	}
	return embed.NewOpenAI(embed.OpenAIOptions{
		HTTPClient: client,
		Logger:     logger,
		Breaker:    newBreaker(cfg, "embedding.base_url "+cfg.Embedding.BaseURL, logger),
		BaseURL:    cfg.Embedding.BaseURL, APIKey: cfg.EmbeddingKey(), Model: cfg.Embedding.Model,
		Dimensions: cfg.Embedding.Dimensions, BatchSize: cfg.Embedding.BatchSize,
	})
}

// sameOriginClient reaches what is at the upstream's origin as the upstream is
// reached; nil lets others have a client of their own.
func sameOriginClient(cfg *config.Config, baseURL string) (*http.Client, error) {
	if !config.SameOrigin(baseURL, cfg.Upstream.BaseURL) || cfg.Upstream.CAFile == "" && cfg.Upstream.ProxyURL == "" {
		return nil, nil
	}
	return newUpstreamClient(cfg, "")
}

func newRetriever(cfg *config.Config, searcher retrieval.Searcher, tokens *retrieval.TokenCounter) (*retrieval.Retriever, error) {
	prompts, err := retrieval.LoadPrompts(cfg.Prompt.AnswerFile, cfg.Prompt.RewriteFile)
	if err != nil {
		return nil, err
	}
	reranker, err := newReranker(cfg)
	if err != nil {
		return nil, err
	}
	return retrieval.New(retrieval.Options{
		Searcher: searcher, Prompts: prompts, Collection: defaultCollection,
		TopK: cfg.Retrieval.TopK, Depth: cfg.Retrieval.Depth, VectorWeight: cfg.Retrieval.VectorWeight,
		Fusion: cfg.Retrieval.Fusion, MinScore: cfg.Retrieval.MinScore,
		Deadline: cfg.Retrieval.Deadline, MaxContextTokens: cfg.Retrieval.MaxContextTokens, Tokens: tokens,
		Rewrite:  retrieval.RewriteOptions{Mode: cfg.Rewrite.Mode, MaxTurns: cfg.Rewrite.MaxTurns, Deadline: cfg.Rewrite.Deadline, History: cfg.Rewrite.History},
		Rerank:   retrieval.RerankOptions{Reranker: reranker, Depth: cfg.Rerank.Depth, Deadline: cfg.Rerank.Deadline},
		Policies: policies(cfg.Degrade),
	}), nil
}

func policies(d config.Degrade) retrieval.Policies {
	out := retrieval.Policies{}
	for stage, policy := range d.Policies() {
		out[stage] = policy == config.Fail
	}
	return out
}

// newBreaker is nil where the configuration wants none.
func newBreaker(cfg *config.Config, name string, logger *slog.Logger) *breaker.Breaker {
	return breaker.New(breaker.Options{Name: name, Failures: cfg.Breaker.Failures, OpenFor: cfg.Breaker.OpenFor, Logger: logger})
}

// newReranker is nil where none is configured.
func newReranker(cfg *config.Config) (retrieval.Reranker, error) {
	if cfg.Rerank.Kind == "" {
		return nil, nil
	}
	client, err := sameOriginClient(cfg, cfg.Rerank.BaseURL)
	if err != nil {
		return nil, err
	}
	return rerank.New(rerank.Options{
		HTTPClient: client, Kind: cfg.Rerank.Kind, BaseURL: cfg.Rerank.BaseURL, APIKey: cfg.RerankKey(), Model: cfg.Rerank.Model,
	})
}

// newServer makes the proxy over an engine. builtinURL is the base URL of the
// builtin upstream, for the calls that are to go there.
func newServer(cfg *config.Config, engine index.Engine, builtinURL string, logger *slog.Logger) (*proxy.Server, error) {
	opts, err := serverOptions(cfg, engine, builtinURL, logger)
	if err != nil {
		return nil, err
	}
	return proxy.New(opts), nil
}

// serverOptions are what the configuration says of the proxy; who may ask is
// not among it.
func serverOptions(cfg *config.Config, engine index.Engine, builtinURL string, logger *slog.Logger) (proxy.Options, error) {
	tokens := &retrieval.TokenCounter{}
	retriever, err := newRetriever(cfg, engine, tokens)
	if err != nil {
		return proxy.Options{}, err
	}
	client, err := newUpstreamClient(cfg, builtinURL)
	if err != nil {
		return proxy.Options{}, err
	}
	docs, err := newDocuments(cfg, engine, logger)
	if err != nil {
		return proxy.Options{}, err
	}
	opts := proxy.Options{
		Documents: docs, Writing: writing(cfg), EngineReady: engineReady(engine), EngineRequired: cfg.Degrade.Index == config.Fail,
		HTTPClient: client, Limits: limits(cfg.Limits),
		Web: proxy.Web{Origins: cfg.CORS.Origins, Hosts: cfg.Server.Hosts},
		Timeouts: proxy.Timeouts{
			Header: cfg.Limits.HeaderTimeout, Idle: cfg.Limits.IdleTimeout, Write: cfg.Limits.WriteTimeout,
			ShutdownDelay: cfg.Server.ShutdownDelay, Drain: cfg.Server.DrainTimeout,
		},
		MaxHeaderBytes: int(cfg.Limits.MaxHeaderBytes),
		Upstream:       proxy.Upstream{BaseURL: orBuiltin(cfg.Upstream.BaseURL, builtinURL), APIKey: cfg.Upstream.APIKey},
		RewriteModel:   cfg.Rewrite.Model,
		RewriteBreaker: newBreaker(cfg, "rewrite.base_url "+cfg.Rewrite.BaseURL, logger),
		Retriever:      retriever, Collections: engine.Collections, Collection: defaultCollection, TopK: cfg.Retrieval.TopK,
		MaxContextTokens: cfg.Retrieval.MaxContextTokens, Tokens: tokens,
		Placement: cfg.Prompt.Placement, Dialect: cfg.Stream.Dialect, Events: eventFilter(cfg.Stream.Events),
		Switches:   dialect.Switches{Markdown: cfg.Stream.Markdown, Reasoning: cfg.Stream.Reasoning},
		GuardLinks: cfg.Guard.Links,
		KeepAlive:  cfg.Stream.KeepAlive, MaxBodyBytes: int64(cfg.Limits.MaxBodyBytes),
		Aliases: aliases(cfg.Aliases), Observe: observe(cfg, engine),
		Logger: logger, Version: version(),
	}
	if cfg.Rewrite.BaseURL != cfg.Upstream.BaseURL || cfg.RewriteKey() != cfg.Upstream.APIKey {
		opts.Rewrite = proxy.Upstream{BaseURL: orBuiltin(cfg.Rewrite.BaseURL, builtinURL), APIKey: cfg.RewriteKey()}
		opts.RewriteForeign = !config.SameOrigin(cfg.Rewrite.BaseURL, cfg.Upstream.BaseURL)
	}
	return opts, nil
}

// newUpstreamClient reaches the upstream as the configuration says.
func newUpstreamClient(cfg *config.Config, builtinURL string) (*http.Client, error) {
	client, err := proxy.NewClient(proxy.ClientOptions{
		CAFile: cfg.Upstream.CAFile, ProxyURL: cfg.Upstream.ProxyURL, Direct: []string{hostPort(builtinURL)},
		ConnectTimeout: cfg.Upstream.ConnectTimeout, ResponseTimeout: cfg.Upstream.ResponseTimeout, IdleTimeout: cfg.Upstream.IdleTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	return client, nil
}

func hostPort(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

func limits(l config.Limits) proxy.Limits {
	return proxy.Limits{
		MaxMessages: l.MaxMessages, MaxParts: l.MaxParts, MaxDepth: l.MaxDepth, MaxTopK: l.MaxTopK, BodyTimeout: l.BodyTimeout,
		Concurrency: l.Concurrency, QueueTimeout: l.QueueTimeout,
		Client: access.Rates{RPM: l.RequestsPerMinute, TPM: l.TokensPerMinute, Concurrency: l.ConcurrencyPerKey},
	}
}

func orBuiltin(baseURL, builtinURL string) string {
	if baseURL == config.Builtin {
		return builtinURL
	}
	return baseURL
}

func aliases(in []config.Alias) []proxy.Alias {
	var out []proxy.Alias
	for _, a := range in {
		alias := proxy.Alias{
			Name: a.Name, Model: a.Model, Dialect: a.Dialect, Collection: a.Collection, Enabled: a.Enabled, TopK: a.TopK, Rewrite: a.Rewrite,
			Markdown: a.Markdown, Reasoning: a.Reasoning,
		}
		if len(a.Events) > 0 {
			filter := eventFilter(a.Events)
			alias.Events = &filter
		}
		out = append(out, alias)
	}
	return out
}

func eventFilter(events config.Events) dialect.Filter {
	switch {
	case len(events) == 0:
		return dialect.Filter{}
	case events[0] == "all":
		return dialect.Filter{All: true}
	case events[0] == "none":
		return dialect.Filter{None: true}
	default:
		return dialect.Filter{Events: events}
	}
}

// startBuiltin serves the builtin upstream, if the configuration has a use for
// it, on a loopback port of its own, so that it is reached as any upstream is.
// Call stop after the server's own end, whose last answers come from there.
func startBuiltin(cfg *config.Config) (baseURL string, stop func(), err error) {
	if cfg.Upstream.BaseURL != config.Builtin && cfg.Rewrite.BaseURL != config.Builtin {
		return "", func() {}, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("start builtin upstream: %w", err)
	}
	srv := &http.Server{Handler: builtin.New(builtin.Options{}), ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(l) // ends with the Close of stop
	return "http://" + l.Addr().String() + "/v1", func() { srv.Close() }, nil
}
