package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

const openAIURL = "https://api.openai.com/v1"

// ambient is what OpenAI SDKs read from the environment by themselves. The key
// belongs to the origin of home and goes nowhere else.
type ambient struct {
	baseURL, baseSource string
	key, keySource      string
	home                string
}

func readAmbient(env variables) ambient {
	base, key := env["OPENAI_BASE_URL"], env["OPENAI_API_KEY"]
	a := ambient{
		baseURL: trimSlash(base.value), baseSource: base.source,
		key: key.value, keySource: key.source,
		home: openAIURL,
	}
	// A .env that came with a downloaded folder must not draw the user's own key
	// to another host.
	if a.baseURL != "" && (!base.dotenv || key.dotenv) {
		a.home = a.baseURL
	}
	return a
}

// resolve fills in what follows from other keys or from the environment, and
// returns warnings.
func (c *Config) resolve(dir string, env variables) []string {
	c.ambient = readAmbient(env)
	c.resolvePaths(dir, env)
	c.Upstream.BaseURL = trimSlash(c.Upstream.BaseURL)
	c.Embedding.BaseURL = trimSlash(c.Embedding.BaseURL)
	c.Rewrite.BaseURL = trimSlash(c.Rewrite.BaseURL)
	c.Rerank.BaseURL = trimSlash(c.Rerank.BaseURL)
	c.resolveUpstream()
	if c.Rewrite.BaseURL == "" {
		c.fillIn(&c.Rewrite.BaseURL, "rewrite.base_url", c.Upstream.BaseURL, "as upstream.base_url")
	}
	if c.Embedding.Provider == "openai" {
		c.resolveEmbedding()
	}
	return append(c.resolveKey(), c.resolveTraces(env)...)
}

func (c *Config) resolvePaths(dir string, env variables) {
	if c.DataDir == "" {
		if base := env.folder("XDG_DATA_HOME", filepath.Join(".local", "share")); base != "" {
			c.DataDir = filepath.Join(base, "ragproxy")
		}
	}
	c.DataDir = env.path(dir, c.DataDir)
	if c.Auth.File == "" && c.DataDir != "" {
		c.fillIn(&c.Auth.File, "auth.file", filepath.Join(c.DataDir, "keys.json"), "in data_dir")
	}
	for _, file := range []*string{&c.Auth.File, &c.Upstream.CAFile, &c.TLS.CertFile, &c.TLS.KeyFile} {
		*file = env.path(dir, *file)
	}
	c.Prompt.AnswerFile = env.path(dir, c.Prompt.AnswerFile)
	c.Prompt.RewriteFile = env.path(dir, c.Prompt.RewriteFile)
}

func (c *Config) resolveUpstream() {
	const key = "upstream.base_url"
	switch a := c.ambient; {
	case c.Upstream.BaseURL != "":
		c.reason = "upstream.base_url is set: " + c.Source(key)
	case a.baseURL != "":
		c.fillIn(&c.Upstream.BaseURL, key, a.baseURL, a.baseSource)
		c.reason = "OPENAI_BASE_URL is set: " + a.baseSource
	case a.key != "":
		c.fillIn(&c.Upstream.BaseURL, key, openAIURL, "as OPENAI_API_KEY is set")
		c.reason = "OPENAI_API_KEY is set: " + a.keySource
	default:
		c.fillIn(&c.Upstream.BaseURL, key, Builtin, "default")
		c.reason = "upstream.base_url, OPENAI_BASE_URL and OPENAI_API_KEY are not set"
	}
}

func (c *Config) resolveEmbedding() {
	const key = "embedding.base_url"
	if c.Embedding.Model == "" {
		c.Embedding.Model = "text-embedding-3-small"
	}
	switch {
	case c.Embedding.BaseURL != "":
	case c.Upstream.BaseURL != Builtin:
		c.fillIn(&c.Embedding.BaseURL, key, c.Upstream.BaseURL, "as upstream.base_url")
	case c.ambient.baseURL != "":
		c.fillIn(&c.Embedding.BaseURL, key, c.ambient.baseURL, c.ambient.baseSource)
	default:
		c.fillIn(&c.Embedding.BaseURL, key, openAIURL, "default")
	}
}

// resolveKey fills upstream.api_key from OPENAI_API_KEY where that is safe.
func (c *Config) resolveKey() []string {
	a := c.ambient
	if c.Upstream.APIKey != "" || a.key == "" || c.Upstream.BaseURL == Builtin {
		return nil
	}
	if SameOrigin(c.Upstream.BaseURL, a.home) {
		c.fillIn(&c.Upstream.APIKey, "upstream.api_key", a.key, a.keySource)
		return nil
	}
	return []string{fmt.Sprintf("OPENAI_API_KEY (%s) is not sent to the upstream %s: it belongs to %s; set upstream.api_key if it is meant for both",
		a.keySource, hostOf(c.Upstream.BaseURL), hostOf(a.home))}
}

func (c *Config) fillIn(field *string, key, value, source string) {
	*field = value
	c.sources[key] = source
}

// UpstreamReason says why upstream.base_url is what it is, for a line such as
// "upstream: builtin (<reason>)".
func (c *Config) UpstreamReason() string { return c.reason }

// EmbeddingKey is the key for embedding.base_url: embedding.api_key, else
// upstream.api_key or OPENAI_API_KEY where that is of the same origin. "" sends
// none.
func (c *Config) EmbeddingKey() string {
	if c.Embedding.Provider != "openai" {
		return ""
	}
	return c.keyFor(c.Embedding.APIKey, c.Embedding.BaseURL)
}

// RewriteKey is the key for rewrite.base_url, by the same rule. "" means that no
// configured key is for it; the client's own Authorization may then be used
// only if rewrite.base_url is of the upstream's origin ([SameOrigin]).
func (c *Config) RewriteKey() string {
	return c.keyFor(c.Rewrite.APIKey, c.Rewrite.BaseURL)
}

// RerankKey is the key for rerank.base_url, by the same rule. "" sends none.
func (c *Config) RerankKey() string {
	if c.Rerank.Kind == "" {
		return ""
	}
	return c.keyFor(c.Rerank.APIKey, c.Rerank.BaseURL)
}

func (c *Config) keyFor(own, baseURL string) string {
	switch {
	case own != "":
		return own
	case c.Upstream.APIKey != "" && SameOrigin(baseURL, c.Upstream.BaseURL):
		return c.Upstream.APIKey
	case SameOrigin(baseURL, c.ambient.home):
		return c.ambient.key
	}
	return ""
}

// SameOrigin reports whether two URLs have scheme, host and port in common (RFC
// 6454), a missing port being the scheme's. What is no http(s) URL has no
// origin, not even its own.
func SameOrigin(a, b string) bool {
	left, right := originOf(a), originOf(b)
	return left != "" && left == right
}

func originOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	port := u.Port()
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return ""
	case port == "" && u.Scheme == "https":
		port = "443"
	case port == "":
		port = "80"
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

func hostOf(raw string) string {
	if u, err := url.Parse(raw); err == nil && u.Host != "" {
		return u.Host
	}
	return "(no host)"
}

func trimSlash(baseURL string) string { return strings.TrimRight(strings.TrimSpace(baseURL), "/") }
