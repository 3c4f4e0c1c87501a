package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/proxy"
	"github.com/ragproxy/ragproxy/proxy/access"
)

// keyVariable holds the key for --server, where it is in no list of processes.
const keyVariable = "RAGPROXY_KEY"

// converseFlags are the flags of the commands that ask questions.
type converseFlags struct {
	collection, rewrite, filter string
	model, server, key          string
	topK                        int
}

func (f *converseFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.collection, "collection", "", "`NAME` of the collection (default \"default\")")
	fs.IntVarP(&f.topK, "top-k", "k", 0, "how many passages (default 4, or retrieval.top_k)")
	fs.StringVar(&f.rewrite, "rewrite", "", "`MODE`: auto (where there is a history), always or never (default auto, or rewrite.mode)")
	addFilter(cmd, &f.filter)
	fs.StringVar(&f.model, "model", "", "`NAME` of the model (default upstream.model)")
	fs.StringVar(&f.server, "server", "", "`URL` of a running server to ask, such as http://127.0.0.1:8080")
	fs.StringVar(&f.key, "key", "", "`KEY` for that server (default $"+keyVariable+", which others on this machine do not see)")
}

// addFilter adds --filter to what searches.
func addFilter(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "filter", "", "`JSON` that a document's metadata must match, such as '{\"lang\": \"en\"}'")
}

func rewriteModes() []string { return []string{"auto", "always", "never"} }

// rag is what the flags ask for, as members of the request's rag.
func (f *converseFlags) rag(cmd *cobra.Command) (map[string]any, error) {
	rag := map[string]any{}
	given := cmd.Flags().Changed
	if given("top-k") {
		if f.topK < 1 {
			return nil, usagef("-k must be at least 1, got %d", f.topK)
		}
		rag["top_k"] = f.topK
	}
	if given("rewrite") {
		if !slices.Contains(rewriteModes(), f.rewrite) {
			return nil, usagef("--rewrite: write %s, not %q", strings.Join(rewriteModes(), ", "), f.rewrite)
		}
		rag["rewrite"] = f.rewrite
	}
	if given("filter") {
		var filters map[string]any
		if err := readSearchFilter(f.filter, &filters); err != nil {
			return nil, err
		}
		rag["filters"] = filters
	}
	return rag, nil
}

// readSearchFilter refuses what no search could take.
func readSearchFilter(text string, to *map[string]any) error {
	if err := readFilter(text, to); err != nil {
		return err
	}
	if err := index.CheckFilters(*to); err != nil {
		return usagef("--filter: %w", err)
	}
	return nil
}

// conversation is where questions go: a server in this process, or another.
type conversation struct {
	client
	local *config.Config // nil where --server is asked
}

// converse runs work with what the flags name.
func converse(ctx context.Context, cmd *cobra.Command, f *converseFlags, work func(conversation) error) error {
	rag, err := f.rag(cmd)
	if err != nil {
		return err
	}
	if f.server == "" && f.key != "" {
		return usagef("--key is for --server URL")
	}
	cfg, err := loadConfig(cmd, nil, false)
	if err != nil {
		return err
	}
	c := client{model: cmp.Or(f.model, cfg.Upstream.Model), rag: rag}
	if f.server != "" {
		if c.base, err = serverBase(f.server); err != nil {
			return err
		}
		c.key = cmp.Or(f.key, os.Getenv(keyVariable))
		return work(conversation{client: c})
	}
	engine, err := openEngine(cfg, nil)
	if err != nil {
		return err
	}
	defer engine.Close()
	tellUpstream(cmd, cfg)
	l, err := listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	keys, secret := access.Temporary("ask") // nobody else on this machine is served meanwhile
	return withServer(ctx, cfg, engine, l, keys, func(base string) error {
		c.base, c.key = base+"/v1", secret
		return work(conversation{c, cfg})
	})
}

// serverBase is what stands before an endpoint's name: URL may end in /v1.
func serverBase(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return "", usagef("--server must be a URL such as http://127.0.0.1:8080")
	}
	return strings.TrimSuffix(strings.TrimRight(raw, "/"), "/v1") + "/v1", nil
}

// withServer runs work against a proxy of its own on l, which it closes. keys
// may be nil.
func withServer(ctx context.Context, cfg *config.Config, engine index.Engine, l net.Listener, keys *access.Store, work func(base string) error) error {
	defer l.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	builtinURL, stopBuiltin, err := startBuiltin(cfg)
	if err != nil {
		return err
	}
	defer stopBuiltin()
	opts, err := serverOptions(cfg, engine, builtinURL, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	opts.Playground.Questions = demoQuestions() // the other commands end before anybody sees them
	opts.Keys, opts.Web.Loopback = keys, isLoopback(l.Addr())
	opts.Timeouts.ShutdownDelay = 0 // no balancer has to be told
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

// errorLine is the last line of --json where something failed.
func errorLine(err error) string {
	var out struct {
		Error struct {
			Message string `json:"message"`
			Type    string `json:"type"`
			Code    string `json:"code"`
		} `json:"error"`
	}
	out.Error.Message, out.Error.Type, out.Error.Code = err.Error(), "client_error", "failed"
	if api := asAPIError(err); api != nil {
		out.Error.Type, out.Error.Code = cmp.Or(api.kind, "server_error"), cmp.Or(api.code, "failed")
	}
	b, _ := json.Marshal(out) // strings only: cannot fail
	return fmt.Sprintf("%s\n", b)
}
