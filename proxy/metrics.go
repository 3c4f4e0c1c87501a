package proxy

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"

	"github.com/ragproxy/ragproxy/index"
)

// Observe says what an operator sees of the server, beside its log.
type Observe struct {
	// Metrics are counted and answered by [Server.Metrics]; with MetricsHere also
	// by GET /metrics. Where clients need keys that wants MetricsKey, too: it is
	// sent as a bearer token, and client keys do not open it.
	Metrics, MetricsHere bool
	MetricsKey           string
	// Served lists what is searched, for the metrics; nil leaves that out.
	Served func() ([]index.Served, error)

	// Traces takes the spans; nil makes none. TraceContent puts messages,
	// queries, passages and answers into them.
	Traces       trace.TracerProvider
	TraceContent bool

	// Explain is how many of the last requests GET /v1/rag/requests/ID explains;
	// 0 is none.
	Explain int
}

const metricsPath = "/metrics"

// metrics of a server; nil counts nothing. Every label is of a fixed set, or
// the name of a collection that exists.
type metrics struct {
	registry   *prometheus.Registry
	requests   *prometheus.HistogramVec
	stages     *prometheus.HistogramVec
	firstDelta prometheus.Histogram
	passages   prometheus.Histogram
	degraded   *prometheus.CounterVec
	tokens     *prometheus.CounterVec
}

// Bounds of the histograms in seconds: a stage takes less than a millisecond or
// as long as its deadline, a request up to minutes.
var (
	requestBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
	stageBuckets   = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	countBuckets   = []float64{0, 1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 100}
)

func newMetrics(o Observe, version string, logger *slog.Logger) *metrics {
	if !o.Metrics {
		return nil
	}
	histogram := func(name, help string, buckets []float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Namespace: "ragproxy", Name: name, Help: help, Buckets: buckets}
	}
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "ragproxy", Name: name, Help: help}
	}
	m := &metrics{
		registry:   prometheus.NewRegistry(),
		requests:   prometheus.NewHistogramVec(histogram("request_duration_seconds", "From the request's header to the answer's end. status is the class of its status, of the error's where an answer broke off.", requestBuckets), []string{"route", "status"}),
		stages:     prometheus.NewHistogramVec(histogram("stage_duration_seconds", "Of each stage of a request; those of the legs overlap.", stageBuckets), []string{"stage"}),
		firstDelta: prometheus.NewHistogram(histogram("time_to_first_delta_seconds", "From the request's header to the first piece of a streamed answer.", requestBuckets)),
		passages:   prometheus.NewHistogram(histogram("retrieved_passages", "Passages of a retrieval, as the prompt had them.", countBuckets)),
		degraded:   prometheus.NewCounterVec(counter("degraded_total", "Stages of retrievals that failed, whether the answer came without them or was refused."), []string{"stage"}),
		tokens:     prometheus.NewCounterVec(counter("tokens_total", "Tokens as the upstreams report them."), []string{"kind"}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "ragproxy", Name: "build_info", Help: "1."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.requests, m.stages, m.firstDelta, m.passages, m.degraded, m.tokens, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if o.Served != nil {
		m.registry.MustRegister(newServedMetrics(o.Served, logger))
	}
	return m
}

// request counts a request that has ended.
func (m *metrics) request(n *notes, status int) {
	if m == nil {
		return
	}
	m.requests.WithLabelValues(n.route, statusClass(status)).Observe(time.Since(n.begin).Seconds())
	for _, s := range n.stages {
		m.stages.WithLabelValues(s.Name).Observe(s.Took.Seconds())
	}
	if n.header > 0 {
		m.stages.WithLabelValues("upstream_header").Observe(n.header.Seconds())
	}
	if !n.firstDelta.IsZero() {
		m.firstDelta.Observe(n.firstDelta.Sub(n.begin).Seconds())
	}
	m.add("input", n.usage.input)
	m.add("output", n.usage.output)
	for _, stage := range n.degraded {
		m.degraded.WithLabelValues(stage).Inc()
	}
	if n.result == nil {
		return
	}
	m.passages.Observe(float64(len(n.result.Sources)))
	if u := n.result.Usage; u != nil {
		m.add("rewrite_input", int(u.PromptTokens))
		m.add("rewrite_output", int(u.CompletionTokens))
	}
}

func (m *metrics) add(kind string, tokens int) {
	if tokens > 0 { // a counter does not go back, whatever an upstream says
		m.tokens.WithLabelValues(kind).Add(float64(tokens))
	}
}

func statusClass(status int) string {
	if status < 100 || status > 599 {
		return "other"
	}
	return string(rune('0'+status/100)) + "xx"
}

// servedMetrics reads the collections when it is asked.
type servedMetrics struct {
	served                     func() ([]index.Served, error)
	logger                     *slog.Logger
	generation, documents, lag *prometheus.Desc
}

func newServedMetrics(served func() ([]index.Served, error), logger *slog.Logger) servedMetrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("ragproxy_"+name, help, []string{"collection"}, nil)
	}
	return servedMetrics{
		served, logger,
		desc("index_generation", "Generation that is searched."),
		desc("index_documents", "Documents in it."),
		desc("ingest_lag_seconds", "From the generation's publication to when this server had it open; of collections that were searched since it began."),
	}
}

// Describe implements prometheus.Collector.
func (m servedMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- m.generation
	to <- m.documents
	to <- m.lag
}

// Collect implements prometheus.Collector.
func (m servedMetrics) Collect(to chan<- prometheus.Metric) {
	list, err := m.served()
	if err != nil { // of single collections
		m.logger.Warn("collection cannot be read", "error", err)
	}
	for _, s := range list {
		gauge := func(d *prometheus.Desc, v float64) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, s.Collection)
		}
		gauge(m.generation, float64(s.Generation))
		gauge(m.documents, float64(s.Documents))
		if s.Open {
			gauge(m.lag, s.Lag.Seconds())
		}
	}
}

// Metrics answers any path with the metrics, for a listener of their own; it
// asks for the metrics key if there is one.
func (s *Server) Metrics() http.Handler {
	if s.metrics == nil {
		return http.NotFoundHandler()
	}
	inner := promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelWarn)})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if key := s.opts.Observe.MetricsKey; key != "" && !bears(r.Header, key) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "send the metrics key: Authorization: Bearer KEY", http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

func bears(h http.Header, key string) bool {
	scheme, secret, _ := strings.Cut(strings.TrimSpace(h.Get("Authorization")), " ")
	got, want := sha256.Sum256([]byte(strings.TrimSpace(secret))), sha256.Sum256([]byte(key))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

var errMetricsClosed = errors.New("no key for the metrics")

// metricsHere answers GET /metrics on the server's own listener, which the
// guard leaves to it: no web page reads it, and no client's key opens it.
func (s *Server) metricsHere(handler http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := s.checkWeb(c); err != nil {
			s.refuse(c, err)
			return
		}
		if s.opts.Keys.Required() && s.opts.Observe.MetricsKey == "" {
			e := forbidden("metrics_closed", "", "the metrics need a key of their own here: set observability.metrics_key, or observability.metrics_listen")
			e.Err = errMetricsClosed
			s.refuse(c, e)
			return
		}
		handler.ServeHTTP(c.Writer, c.Request)
	}
}
