package config

import (
	"cmp"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Problem is one fault of a configuration.
type Problem struct {
	Key  string // as in the file: retrieval.top_k, aliases[0].name
	Text string // what is wrong and what to write
}

// Error lists all faults of a configuration, at least one.
type Error struct{ Problems []Problem }

// Error has a line for each problem, which begins with the key.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Key + ": " + p.Text
	}
	return strings.Join(lines, "\n")
}

func modes() []string     { return []string{"auto", "always", "never"} }
func logLevels() []string { return []string{"debug", "info", "warn", "error"} }

// dialects and eventNames repeat the tables of proxy/dialect, which this package
// must not import.
func dialects() []string {
	return []string{"rag", "annotations", "openwebui", "azure", "perplexity", "plain"}
}

func eventNames() []string {
	return []string{"rewrite", "rewrite.delta", "rewrite.done", "rewrite.failed",
		"retrieval", "retrieval.started", "retrieval.done", "retrieval.failed", "guard", "guard.flagged", "summary", "annotations"}
}

const maxTopK = 100

// checker collects the problems of one tree.
type checker struct {
	c        *Config
	problems []Problem
}

func (c *Config) problem(key, text string) Problem {
	section, _, _ := strings.Cut(key, "[")
	if source := c.Source(section); source != "default" {
		text += " (" + source + ")"
	}
	return Problem{Key: key, Text: text}
}

func (k *checker) add(key, format string, args ...any) {
	k.problems = append(k.problems, k.c.problem(key, fmt.Sprintf(format, args...)))
}

func (c *Config) validate() []Problem {
	k := &checker{c: c}
	k.address("listen", c.Listen)
	if c.DataDir == "" {
		k.add("data_dir", "must be set: neither XDG_DATA_HOME nor HOME says where data goes")
	}
	k.oneOf("log_level", c.LogLevel, logLevels())
	k.models()
	k.search()
	k.oneOf("prompt.placement", c.Prompt.Placement, []string{"system", "user"})
	k.readable("prompt.answer_file", c.Prompt.AnswerFile)
	k.readable("prompt.rewrite_file", c.Prompt.RewriteFile)
	k.oneOf("stream.dialect", c.Stream.Dialect, dialects())
	k.events("stream.events", c.Stream.Events)
	between(k, "stream.keep_alive", c.Stream.KeepAlive, 0, time.Hour)
	k.aliases()
	k.limits()
	k.server()
	for _, a := range c.Load.AllowAddresses {
		if _, err := netip.ParseAddrPort(a); err != nil {
			k.add("load.allow_addresses", "must be ip:port pairs such as 127.0.0.1:8000, got %s", kind(a))
		}
	}
	between(k, "load.timeout", c.Load.Timeout, time.Millisecond, time.Hour)
	between(k, "load.max_bytes", c.Load.MaxBytes, 1, 16*GiB)
	between(k, "load.parse_timeout", c.Load.ParseTimeout, time.Millisecond, time.Hour)
	between(k, "load.delay", c.Load.Delay, 0, time.Hour)
	k.observability()
	return k.problems
}

func (k *checker) observability() {
	o := k.c.Observability
	k.secret("observability.metrics_key", o.MetricsKey)
	if o.MetricsListen != "" {
		k.address("observability.metrics_listen", o.MetricsListen)
	}
	between(k, "observability.explain", o.Explain, 0, 10000)
}

func (k *checker) models() {
	c := k.c
	k.baseURL("upstream.base_url", c.Upstream.BaseURL, true)
	k.secret("upstream.api_key", c.Upstream.APIKey)
	k.readable("upstream.ca_file", c.Upstream.CAFile)
	k.proxyURL("upstream.proxy_url", c.Upstream.ProxyURL)
	between(k, "upstream.connect_timeout", c.Upstream.ConnectTimeout, time.Millisecond, time.Hour)
	between(k, "upstream.response_timeout", c.Upstream.ResponseTimeout, 0, 24*time.Hour)
	between(k, "upstream.idle_timeout", c.Upstream.IdleTimeout, 0, 24*time.Hour)
	k.oneOf("embedding.provider", c.Embedding.Provider, []string{"minilm", "openai"})
	if c.Embedding.BaseURL != "" {
		k.baseURL("embedding.base_url", c.Embedding.BaseURL, false)
	}
	k.secret("embedding.api_key", c.Embedding.APIKey)
	between(k, "embedding.dimensions", c.Embedding.Dimensions, 0, 16384)
	between(k, "embedding.batch_size", c.Embedding.BatchSize, 1, 2048)
	k.oneOf("rewrite.mode", c.Rewrite.Mode, modes())
	between(k, "rewrite.max_turns", c.Rewrite.MaxTurns, 1, 100)
	between(k, "rewrite.deadline", c.Rewrite.Deadline, time.Millisecond, 5*time.Minute)
	if c.Source("rewrite.base_url") != "as upstream.base_url" { // else one fault is told twice
		k.baseURL("rewrite.base_url", c.Rewrite.BaseURL, true)
	}
	k.secret("rewrite.api_key", c.Rewrite.APIKey)
	k.engine()
	k.oneOf("index.vector", c.Index.Vector, []string{"auto", "exact", "hnsw"})
}

// EngineKinds are the values of engine.kind.
func EngineKinds() []string { return []string{LocalEngine, PostgresEngine, OpenSearchEngine} }

func notHTTP(address string) bool {
	address = strings.TrimSpace(address)
	return !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://")
}

// engine does not repeat the URL: it may hold a password.
func (k *checker) engine() {
	e := k.c.Engine
	k.oneOf("engine.kind", e.Kind, EngineKinds())
	switch {
	case e.Kind == LocalEngine && e.URL != "":
		k.add("engine.url", "must be a URL only where engine.kind is not %s: set engine.kind, too", LocalEngine)
	case e.Kind != LocalEngine && e.URL == "" && slices.Contains(EngineKinds(), e.Kind):
		k.add("engine.url", "must be set: where the engine is")
	case e.Kind == PostgresEngine && !strings.HasPrefix(e.URL, "postgres://") && !strings.HasPrefix(e.URL, "postgresql://"):
		k.add("engine.url", "must be a URL such as postgres://user:password@host/database")
	case e.Kind == OpenSearchEngine && slices.ContainsFunc(strings.Split(e.URL, ","), notHTTP):
		k.add("engine.url", "must be a URL such as https://user:password@host:9200, or several, comma separated")
	}
	between(k, "engine.shards", e.Shards, 1, 1024)
	between(k, "engine.replicas", e.Replicas, 0, 100)
}

func (k *checker) search() {
	r := k.c.Retrieval
	between(k, "retrieval.top_k", r.TopK, 1, maxTopK)
	between(k, "retrieval.depth", r.Depth, max(1, min(r.TopK, maxTopK)), 1000)
	between(k, "retrieval.vector_weight", r.VectorWeight, 0, 1)
	k.oneOf("retrieval.fusion", r.Fusion, []string{"scores", "rrf"})
	between(k, "retrieval.min_score", r.MinScore, 0, 1)
	between(k, "retrieval.max_context_tokens", r.MaxContextTokens, 0, math.MaxInt32)
	between(k, "retrieval.deadline", r.Deadline, time.Millisecond, 5*time.Minute)
	k.rerank()
	k.degrade()
}

func (k *checker) rerank() {
	r := k.c.Rerank
	if r.Kind != "" {
		k.oneOf("rerank.kind", r.Kind, []string{"cohere", "tei"})
	}
	if r.Kind != "" || r.BaseURL != "" {
		k.baseURL("rerank.base_url", r.BaseURL, false)
	}
	k.secret("rerank.api_key", r.APIKey)
	between(k, "rerank.depth", r.Depth, 2, 1000)
	between(k, "rerank.deadline", r.Deadline, time.Millisecond, 5*time.Minute)
}

func (k *checker) limits() {
	l := k.c.Limits
	between(k, "limits.max_body_bytes", l.MaxBodyBytes, 1, GiB)
	between(k, "limits.max_header_bytes", l.MaxHeaderBytes, 1, MiB)
	between(k, "limits.max_messages", l.MaxMessages, 0, math.MaxInt32)
	between(k, "limits.max_parts", l.MaxParts, 0, math.MaxInt32)
	between(k, "limits.max_depth", l.MaxDepth, 4, 512)
	between(k, "limits.max_top_k", l.MaxTopK, 1, maxTopK)
	between(k, "limits.concurrency", l.Concurrency, 0, math.MaxInt32)
	between(k, "limits.concurrency_per_key", l.ConcurrencyPerKey, 0, math.MaxInt32)
	between(k, "limits.queue_timeout", l.QueueTimeout, 0, time.Hour)
	between(k, "limits.requests_per_minute", l.RequestsPerMinute, 0, math.MaxInt32)
	between(k, "limits.tokens_per_minute", l.TokensPerMinute, 0, math.MaxInt32)
	between(k, "limits.header_timeout", l.HeaderTimeout, time.Millisecond, time.Hour)
	between(k, "limits.body_timeout", l.BodyTimeout, time.Millisecond, 24*time.Hour)
	between(k, "limits.idle_timeout", l.IdleTimeout, time.Millisecond, 24*time.Hour)
	between(k, "limits.write_timeout", l.WriteTimeout, time.Millisecond, 24*time.Hour)
}

