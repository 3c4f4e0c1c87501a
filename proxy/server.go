package proxy

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/internal/breaker"
	"github.com/ragproxy/ragproxy/proxy/access"
	"github.com/ragproxy/ragproxy/proxy/dialect"
	"github.com/ragproxy/ragproxy/proxy/sse"
	"github.com/ragproxy/ragproxy/retrieval"
)

// Options are what a server is made of.
type Options struct {
	Upstream Upstream
	// Rewrite is the upstream of the rewrite call; its zero value means
	// Upstream. RewriteModel replaces the client's model there.
	Rewrite Upstream
	// RewriteForeign says that Rewrite is another origin than Upstream: the
	// client's credentials are not sent there.
	RewriteForeign bool
	RewriteModel   string
	RewriteBreaker *breaker.Breaker // nil: the rewrite is always asked for
	// Model is put into requests that name none; "" leaves them as they are.
	Model string

	Retriever *retrieval.Retriever
	Keys      *access.Store // nil: no key is needed
	Limits    Limits

	// Collections lists what can be searched; its error is about others, which
	// cannot be read.
	Collections func() ([]index.CollectionInfo, error)
	Collection  string // searched by /v1/rag/search when the client names none
	TopK        int    // as in the retriever, for /v1/rag/search

	// EngineReady says whether the engine can be reached, for /readyz; nil where
	// it always can. Where EngineRequired, a server whose engine is away is not
	// ready; otherwise only one is that has not reached it yet.
	EngineReady    func(context.Context) error
	EngineRequired bool

	// Documents reads and changes what is indexed; nil has no such paths.
	Documents Documents
	Writing   Writing

	// MaxContextTokens, counted by Tokens, is the retriever's; 0 is no bound.
	MaxContextTokens int
	Tokens           *retrieval.TokenCounter

	Placement    string         // PlacementSystem or PlacementUser
	Dialect      string         // default dialect
	Events       dialect.Filter // default events
	Switches     dialect.Switches
	GuardLinks   bool          // tells of links in answers that only passages have
	KeepAlive    time.Duration // silence that a comment fills; 0 is never
	MaxBodyBytes int64

	Aliases []Alias // further model names, listed by /v1/models
	Observe Observe

	Playground Playground

	Web            Web
	Timeouts       Timeouts
	MaxHeaderBytes int         // 0 is net/http's 1 MiB
	TLS            *tls.Config // Serve speaks TLS; nil does not

	HTTPClient *http.Client // for the upstream; nil makes one
	Logger     *slog.Logger
	Version    string
}

// Server answers; safe for concurrent use.
type Server struct {
	opts     Options
	upstream *upstream
	rewrite  *upstream
	client   *http.Client
	engine   *gin.Engine
	buffers  sse.Buffers
	settings atomic.Pointer[settings]
	running  running
	stopping atomic.Bool
	reached  atomic.Bool // the engine, once at least

	metrics   *metrics
	tracer    trace.Tracer         // nil makes no spans
	address   []attribute.KeyValue // the upstream's, for spans
	explained *explained

	assets func() (map[string]asset, error) // the playground's files, read when first asked for
}

// New makes a server.
func New(opts Options) *Server {
	s := &Server{opts: opts, client: opts.HTTPClient, assets: sync.OnceValues(loadPlayground)}
	if s.client == nil {
		s.client = NewHTTPClient()
	}
	if s.opts.Tokens == nil {
		s.opts.Tokens = &retrieval.TokenCounter{}
	}
	s.Reload(opts.Retriever, opts.MaxBodyBytes, opts.Limits)
	s.upstream = newUpstream(opts.Upstream, s.client)
	s.rewrite = s.upstream
	if opts.Rewrite != (Upstream{}) {
		s.rewrite = newUpstream(opts.Rewrite, s.client)
	}
	s.metrics, s.explained = newMetrics(opts.Observe, opts.Version, opts.Logger), newExplained(opts.Observe.Explain)
	if s.explained != nil {
		go s.opts.Tokens.Count("", 0) // reads its vocabulary, so that no request waits for that
	}
	if opts.Observe.Traces != nil {
		s.address = addressOf(opts.Upstream.BaseURL)
		s.tracer = opts.Observe.Traces.Tracer(scope, trace.WithInstrumentationVersion(opts.Version))
	}
	s.engine = s.routes()
	return s
}

func (s *Server) routes() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.RedirectTrailingSlash = false // it would answer a POST with a 307
	e.HandleMethodNotAllowed = false
	e.Use(s.recoverer, s.requestID, s.observe, s.guard)
	e.GET("/", s.handle(s.root))
	e.GET("/playground/*file", s.handle(s.playground))
	e.GET("/livez", s.live)
	e.GET("/healthz", s.live)
	e.GET("/readyz", s.ready)
	e.POST("/v1/chat/completions", s.handle(s.chat))
	e.POST("/v1/rag/search", s.handle(s.search))
	e.GET("/v1/rag/collections", s.handle(s.collections))
	if s.opts.Documents != nil {
		e.GET("/v1/rag/documents", s.handle(s.listDocuments))
		e.GET("/v1/rag/documents/*id", s.handle(s.document))
		e.DELETE("/v1/rag/documents/*id", s.handle(s.deleteDocument))
		e.POST("/v1/rag/documents", s.handle(s.ingest))
	}
	e.GET("/v1/rag/requests/:id", s.handle(s.explain))
	if s.metrics != nil && s.opts.Observe.MetricsHere {
		e.GET(metricsPath, s.metricsHere(s.Metrics()))
	}
	if len(s.opts.Aliases) > 0 {
		e.GET("/v1/models", s.handle(s.models))
		e.GET("/v1/models/*id", s.handle(s.model))
	}
	e.NoRoute(s.handle(s.passOn))
	return e
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }
