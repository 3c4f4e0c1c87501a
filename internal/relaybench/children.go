package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// child is a process that serves.
type child struct {
	name string
	cmd  *exec.Cmd
	done chan error
	url  string // base URL, with /v1
}

func (c *child) pid() int { return c.cmd.Process.Pid }

var listening = regexp.MustCompile(`listening on (http://\S+)`)

// start runs a program and waits until it says where it listens. Its standard
// error goes to a file: a pipe would cost this process a wake-up a log line.
func start(ctx context.Context, dir, name string, cmd *exec.Cmd) (*child, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c := &child{name: name, cmd: cmd, done: make(chan error, 1)}
	go func() { c.done <- cmd.Wait() }()
	for deadline := time.After(20 * time.Second); ; {
		said, err := os.ReadFile(log.Name())
		if err != nil {
			c.stop()
			return nil, fmt.Errorf("start %s: %w", name, err)
		}
		if m := listening.FindSubmatch(said); m != nil && bytes.HasSuffix(said, []byte("\n")) {
			c.url = string(m[1]) + "/v1"
			return c, nil
		}
		select {
		case err := <-c.done:
			return nil, fmt.Errorf("start %s: it ended: %w\n%s", name, errOr(err, "with no error"), said)
		case <-deadline:
			c.stop()
			return nil, fmt.Errorf("start %s: it does not listen\n%s", name, said)
		case <-ctx.Done():
			c.stop()
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func errOr(err error, otherwise string) error {
	if err == nil {
		return errors.New(otherwise)
	}
	return err
}

// stop ends the process and waits for it.
func (c *child) stop() {
	c.cmd.Process.Signal(os.Interrupt)
	select {
	case <-c.done:
	case <-time.After(5 * time.Second):
		c.cmd.Process.Kill()
		<-c.done
	}
}

// startSelf runs this program in another role. It ends with its standard
// input, so also if this process is killed.
func startSelf(ctx context.Context, dir, role string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"-role", role}, args...)...)
	cmd.Env = []string{"HOME=" + dir}
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	return start(ctx, dir, role, cmd)
}

// serveChild serves until standard input ends.
func serveChild(h http.Handler) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "listening on http://%s\n", l.Addr())
	srv := &http.Server{Handler: h}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		srv.Close()
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

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
	return serveChild(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy.ServeHTTP(w, r)
	}))
}

// build makes the binary that is measured, as the Makefile does.
func build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "ragproxy")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=auto", "-trimpath", "-ldflags", "-s -w", "-o", binary, "github.com/ragproxy/ragproxy/cmd/ragproxy")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GIT_OPTIONAL_LOCKS=0") // the stamp only reads
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build ragproxy: %w\n%s", err, out)
	}
	return binary, nil
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