func (k *checker) server() {
	c := k.c
	between(k, "server.shutdown_delay", c.Server.ShutdownDelay, 0, time.Hour)
	between(k, "server.drain_timeout", c.Server.DrainTimeout, time.Millisecond, 24*time.Hour)
	k.readable("tls.cert_file", c.TLS.CertFile)
	k.readable("tls.key_file", c.TLS.KeyFile)
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		k.add("tls.cert_file", "must be set with tls.key_file, or neither")
	}
	for _, o := range c.CORS.Origins {
		u, err := url.Parse(o)
		if o != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != o) {
			k.add("cors.origins", "must be origins such as https://app.example, or *, got %s", kind(o))
		}
	}
	for _, h := range c.Server.Hosts {
		if strings.ContainsAny(h, "/:* ") {
			k.add("server.hosts", "must be names such as rag.internal, without a port, got %s", kind(h))
		}
	}
}

// proxyURL does not repeat the value: it may hold a password.
func (k *checker) proxyURL(key, v string) {
	u, err := url.Parse(v)
	if v != "" && (err != nil || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) || u.Hostname() == "") {
		k.add(key, "must be an http://, https:// or socks5:// URL")
	}
}

func (k *checker) aliases() {
	first := map[string]int{}
	for i, a := range k.c.Aliases {
		key := fmt.Sprintf("aliases[%d].", i)
		if a.Name == "" {
			k.add(key+"name", "must be set")
		} else if j, ok := first[a.Name]; ok {
			k.add(key+"name", "%q is the name of aliases[%d] too", a.Name, j)
		} else {
			first[a.Name] = i
		}
		if a.Model == "" {
			k.add(key+"model", "must be set: the model that the upstream is asked for")
		}
		if a.Dialect != "" {
			k.oneOf(key+"dialect", a.Dialect, dialects())
		}
		if a.Rewrite != "" {
			k.oneOf(key+"rewrite", a.Rewrite, modes())
		}
		k.events(key+"events", a.Events)
		between(k, key+"top_k", a.TopK, 0, maxTopK)
	}
}

// between is a function because methods have no type parameters. The negated
// comparison catches NaN, which YAML can write.
func between[T cmp.Ordered](k *checker, key string, v, low, high T) {
	if !(v >= low && v <= high) {
		k.add(key, "must be between %v and %v, got %v", low, high, v)
	}
}

func (k *checker) oneOf(key, v string, allowed []string) {
	if !slices.Contains(allowed, v) {
		k.add(key, "must be one of %s, got %s", strings.Join(allowed, ", "), kind(v))
	}
}

func (k *checker) events(key string, events Events) {
	if len(events) == 1 && (events[0] == "all" || events[0] == "none") {
		return
	}
	for _, e := range events {
		if !slices.Contains(eventNames(), e) {
			k.add(key, "must be all, none or a list of %s, got %s", strings.Join(eventNames(), ", "), kind(e))
		}
	}
}

func (k *checker) address(key, v string) {
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		k.add(key, "must be host:port such as 127.0.0.1:8080 or :8080, got %s", kind(v))
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		k.add(key, "must have a port between 0 and 65535, got %s", kind(v))
	} else if strconv.FormatUint(n, 10) != port {
		k.add(key, "must have a plain port number, got %s", kind(v))
	}
}

// baseURL does not repeat the value: it may hold a password, or a key that was
// put into the wrong place.
func (k *checker) baseURL(key, v string, builtin bool) {
	if v == Builtin && builtin {
		return
	}
	want := "must be an http:// or https:// URL such as https://api.openai.com/v1"
	if builtin {
		want += ", or builtin"
	}
	u, err := url.Parse(v)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
		k.add(key, "%s", want)
	case u.User != nil:
		k.add(key, "must not hold a user or password; put the key into %s", strings.Replace(key, "base_url", "api_key", 1))
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		k.add(key, "must not hold a query or a fragment (? or #)")
	case strings.HasSuffix(u.Path, "/chat/completions") || strings.HasSuffix(u.Path, "/embeddings") || strings.HasSuffix(u.Path, "/rerank"):
		k.add(key, "must end before the endpoint, mostly in /v1")
	}
	if err == nil && u.Port() != "" {
		if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil {
			k.add(key, "must have a port between 0 and 65535")
		}
	}
}

// secret refuses what cannot go into a header, without repeating it.
func (k *checker) secret(key, v string) {
	bad := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == utf8.RuneError }
	if strings.ContainsFunc(v, bad) {
		k.add(key, "must not hold white space or control characters")
	}
}

func (k *checker) readable(key, path string) {
	if path == "" {
		return
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() { // opening a pipe would block
		k.add(key, "must be a file, %s is none", path)
		return
	}
	f, err := os.Open(path)
	if err != nil {
		k.add(key, "must be a file that can be read: %v", err)
		return
	}
	f.Close()
}
