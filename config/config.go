// Package config reads ragproxy's settings and is imported by cmd/ragproxy only.
//
// [Load] merges, later wins: the defaults, one file (YAML, TOML or JSON), .env,
// the environment, the command line. Every key of the tree below is a key of
// the file and, with RAGPROXY_ in front and _ for dots, a variable:
// retrieval.top_k is RAGPROXY_RETRIEVAL_TOP_K. An empty variable counts as not
// set. Lists in variables and flags are separated by commas; aliases are JSON
// there. Paths are relative to the working folder; a leading ~/ is the home
// folder. All problems come back at once as an [*Error], each with its key.
package config

import "time"

// Builtin as upstream.base_url names the demo upstream that needs no network.
const Builtin = "builtin"

// Config is the whole tree, resolved: what was left empty and has a rule for
// it (upstream.base_url, data_dir, ...) is filled in. It is not changed after
// Load, hence safe for concurrent reading.
type Config struct {
	// Listen is the address to serve on, host:port. An empty host is all
	// interfaces, port 0 any free one. Default 127.0.0.1:8080.
	Listen string `key:"listen"`
	// DataDir holds the indexes. Default $XDG_DATA_HOME/ragproxy, else
	// ~/.local/share/ragproxy.
	DataDir string `key:"data_dir"`
	// LogLevel is debug, info, warn or error. Default info.
	LogLevel string `key:"log_level"`

	Upstream  Upstream  `key:"upstream"`
	Embedding Embedding `key:"embedding"`
	Rewrite   Rewrite   `key:"rewrite"`
	Engine    Engine    `key:"engine"`
	Index     Index     `key:"index"`
	Documents Documents `key:"documents"`
	Retrieval Retrieval `key:"retrieval"`
	Rerank    Rerank    `key:"rerank"`
	Degrade   Degrade   `key:"degrade"`
	Breaker   Breaker   `key:"breaker"`
	Prompt    Prompt    `key:"prompt"`
	Stream    Stream    `key:"stream"`
	Guard     Guard     `key:"guard"`
	// Aliases are further model names with settings of their own. Default none.
	Aliases []Alias `key:"aliases"`
	Auth    Auth    `key:"auth"`
	Limits  Limits  `key:"limits"`
	Server  Server  `key:"server"`
	TLS     TLS     `key:"tls"`
	CORS    CORS    `key:"cors"`
	Load    Fetch   `key:"load"`

	Observability Observability `key:"observability"`

	file    string            // the file that was read, "" = none
	sources map[string]string // where a key's value is from; absent = default
	ambient ambient
	traces  []TraceTarget
	reason  string // why Upstream.BaseURL is what it is
}

// Upstream is the model API that answers.
type Upstream struct {
	// BaseURL is an http(s) URL as OpenAI SDKs take it, ending in /v1, or
	// "builtin". When empty: OPENAI_BASE_URL if set, else
	// https://api.openai.com/v1 if OPENAI_API_KEY is set, else builtin.
	BaseURL string `key:"base_url"`
	// APIKey replaces the client's Authorization; when empty the client's own
	// goes through. OPENAI_API_KEY fills it, but only where that key belongs:
	// at the origin (scheme, host, port) of OPENAI_BASE_URL, or of
	// https://api.openai.com when that is not set. An OpenAI SDK would send it to
	// any base URL; here it never reaches a host that only a config file named,
	// nor one that only a .env names while the key is from the environment.
	// Load warns when it withholds the key.
	APIKey string `key:"api_key" secret:"true"`
	// Model is what `ragproxy ask` asks for; clients of the server name their
	// own. Default gpt-4o-mini.
	Model string `key:"model"`
	// CAFile holds PEM certificates to trust beside the system's. Default none.
	CAFile string `key:"ca_file"`
	// ProxyURL is the outbound proxy, http(s) or socks5. Empty follows
	// HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as is the default.
	ProxyURL string `key:"proxy_url" secret:"true"`
	// ConnectTimeout bounds reaching the upstream; above 0. Default 10s.
	ConnectTimeout time.Duration `key:"connect_timeout"`
	// ResponseTimeout bounds the wait for the answer's header, which comes with
	// a stream's first token, else behind the last one; 0 = no bound. Default 10m.
	ResponseTimeout time.Duration `key:"response_timeout"`
	// IdleTimeout bounds the silence in the middle of an answer, which is ended
	// after one to two times that; 0 = no bound. Default 10m.
	IdleTimeout time.Duration `key:"idle_timeout"`
}

