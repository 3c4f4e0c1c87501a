package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/config"
)

func checkEmbedder(ctx context.Context, cfg *config.Config) finding {
	const hint = "set embedding.*; until then only keywords are searched"
	embedder, err := newEmbedder(cfg)
	if err != nil {
		return fail(hint, "%v", err)
	}
	who := cfg.Embedding.Provider
	if who == "openai" {
		who = cfg.Embedding.Model + " at " + cfg.Embedding.BaseURL
	}
	begin := time.Now()
	vector, err := embedder.EmbedQuery(ctx, "Is the doctor in?")
	if err != nil {
		return fail(hint, "%s: %s", who, cause(ctx, err))
	}
	return ok("%s gave %d dimensions in %d ms", who, len(vector), time.Since(begin).Milliseconds())
}

func checkUpstream(ctx context.Context, cfg *config.Config) finding {
	if cfg.Upstream.BaseURL == config.Builtin {
		return warn("set OPENAI_API_KEY, OPENAI_BASE_URL or upstream.base_url", "builtin, which picks sentences and is no language model")
	}
	return probe{
		base: cfg.Upstream.BaseURL, key: cfg.Upstream.APIKey, model: cfg.Upstream.Model,
		section: "upstream", hint: "start it, or set upstream.base_url (" + cfg.UpstreamReason() + ")",
	}.run(ctx, cfg)
}

func checkRewrite(ctx context.Context, cfg *config.Config) finding {
	r := cfg.Rewrite
	switch {
	case r.Mode == "never":
		return ok("off")
	case r.BaseURL == config.Builtin:
		return ok("builtin")
	case r.Model == "" && r.BaseURL == cfg.Upstream.BaseURL && cfg.RewriteKey() == cfg.Upstream.APIKey:
		return ok("by the upstream, with the model of each request")
	}
	return probe{
		base: r.BaseURL, key: cfg.RewriteKey(), model: cmp.Or(r.Model, cfg.Upstream.Model),
		section: "rewrite", hint: "set rewrite.base_url; until then follow-ups are searched as they are",
	}.run(ctx, cfg)
}

func checkRerank(ctx context.Context, cfg *config.Config) finding {
	const hint = "set rerank.*, or rerank.kind to nothing; until then the search's own order stands"
	reranker, err := newReranker(cfg)
	if err != nil {
		return fail(hint, "%v", err)
	}
	if reranker == nil {
		return ok("off")
	}
	begin := time.Now()
	if _, err := reranker.Rerank(ctx, "Is the doctor in?", []string{"The doctor is in.", "Apples are red."}); err != nil {
		return fail(hint, "%s: %s", cfg.Rerank.BaseURL, cause(ctx, err))
	}
	took := time.Since(begin)
	if took > cfg.Rerank.Deadline {
		return warn("raise rerank.deadline", "%s took %d ms for two passages, and has %s", cfg.Rerank.BaseURL, took.Milliseconds(), cfg.Rerank.Deadline)
	}
	return ok("%s answered in %d ms", cfg.Rerank.BaseURL, took.Milliseconds())
}

// probe asks an OpenAI-compatible server what it knows of a model.
type probe struct {
	base, key, model string
	section          string // of the configuration: upstream or rewrite
	hint             string // where it cannot be reached
}

func (p probe) run(ctx context.Context, cfg *config.Config) finding {
	client, err := newUpstreamClient(cfg, "")
	if err != nil {
		return fail("set upstream.ca_file, upstream.proxy_url", "%v", err)
	}
	defer client.CloseIdleConnections()
	begin := time.Now()
	status, body, err := p.ask(ctx, client, http.MethodGet, "/models", "")
	if err != nil {
		return fail(p.hint, "%s cannot be reached: %s", p.base, cause(ctx, err))
	}
	if refused(status) {
		return p.refused(cfg, status, body)
	}
	models := listedModels(status, body)
	if slices.Contains(models, p.model) {
		return ok("%s has the model %s, told in %d ms", p.base, p.model, time.Since(begin).Milliseconds())
	}
	return p.try(ctx, client, cfg, models)
}

// try asks the model for one token: not every server lists what it has.
func (p probe) try(ctx context.Context, client *http.Client, cfg *config.Config, models []string) finding {
	question, err := json.Marshal(map[string]any{
		"model": p.model, "max_tokens": 1, "messages": []chatMessage{{"user", "Say ok."}},
	})
	if err != nil {
		return fail("", "%v", err)
	}
	begin := time.Now()
	status, body, err := p.ask(ctx, client, http.MethodPost, "/chat/completions", string(question))
	switch said := errorText(body); {
	case err != nil:
		return fail(p.hint, "%s does not answer a question: %s", p.base, cause(ctx, err))
	case status == http.StatusOK:
		return ok("%s answered with %s in %d ms", p.base, p.model, time.Since(begin).Milliseconds())
	case refused(status):
		return p.refused(cfg, status, body)
	case status == http.StatusNotFound || gjson.GetBytes(body, "error.code").String() == "model_not_found":
		hint := "set " + p.section + ".model, or correct " + p.section + ".base_url"
		if len(models) > 0 {
			hint = "set " + p.section + ".model to one that it has: " + strings.Join(models[:min(5, len(models))], ", ")
		}
		return fail(hint, "%s answers %d for the model %s: %s", p.base, status, p.model, short(said))
	case status == http.StatusTooManyRequests:
		return warn("wait, or look at the account's quota", "%s answers 429: %s", p.base, short(said))
	case status >= http.StatusInternalServerError:
		return fail("look at its log", "%s answers %d: %s", p.base, status, short(said))
	default:
		return warn("", "%s is there and refused the trial question with %d: %s", p.base, status, short(said))
	}
}

func refused(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// refused tells a missing key, which clients may bring, from a wrong one.
func (p probe) refused(cfg *config.Config, status int, body []byte) finding {
	key := p.section + ".api_key"
	if p.key != "" {
		return fail("set "+key+" ("+cfg.Source(key)+") anew", "%s refuses the key, %d: %s", p.base, status, short(errorText(body)))
	}
	return warn("set "+key+" (or OPENAI_API_KEY), unless every client sends its own", "%s wants a key, and none is configured", p.base)
}

func (p probe) ask(ctx context.Context, client *http.Client, method, path, body string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if p.key != "" {
		req.Header.Set("Authorization", "Bearer "+p.key)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return 0, nil, fmt.Errorf("read answer: %w", err)
	}
	return resp.StatusCode, answer, nil
}

// listedModels are the ids in an answer to GET /models.
func listedModels(status int, body []byte) []string {
	if status != http.StatusOK {
		return nil
	}
	var ids []string
	for _, id := range gjson.GetBytes(body, "data.#.id").Array() {
		ids = append(ids, id.String())
	}
	return ids
}

func short(text string) string {
	if r := []rune(text); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return cmp.Or(text, "(nothing said)")
}
