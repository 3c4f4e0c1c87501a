package proxy

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"
)

// ClientOptions say how upstreams are reached.
type ClientOptions struct {
	CAFile string // PEM certificates to trust beside the system's; "" is none
	// ProxyURL is an outbound proxy; "" follows HTTP_PROXY, HTTPS_PROXY and
	// NO_PROXY. Direct hosts (host:port) are never asked through it.
	ProxyURL string
	Direct   []string
	// ConnectTimeout bounds reaching the upstream, the TLS handshake apart,
	// which has as long again; 0 is 10 s.
	ConnectTimeout time.Duration
	// ResponseTimeout bounds the wait for an answer's header, which comes with
	// the first token of a stream and behind the last one of an answer that is
	// not streamed; 0 is no bound.
	ResponseTimeout time.Duration
	// IdleTimeout bounds the silence in the middle of an answer, which ends
	// after one to two times that; 0 is no bound.
	IdleTimeout time.Duration
}

// NewHTTPClient is NewClient without options.
func NewHTTPClient() *http.Client { return newClient(ClientOptions{}, http.ProxyFromEnvironment, nil) }

// NewClient makes a client for upstreams.
func NewClient(o ClientOptions) (*http.Client, error) {
	proxy := http.ProxyFromEnvironment
	if o.ProxyURL != "" {
		u, err := url.Parse(o.ProxyURL)
		if err != nil {
			return nil, errors.New("read proxy URL: it is no URL") // it may hold a password
		}
		proxy = func(r *http.Request) (*url.URL, error) {
			if slices.Contains(o.Direct, r.URL.Host) {
				return nil, nil
			}
			return u, nil
		}
	}
	trusted, err := trust(o.CAFile)
	if err != nil {
		return nil, err
	}
	return newClient(o, proxy, trusted), nil
}

// newClient makes enough idle connections for many streams side by side (the
// default of 2 costs 1.6 times the CPU), no compression, no redirects (a
// redirected POST is the client's to judge), and no overall timeout, which
// would cut long answers.
func newClient(o ClientOptions, proxy func(*http.Request) (*url.URL, error), trusted *tls.Config) *http.Client {
	connect := cmp.Or(o.ConnectTimeout, 10*time.Second)
	transport := &http.Transport{
		Proxy:                 proxy,
		DialContext:           (&net.Dialer{Timeout: connect, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       trusted,
		TLSHandshakeTimeout:   connect,
		ResponseHeaderTimeout: o.ResponseTimeout,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          1024,
		MaxIdleConnsPerHost:   512,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if o.IdleTimeout > 0 {
		client.Transport = silenceTransport{transport, o.IdleTimeout}
	}
	return client
}

func trust(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a system without certificates trusts these alone
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read certificates: %s holds no PEM certificate", file)
	}
	return &tls.Config{RootCAs: pool}, nil
}