// Embedding is where vectors come from.
type Embedding struct {
	// Provider is minilm (local, no network) or openai (any compatible
	// /v1/embeddings). Default minilm.
	Provider string `key:"provider"`
	// Model is the openai provider's model; minilm has one and ignores it.
	// Default text-embedding-3-small when provider is openai.
	Model string `key:"model"`
	// BaseURL is for provider openai only. When empty: upstream.base_url unless
	// that is builtin, else OPENAI_BASE_URL, else https://api.openai.com/v1.
	BaseURL string `key:"base_url"`
	// APIKey goes to base_url; when empty: upstream.api_key or OPENAI_API_KEY
	// where that is of the same origin, else none. Code uses [Config.EmbeddingKey].
	APIKey string `key:"api_key" secret:"true"`
	// Dimensions is sent as `dimensions` and checked in each answer; 0 sends
	// nothing and takes the model's own number. 0 to 16384. Default 0.
	Dimensions int `key:"dimensions"`
	// BatchSize is how many texts go into one request, 1 to 2048. Default 64.
	BatchSize int `key:"batch_size"`
}

// Rewrite turns a follow-up into a standalone query.
type Rewrite struct {
	// Mode is auto (only when there is history), always or never. Default auto.
	Mode string `key:"mode"`
	// Model that rewrites; empty = the model of the client's request.
	Model string `key:"model"`
	// MaxTurns is how many turns of history the rewrite sees, 1 to 100.
	// Default 10.
	MaxTurns int `key:"max_turns"`
	// Deadline is how long a rewrite may take before the raw question is
	// searched instead; above 0, at most 5m. Default 3s.
	Deadline time.Duration `key:"deadline"`
	// History searches the last turn of the user and of the assistant, too,
	// with less weight, where a follow-up was not rewritten. Default true.
	History bool `key:"history"`
	// BaseURL is as upstream.base_url; empty = the same as that.
	BaseURL string `key:"base_url"`
	// APIKey is as embedding.api_key; when nothing is configured the client's own
	// goes to the upstream's origin. Code uses [Config.RewriteKey].
	APIKey string `key:"api_key" secret:"true"`
}

// Kinds of engines.
const (
	LocalEngine      = "local"
	PostgresEngine   = "postgres"
	OpenSearchEngine = "opensearch"
)

// Engine is what keeps the collections. Several servers and runs of `ragproxy
// index` share one that is not local; beside it they have in common what a copy
// of this configuration and of auth.file gives them, and nothing else.
type Engine struct {
	// Kind is local (in data_dir, on this machine), postgres (PostgreSQL 15 or
	// later with pgvector 0.8 or later) or opensearch (OpenSearch 2.16 or later
	// with its k-NN plugin on every node). Default local.
	Kind string `key:"kind"`
	// URL is where the engine is, unless it is local:
	// postgres://user:password@host1,host2/database, as psql takes it. Of several
	// hosts the primary is written to, and target_session_attrs=prefer-standby in
	// it has replicas searched. Or https://user:password@node1:9200 and further
	// nodes of the same OpenSearch cluster, written alike, behind commas.
	URL string `key:"url" secret:"url"`
	// Shards is how many parts a collection in OpenSearch is cut into, 1 to 1024.
	// It acts where its index is made: on new collections, and with --reembed.
	// Default 1.
	Shards int `key:"shards"`
	// Replicas is how many further copies OpenSearch keeps of each shard, 0 to
	// 100; with 0 a node that is lost takes documents along. It acts as shards
	// does. Default 1.
	Replicas int `key:"replicas"`
}

// Index says how vectors are searched where engine.kind is local.
type Index struct {
	// Vector is auto (exact below a size, hnsw above), exact or hnsw. Default
	// auto.
	Vector string `key:"vector"`
}

// Documents is what the API may do to the indexes.
type Documents struct {
	// Write lets clients index and delete documents: those with a key that
	// `ragproxy keys add --write` made, and, where no key is needed, everybody
	// on loopback. An address that other machines reach needs true said outright
	// for that. false refuses it to all. Default true.
	Write bool `key:"write"`
}

