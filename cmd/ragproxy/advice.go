package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
)

func asAPIError(err error) *apiError {
	var api *apiError
	errors.As(err, &api)
	return api
}

// advise adds to an error of a conversation what to do next.
func (c conversation) advise(ctx context.Context, err error) error {
	api := asAPIError(err)
	switch {
	case api == nil && c.local == nil && isUnreachable(err):
		return fmt.Errorf("%w: is `ragproxy serve` running there? --server names another one", err)
	case api == nil:
		return err
	case api.code == "collection_not_found":
		names, listErr := c.collections(ctx)
		if listErr != nil {
			return err
		}
		return fmt.Errorf("%w (there is: %s): --collection names another, `ragproxy index SOURCE --collection NAME` fills one", err, listNames(names))
	case c.local == nil && api.status == http.StatusUnauthorized:
		return fmt.Errorf("%w: give the key in %s, or with --key", err, keyVariable)
	case c.local != nil:
		return adviseUpstream(c.local, api, err)
	}
	return err
}

// adviseUpstream says which key of the configuration decides. In a stream the
// upstream's status is lost, and its code is what tells.
func adviseUpstream(cfg *config.Config, api *apiError, err error) error {
	upstream := cfg.Upstream.BaseURL
	switch {
	case api.code == "upstream_unreachable" || api.code == "upstream_timeout":
		return fmt.Errorf("%w: it is %s (%s); RAGPROXY_UPSTREAM_BASE_URL or OPENAI_BASE_URL names another, `ragproxy doctor` looks closer", err, upstream, cfg.UpstreamReason())
	case api.code == "invalid_api_key" || api.kind == "authentication_error":
		if cfg.Upstream.APIKey == "" {
			return fmt.Errorf("the upstream %s wants a key: %w: set OPENAI_API_KEY or RAGPROXY_UPSTREAM_API_KEY (upstream.api_key)", upstream, err)
		}
		return fmt.Errorf("the upstream %s refused the key: %w: set upstream.api_key (%s) anew", upstream, err, cfg.Source("upstream.api_key"))
	case api.code == "model_not_found":
		return fmt.Errorf("the upstream %s: %w: --model or upstream.model (RAGPROXY_UPSTREAM_MODEL) names one that it has", upstream, err)
	case api.status == 0:
		return fmt.Errorf("the upstream %s: %w: `ragproxy doctor` looks closer", upstream, err)
	}
	return err
}

func isUnreachable(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

func listNames(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// nextStep is what an error that any command may end with leaves to say.
func nextStep(cmd *cobra.Command, err error) string {
	if !errors.Is(err, index.ErrNotFound) {
		return ""
	}
	names, listErr := existingCollections(cmd)
	if listErr != nil {
		return ""
	}
	return fmt.Sprintf(" (there is: %s): `ragproxy index SOURCE --collection NAME` fills one", listNames(names))
}

// existingCollections lists the names in the data folder, and says nothing of
// the configuration's warnings.
func existingCollections(cmd *cobra.Command) ([]string, error) {
	cfg, _, err := readConfig(cmd, nil, false)
	if err != nil {
		return nil, err
	}
	return index.Open(index.Options{Dir: cfg.DataDir}).Names()
}

// readConfig reads the configuration of a command, with its warnings.
func readConfig(cmd *cobra.Command, override map[string]string, ignoreOpenAI bool) (*config.Config, []string, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, nil, err
	}
	flags := config.FromFlags(cmd.Flags(), globalFlags())
	for key, value := range override {
		flags[key] = value
	}
	cfg, warnings, err := config.Load(config.LoadOptions{File: file, Env: os.Environ(), Flags: flags, IgnoreOpenAI: ignoreOpenAI})
	var problems *config.Error
	if errors.As(err, &problems) {
		err = fmt.Errorf("the configuration has problems:\n%w", err)
		if anyFlag(problems.Problems, flags) {
			err = usageError{err}
		}
	}
	return cfg, warnings, err
}
