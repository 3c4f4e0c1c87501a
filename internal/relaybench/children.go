package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"

	"github.com/ragproxy/ragproxy/internal/child"
)

// serveReference is the least that a correct streaming proxy does: the body
// read first (golang/go#40747), idle connections for all streams, a flush
// after each read.
func serveReference(upstream string) error {
	target, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host },
		FlushInterval: -1,
		Transport:     &http.Transport{MaxIdleConns: 1024, MaxIdleConnsPerHost: 512, DisableCompression: true},
	}
	return child.Serve(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy.ServeHTTP(w, r)
	})})
}

// ragproxy is a command of the measured binary, with nothing of this
// machine's configuration.
func ragproxy(ctx context.Context, binary, dir, upstream string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"HOME=" + dir, "XDG_CONFIG_HOME=" + dir + "/config", "XDG_DATA_HOME=" + dir + "/data", "XDG_CACHE_HOME=" + dir + "/cache",
		"RAGPROXY_LISTEN=127.0.0.1:0",
		"RAGPROXY_UPSTREAM_BASE_URL=" + upstream, "RAGPROXY_UPSTREAM_API_KEY=stub",
		"RAGPROXY_EMBEDDING_PROVIDER=openai", "RAGPROXY_EMBEDDING_BASE_URL=" + upstream, "RAGPROXY_EMBEDDING_API_KEY=stub", "RAGPROXY_EMBEDDING_MODEL=stub",
	}
	return cmd
}