// Retrieval is the search of a request.
type Retrieval struct {
	// TopK is how many passages go into the prompt, 1 to 100. Default 4.
	TopK int `key:"top_k"`
	// Depth is how many hits of each leg are fused, top_k to 1000. Default 100.
	Depth int `key:"depth"`
	// VectorWeight is the vector leg's share of the fused score, 0 to 1; 0 is
	// keywords only, 1 vectors only. Default 0.5.
	VectorWeight float64 `key:"vector_weight"`
	// Fusion is scores (the legs' scores, each on a scale from 0 to 1, are added
	// by weight) or rrf (their ranks are). Default scores.
	Fusion string `key:"fusion"`
	// MinScore drops hits whose fused score is lower, 0 to 1. Default 0.
	MinScore float64 `key:"min_score"`
	// MaxContextTokens bounds the passages in the prompt; 0 = no bound.
	// Default 0.
	MaxContextTokens int `key:"max_context_tokens"`
	// Deadline is how long a search may take, the query's embedding with it,
	// before a leg that has not answered counts as failed; above 0, at most 5m.
	// Default 10s.
	Deadline time.Duration `key:"deadline"`
}

// Rerank has the best hits ranked again by a model behind an HTTP API.
type Rerank struct {
	// Kind is the API's shape: cohere (Cohere, Jina, Voyage, vLLM, llama.cpp,
	// LiteLLM), tei (text-embeddings-inference) or empty, which is off.
	// Default empty.
	Kind string `key:"kind"`
	// BaseURL is what stands before /rerank, mostly ending in /v1 for cohere
	// (https://api.cohere.com/v2). Required where kind is set.
	BaseURL string `key:"base_url"`
	// APIKey is as embedding.api_key. Code uses [Config.RerankKey].
	APIKey string `key:"api_key" secret:"true"`
	// Model as the API names it; servers of one model need none, tei ignores it.
	Model string `key:"model"`
	// Depth is how many of the fused hits are ranked again, 2 to 1000; a default
	// text-embeddings-inference takes 32. Default 30.
	Depth int `key:"depth"`
	// Deadline is how long that may take before the fused order stands; above 0,
	// at most 5m. Default 2s.
	Deadline time.Duration `key:"deadline"`
}

// Prompt is how passages reach the model.
type Prompt struct {
	// Placement is system or user: the message that takes the passages.
	// Default system.
	Placement string `key:"placement"`
	// AnswerFile and RewriteFile are templates that replace the shipped ones.
	// Default none.
	AnswerFile  string `key:"answer_file"`
	RewriteFile string `key:"rewrite_file"`
}

// Stream is what clients see beside the answer.
type Stream struct {
	// Dialect is rag, annotations, openwebui, azure, perplexity or plain.
	// Default rag.
	Dialect string `key:"dialect"`
	// Events are the extra events to send. Default: empty, the dialect's own
	// choice.
	Events Events `key:"events"`
	// Markdown puts the sources behind the answer as text, for clients that show
	// nothing else. Default false.
	Markdown bool `key:"markdown"`
	// Reasoning streams the rewrite as delta.reasoning_content. Default false.
	Reasoning bool `key:"reasoning"`
	// KeepAlive is the silence after which an SSE comment goes out; 0 = never.
	// Default 15s.
	KeepAlive time.Duration `key:"keep_alive"`
}

// Guard looks at answers for what indexed text may have brought into them.
type Guard struct {
	// Links tells clients of links and images in an answer that only passages
	// have, and edits nothing. Default true.
	Links bool `key:"links"`
}

// Events is a list of event names and types (rewrite, retrieval.done, ...), or
// one of the single words "all" and "none" (`false` in a file is none). Empty is
// the default choice.
type Events []string

// Alias is a model name that stands for a model with settings.
type Alias struct {
	// Name is what clients ask for; unique.
	Name string `key:"name"`
	// Model is what the upstream is asked for. Required.
	Model string `key:"model"`
	// Dialect, Collection, Events, TopK and Rewrite: empty or 0 = as without the
	// alias.
	Dialect    string `key:"dialect"`
	Collection string `key:"collection"`
	// Enabled false turns retrieval off; nil = as without the alias.
	Enabled *bool  `key:"enabled"`
	Events  Events `key:"events"`
	TopK    int    `key:"top_k"`
	Rewrite string `key:"rewrite"`
	// Markdown and Reasoning are as in stream; nil = as without the alias.
	Markdown  *bool `key:"markdown"`
	Reasoning *bool `key:"reasoning"`
}

