package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ragproxy/ragproxy/config"
	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/proxy"
)

// reloader reads again, on SIGHUP, what can change in a running server.
type reloader struct {
	cmd    *cobra.Command
	cfg    *config.Config // as the server began with it
	engine index.Engine
	opts   proxy.Options
	cert   *certificate
	server *proxy.Server
}

func (r *reloader) run(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			r.opts.Keys.Refresh(r.opts.Logger)
			if err := r.reload(); err != nil {
				r.opts.Logger.Error("configuration not reloaded, the old one stays in force", "error", err)
				continue
			}
			r.opts.Logger.Info("configuration reloaded: prompts, limits, certificate")
		}
	}
}

// reload makes all parts before it puts the first into force.
func (r *reloader) reload() error {
	read, err := loadConfig(r.cmd, nil, false)
	if err != nil {
		return err
	}
	cfg := *r.cfg
	cfg.Prompt, cfg.Limits = read.Prompt, read.Limits
	retriever, err := newRetriever(&cfg, r.engine, r.opts.Tokens)
	if err != nil {
		return err
	}
	if err := r.cert.load(); err != nil {
		return err
	}
	r.server.Reload(retriever, int64(cfg.Limits.MaxBodyBytes), limits(cfg.Limits))
	return nil
}

// certificate is the server's, read again by load.
type certificate struct {
	files   config.TLS
	current atomic.Pointer[tls.Certificate]
}

func newCertificate(files config.TLS) (*certificate, error) {
	c := &certificate{files: files}
	return c, c.load()
}

func (c *certificate) load() error {
	if c.files.CertFile == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return fmt.Errorf("tls.cert_file: %w", err)
	}
	c.current.Store(&pair)
	return nil
}

// config is nil where the server speaks plain HTTP.
func (c *certificate) config() *tls.Config {
	if c.files.CertFile == "" {
		return nil
	}
	return &tls.Config{
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}
