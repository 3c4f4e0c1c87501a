// Package opensearch keeps collections in OpenSearch with its k-NN plugin: the
// same engine contract as the index on disk, for several processes at once and
// for collections that are spread over machines (docs/adr/0007-engines.md).
//
// Start at [Open]. Reading is in search.go, query.go, documents.go; writing in
// run.go, stage.go, bulk.go, commit.go; what the server keeps in state.go,
// lease.go, mapping.go. Nothing is dialled before it is needed.
package opensearch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	osgo "github.com/opensearch-project/opensearch-go/v4"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
)

// Options say where the cluster is and what to work with. The zero value of a
// number means its default, but for Replicas.
type Options struct {
	// URL lists one or several nodes of one cluster, comma separated, with http
	// or https. The user and password of the first that has them are used for
	// all.
	URL      string
	Prefix   string // of the names of all indices; default "ragproxy"
	Embedder index.Embedder
	Splitter index.Splitter // may be nil where nothing is built
	Keyword  string         // name of the keyword engine of new collections; default "bleve-bm25:default"
	// Shards is how many parts a collection is cut into; default 1. It acts
	// where an index is made: on new collections, and with BuildOptions.Reembed.
	Shards int
	// Replicas is how many further copies of each shard there are. A node may
	// be lost without losing a document where it is 1 or more. It acts as Shards
	// does.
	Replicas int
	// SearchList is how many candidates a graph is searched with; default 128.
	SearchList int
	// Patience is how long a search waits for the query's vector to ask both
	// legs in one round trip; then the keyword leg goes ahead. Default 25 ms.
	Patience time.Duration
	// Timeout bounds calls that have no context; default 10 s.
	Timeout time.Duration
	// LeaseFor is how long a run that is not heard of keeps others out; default
	// 30 s.
	LeaseFor time.Duration
}

// Engine is a cluster with its collections. It implements [index.Engine].
type Engine struct {
	opts   Options
	client *osgo.Client
	http   *http.Transport
	stop   context.CancelFunc

	mu       sync.Mutex
	prepared bool
	server   version          // zero where not known
	known    map[string]state // as last seen; a search tells when one is old
	terms    lexical.TermsByName
	counts   counts
	ended    map[string]bool // tokens of this process's runs that could not give their lease back
}

var _ index.Engine = (*Engine)(nil)

var prefixName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

// Open checks the options and dials nothing.
func Open(opts Options) (*Engine, error) {
	opts.Prefix = cmp.Or(opts.Prefix, "ragproxy")
	opts.Keyword = cmp.Or(opts.Keyword, "bleve-bm25:default")
	opts.Shards = cmp.Or(opts.Shards, 1)
	opts.SearchList = cmp.Or(opts.SearchList, 128)
	opts.Patience = cmp.Or(opts.Patience, 25*time.Millisecond)
	opts.Timeout = cmp.Or(opts.Timeout, 10*time.Second)
	opts.LeaseFor = cmp.Or(opts.LeaseFor, 30*time.Second)
	if !prefixName.MatchString(opts.Prefix) {
		return nil, fmt.Errorf("opensearch: prefix %q: write small letters, digits, _ and -, a letter first", opts.Prefix)
	}
	if opts.Shards < 1 || opts.Shards > 1024 || opts.Replicas < 0 {
		return nil, fmt.Errorf("opensearch: %d shards, %d replicas: write 1 to 1,024 shards and no negative number of replicas", opts.Shards, opts.Replicas)
	}
	config, err := clientConfig(opts.URL)
	if err != nil {
		return nil, fmt.Errorf("opensearch: %w", err)
	}
	e := &Engine{opts: opts, known: map[string]state{}, ended: map[string]bool{}}
	e.http = &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true, // it takes longer than a network in one place does
	}
	config.Transport = e.http
	config.Context, e.stop = context.WithCancel(context.Background())
	if e.client, err = osgo.NewClient(config); err != nil {
		e.stop()
		return nil, fmt.Errorf("opensearch: %w", err)
	}
	return e, nil
}

// clientConfig keeps credentials out of the addresses, which errors may show.
func clientConfig(list string) (osgo.Config, error) {
	config := osgo.Config{
		MaxRetries:   3,
		RetryBackoff: func(attempt int) time.Duration { return time.Duration(attempt) * 50 * time.Millisecond },
		// A node that went is asked again soon: searches have a second or two.
		ResurrectTimeoutInitial: time.Second,
		ResurrectTimeoutMax:     5 * time.Second,
	}
	for address := range strings.SplitSeq(list, ",") {
		u, err := url.Parse(strings.TrimSpace(address))
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			// err has the address in it, and that may have a password
			return config, errors.New("engine.url: write http:// or https:// addresses of nodes, comma separated")
		}
		if u.User != nil && config.Username == "" {
			config.Username = u.User.Username()
			config.Password, _ = u.User.Password()
		}
		u.User = nil
		config.Addresses = append(config.Addresses, u.String())
	}
	return config, nil
}

// Close lets go of all connections. Searches that still run fail.
func (e *Engine) Close() error {
	e.stop()
	err := e.client.Close()
	e.http.CloseIdleConnections()
	return err
}

// SplitterName names the splitter; "" without one.
func (e *Engine) SplitterName() string {
	if e.opts.Splitter == nil {
		return ""
	}
	return e.opts.Splitter.Name()
}

// brief is a context for calls that have none.
func (e *Engine) brief() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), e.opts.Timeout)
}