// Auth says who may ask.
type Auth struct {
	// File holds the keys' hashes; `ragproxy keys` writes it. Default keys.json
	// in data_dir.
	File string `key:"file"`
	// OpenToEveryone serves without keys on an address that other machines
	// reach, too: whoever reaches it uses the upstream at your cost. Default
	// false.
	OpenToEveryone bool `key:"open_to_everyone"`
}

// Limits bound what clients may do. For numbers 0 = no bound.
type Limits struct {
	// MaxBodyBytes bounds a request's body: a number of bytes or 64MiB, 64MB.
	// 1 to 1GiB. Default 64MiB.
	MaxBodyBytes Bytes `key:"max_body_bytes"`
	// MaxHeaderBytes bounds its header, 1 to 1MiB. Default 64KiB.
	MaxHeaderBytes Bytes `key:"max_header_bytes"`
	// MaxMessages and MaxParts (of all messages together) bound a chat
	// completion. Default 10000 each.
	MaxMessages int `key:"max_messages"`
	MaxParts    int `key:"max_parts"`
	// MaxDepth bounds the nesting of its JSON, 4 to 512. Default 512.
	MaxDepth int `key:"max_depth"`
	// MaxTopK bounds the passages that a client may ask for, 1 to 100. Default
	// 100.
	MaxTopK int `key:"max_top_k"`
	// Concurrency is how many requests are worked on at a time, and
	// ConcurrencyPerKey how many of one key that says nothing else; the others
	// wait. Default 0.
	Concurrency       int `key:"concurrency"`
	ConcurrencyPerKey int `key:"concurrency_per_key"`
	// QueueTimeout is how long they wait at most. Default 10s.
	QueueTimeout time.Duration `key:"queue_timeout"`
	// RequestsPerMinute and TokensPerMinute are those of a key that has none of
	// its own; without keys they are of all requests together. Each server counts
	// by itself: behind a balancer a key has as many times that as there are
	// servers. Default 0.
	RequestsPerMinute int `key:"requests_per_minute"`
	TokensPerMinute   int `key:"tokens_per_minute"`
	// HeaderTimeout and BodyTimeout are until when a request's header and body
	// must be there; above 0. Default 10s and 2m.
	HeaderTimeout time.Duration `key:"header_timeout"`
	BodyTimeout   time.Duration `key:"body_timeout"`
	// IdleTimeout closes a connection without a request; above 0. Default 2m.
	IdleTimeout time.Duration `key:"idle_timeout"`
	// WriteTimeout is how long a client may take nothing of its answer; above 0.
	// Default 1m.
	WriteTimeout time.Duration `key:"write_timeout"`
}

// Server is how the server meets the network and its end.
type Server struct {
	// Hosts are names, beside localhost and addresses, under which a server on
	// loopback without keys may be asked. Default none.
	Hosts []string `key:"hosts"`
	// ShutdownDelay is how long a server that was told to end serves on, with
	// /readyz saying 503. Default 0s.
	ShutdownDelay time.Duration `key:"shutdown_delay"`
	// DrainTimeout is how long running requests may then take. Default 30s.
	DrainTimeout time.Duration `key:"drain_timeout"`
}

// TLS makes the server speak HTTPS. Both files or none; SIGHUP reads them
// again.
type TLS struct {
	// CertFile and KeyFile are PEM. Default none.
	CertFile string `key:"cert_file"`
	KeyFile  string `key:"key_file"`
}

// CORS is which web pages may ask.
type CORS struct {
	// Origins are https://app.example and the like, or * for all. Default none.
	Origins []string `key:"origins"`
}

