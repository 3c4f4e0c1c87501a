package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
)

// A finding is one line of the doctor, and its form with --json.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok, warn or fail
	Text   string `json:"text"`
	Hint   string `json:"hint"` // what to do; "" where nothing is
	MS     int64  `json:"ms"`
}

const (
	statusOK   = "ok"
	statusWarn = "warn"
	statusFail = "fail"
)

func ok(format string, args ...any) finding {
	return finding{Status: statusOK, Text: fmt.Sprintf(format, args...)}
}

func warn(hint, format string, args ...any) finding {
	return finding{Status: statusWarn, Hint: hint, Text: fmt.Sprintf(format, args...)}
}

func fail(hint, format string, args ...any) finding {
	return finding{Status: statusFail, Hint: hint, Text: fmt.Sprintf(format, args...)}
}

// A check looks at one part, which the configuration names, for no longer than
// ctx.
type check struct {
	name string
	run  func(ctx context.Context, cfg *config.Config) []finding
}

// checks is the table of what the doctor looks at.
func checks() []check {
	return []check{
		{"data_dir", one(checkDataDir)},
		{"engine", one(checkEngine)},
		{"collections", checkCollections},
		{"embedder", one(checkEmbedder)},
		{"upstream", one(checkUpstream)},
		{"rewrite", one(checkRewrite)},
		{"rerank", one(checkRerank)},
		{"keys", checkKeys},
		{"tls", one(checkTLS)},
		{"listen", one(checkListen)},
	}
}

func one(run func(context.Context, *config.Config) finding) func(context.Context, *config.Config) []finding {
	return func(ctx context.Context, cfg *config.Config) []finding { return []finding{run(ctx, cfg)} }
}

func newDoctor() *cobra.Command {
	var asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what is wrong, and say what to do",
		Long: `Look at the configuration, the data folder, the engine, each collection, the
embedder, the upstream, the model that rewrites, the re-ranker, the keys, the
certificate and the address to listen on. Each has a line: ok, warn or fail,
with a hint. The embedder and the re-ranker are asked once; an upstream is asked
for its models, and for one token where they do not tell. The exit code is 1 if
anything fails.

With --json a line is {"check","status","text","hint","ms"}.`,
		Example: `  ragproxy doctor
  ragproxy --config ragproxy.yaml doctor --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return usagef("--timeout: write a time above 0, not %s", timeout)
			}
			return doctor(cmd, timeout, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "how long one check may take")
	return cmd
}

func doctor(cmd *cobra.Command, timeout time.Duration, asJSON bool) error {
	cfg, first := checkConfig(cmd)
	p := examination{out: cmd.OutOrStdout(), style: newStyle(cmd.OutOrStdout()), json: asJSON, secrets: secrets(cfg)}
	if err := p.print(first); err != nil {
		return err
	}
	if cfg != nil {
		for _, pending := range start(cmd.Context(), cfg, timeout) {
			if err := p.print(<-pending); err != nil {
				return err
			}
		}
	}
	if p.failed {
		return errReported
	}
	return nil
}

// checkConfig gives no configuration where it cannot be read.
func checkConfig(cmd *cobra.Command) (*config.Config, []finding) {
	cfg, warnings, err := readConfig(cmd, nil, false)
	var out []finding
	for _, w := range warnings {
		out = append(out, named("config", 0, warn("", "%s", w))...)
	}
	if err != nil {
		hint := "correct it; `ragproxy config` prints what is in force"
		return nil, append(out, named("config", 0, fail(hint, "%s", strings.NewReplacer(":\n", ": ", "\n", "; ").Replace(err.Error())))...)
	}
	if len(out) > 0 {
		return cfg, out
	}
	where := cfg.File()
	if where == "" {
		where = "no file: defaults, .env and variables"
	}
	return cfg, named("config", 0, ok("%s", where))
}

func named(check string, took time.Duration, found ...finding) []finding {
	for i := range found {
		if found[i].Check == "" {
			found[i].Check = check
		}
		found[i].MS = took.Milliseconds()
	}
	return found
}

// start runs all checks side by side; what they found comes in their order.
func start(ctx context.Context, cfg *config.Config, timeout time.Duration) []chan []finding {
	var all []chan []finding
	for _, c := range checks() {
		done := make(chan []finding, 1)
		all = append(all, done)
		go func() { done <- bounded(ctx, c, cfg, timeout) }()
	}
	return all
}

// moment is what a check that heeds its context has to say why.
const moment = time.Second

// bounded waits no longer than timeout, and a moment for what a check
// says then. One that hangs on a dead disk is left behind.
func bounded(ctx context.Context, c check, cfg *config.Config, timeout time.Duration) []finding {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	begin := time.Now()
	done := make(chan []finding, 1)
	go func() { done <- c.run(ctx, cfg) }()
	late := time.NewTimer(timeout + moment)
	defer late.Stop()
	select {
	case found := <-done:
		return named(c.name, time.Since(begin), found...)
	case <-late.C:
		return named(c.name, time.Since(begin), fail("look at what it waits for, or give it more with --timeout", "no answer in %s", timeout))
	}
}

// examination prints findings, and never a secret.
type examination struct {
	out     io.Writer
	style   style
	json    bool
	secrets []string
	failed  bool
}

func (e *examination) print(found []finding) error {
	for _, f := range found {
		e.failed = e.failed || f.Status == statusFail
		f.Text, f.Hint = e.scrub(f.Text), e.scrub(f.Hint)
		if err := e.line(f); err != nil {
			return err
		}
	}
	return nil
}

func (e *examination) line(f finding) error {
	if e.json {
		enc := json.NewEncoder(e.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(f)
	}
	mark := e.style.green("ok  ")
	switch f.Status {
	case statusWarn:
		mark = e.style.yellow("warn")
	case statusFail:
		mark = e.style.red("fail")
	}
	line := fmt.Sprintf("%s  %s: %s", mark, f.Check, oneLine(f.Text))
	if f.Hint != "" {
		line += e.style.dim(" -> " + oneLine(f.Hint))
	}
	_, err := fmt.Fprintln(e.out, line)
	return err
}

func (e *examination) scrub(text string) string {
	for _, secret := range e.secrets {
		text = strings.ReplaceAll(text, secret, "…")
	}
	return text
}

// secrets are those of a configuration that an error might repeat.
func secrets(cfg *config.Config) []string {
	if cfg == nil {
		return nil // what Load says of a configuration repeats none
	}
	all := []string{cfg.Upstream.APIKey, cfg.EmbeddingKey(), cfg.RewriteKey(), cfg.RerankKey()}
	if u, err := url.Parse(cfg.Upstream.ProxyURL); err == nil && u.User != nil {
		password, _ := u.User.Password()
		all = append(all, u.User.String(), password)
	}
	all = append(all, config.URLPassword(cfg.Engine.URL))
	if password, err := url.PathUnescape(config.URLPassword(cfg.Engine.URL)); err == nil {
		all = append(all, password)
	}
	var out []string
	for _, secret := range all {
		if len(secret) >= 4 { // a shorter one would tear words apart
			out = append(out, secret)
		}
	}
	return out
}

// cause is an error in few words, a timeout in plain ones.
func cause(ctx context.Context, err error) string {
	if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return "no answer in time"
	}
	return err.Error()
}
