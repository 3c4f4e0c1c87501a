package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/proxy"
)

// observe is what the configuration says of the operator's view; where traces
// go is not among it.
func observe(cfg *config.Config, engine index.Engine) proxy.Observe {
	o := cfg.Observability
	return proxy.Observe{
		Metrics: o.Metrics || o.MetricsListen != "", MetricsHere: o.Metrics && o.MetricsListen == "", MetricsKey: o.MetricsKey, Served: engine.Served,
		TraceContent: o.TraceContent, Explain: o.Explain,
	}
}

// serveMetrics answers on observability.metrics_listen, if that is set, until
// stop is called.
func serveMetrics(cfg *config.Config, server *proxy.Server, told io.Writer) (stop func(), err error) {
	address := cfg.Observability.MetricsListen
	if address == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("observability.metrics_listen: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", server.Metrics())
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	go srv.Serve(l) // ends with the Close of stop
	fmt.Fprintf(told, "metrics: http://%s/metrics\n", l.Addr())
	return func() { srv.Close() }, nil
}

// tellTraces says where traces go: the host, as the rest may be nobody's
// business.
func tellTraces(cfg *config.Config, told io.Writer) {
	for _, to := range cfg.Traces() {
		if u, err := url.Parse(to.URL); err == nil {
			fmt.Fprintf(told, "traces: %s://%s (%s)\n", u.Scheme, u.Host, to.Source)
		}
	}
}