// Fetch bounds what `ragproxy index` loads from URLs.
type Fetch struct {
	// AllowPrivate lets URLs resolve to loopback and private addresses.
	// Default false.
	AllowPrivate bool `key:"allow_private"`
	// AllowAddresses are ip:port pairs that are allowed all the same. Default
	// none.
	AllowAddresses []string `key:"allow_addresses"`
	// Timeout bounds one page; above 0. Default 5s.
	Timeout time.Duration `key:"timeout"`
	// MaxBytes bounds one page or file, as limits.max_body_bytes, at most 16GiB.
	// Default 64MiB.
	MaxBytes Bytes `key:"max_bytes"`
	// ParseTimeout bounds the reading of one file or page once it is there;
	// above 0. Default 1m.
	ParseTimeout time.Duration `key:"parse_timeout"`
	// Delay is the pause between two pages of a crawl or a sitemap, unless
	// robots.txt asks for a longer one. Default 250ms.
	Delay time.Duration `key:"delay"`
	// KeepHidden keeps text that a reader of the page would not see. Default
	// false.
	KeepHidden bool `key:"keep_hidden"`
	// Headers are sent to one origin each, for pages behind a login:
	// "https://host Authorization: Bearer ...". Default none.
	Headers []string `key:"headers" secret:"true"`
}

// Observability is what an operator sees beside the log. Where traces go is
// said by the variables of OpenTelemetry and LangSmith: see [Config.Traces].
type Observability struct {
	// Metrics counts requests for Prometheus and answers GET /metrics. Default
	// true.
	Metrics bool `key:"metrics"`
	// MetricsKey is what a scraper sends as a bearer token. Without it GET
	// /metrics answers everybody where no client needs a key, and nobody where
	// clients do. Default none.
	MetricsKey string `key:"metrics_key" secret:"true"`
	// MetricsListen is an address of its own for the metrics, host:port; GET
	// /metrics is then answered there alone. Default none.
	MetricsListen string `key:"metrics_listen"`
	// TraceContent puts messages, queries, passages and answers into traces.
	// Default false.
	TraceContent bool `key:"trace_content"`
	// Explain is how many of the last chat completions are kept in memory, with
	// question, query and ranks but no other text, for `ragproxy explain` and
	// GET /v1/rag/requests/ID; 0 to 10000. Default 0.
	Explain int `key:"explain"`
}

// Default is the tree before anything is read; what depends on the environment
// is still empty.
func Default() *Config {
	return &Config{
		Listen:    "127.0.0.1:8080",
		LogLevel:  "info",
		Upstream:  Upstream{Model: "gpt-4o-mini", ConnectTimeout: 10 * time.Second, ResponseTimeout: 10 * time.Minute, IdleTimeout: 10 * time.Minute},
		Embedding: Embedding{Provider: "minilm", BatchSize: 64},
		Rewrite:   Rewrite{Mode: "auto", MaxTurns: 10, Deadline: 3 * time.Second, History: true},
		Engine:    Engine{Kind: LocalEngine, Shards: 1, Replicas: 1},
		Index:     Index{Vector: "auto"},
		Documents: Documents{Write: true},
		Retrieval: Retrieval{TopK: 4, Depth: 100, VectorWeight: 0.5, Fusion: "scores", Deadline: 10 * time.Second},
		Rerank:    Rerank{Depth: 30, Deadline: 2 * time.Second},
		Degrade:   Degrade{Rewrite: Continue, Embed: Continue, Vector: Continue, BM25: Continue, Rerank: Continue, Index: Continue},
		Breaker:   Breaker{Failures: 5, OpenFor: 30 * time.Second},
		Prompt:    Prompt{Placement: "system"},
		Stream:    Stream{Dialect: "rag", KeepAlive: 15 * time.Second},
		Guard:     Guard{Links: true},
		Limits: Limits{
			MaxBodyBytes: 64 * MiB, MaxHeaderBytes: 64 * KiB, MaxMessages: 10000, MaxParts: 10000, MaxDepth: 512, MaxTopK: maxTopK,
			QueueTimeout: 10 * time.Second, HeaderTimeout: 10 * time.Second, BodyTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, WriteTimeout: time.Minute,
		},
		Server: Server{DrainTimeout: 30 * time.Second},
		Load:   Fetch{Timeout: 5 * time.Second, MaxBytes: 64 * MiB, ParseTimeout: time.Minute, Delay: 250 * time.Millisecond},

		Observability: Observability{Metrics: true},
	}
}

// File is the config file that was read, "" if none.
func (c *Config) File() string { return c.file }

// Source says where a key's value is from: "default", the file's path,
// ".env: NAME", "env: NAME", "flag", or the rule that filled it in.
func (c *Config) Source(key string) string {
	if s, ok := c.sources[key]; ok {
		return s
	}
	return "default"
}
