// Package ostest starts real OpenSearch nodes with the k-NN plugin for tests.
//
//	cluster := ostest.Start(t, ostest.Options{Nodes: 3}) // skips without RAGPROXY_TEST_OPENSEARCH
//	url := cluster.URL()                                 // of all nodes
//	cluster.Kill(t, 0); cluster.Restart(t, 0)            // as a machine would go and come back
//	cluster.Green(t)
//
// `bash internal/ostest/install.sh DIR` fetches the server.
package ostest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Env names the folder that install.sh has filled.
const Env = "RAGPROXY_TEST_OPENSEARCH"

// Options say what to start. The zero value is one node as it should be.
type Options struct {
	Nodes      int
	WithoutKNN bool
	// Root is the folder that install.sh has filled; default that of Env.
	Root string
	// Heap is a node's, in MB; default 512.
	Heap int
	// Settings are further ones of opensearch.yml.
	Settings map[string]any
}

// Cluster is some nodes, each a process of its own on loopback ports. Their data
// are gone with the test. Not safe for concurrent use, except for URL and Prefix.
type Cluster struct {
	opts    Options
	root    string
	version string
	nodes   []*node
	next    atomic.Int64
}

type node struct {
	name, home      string
	http, transport int
	process         *exec.Cmd
	ended           chan struct{} // closed when it has
}

const startup = 3 * time.Minute // on a machine that does other things too

// Start starts a cluster, or skips the test where there is none to start.
func Start(t testing.TB, opts Options) *Cluster {
	t.Helper()
	root := cmp.Or(opts.Root, os.Getenv(Env))
	if root == "" {
		t.Skipf("SKIPPED: no OpenSearch: run `bash internal/ostest/install.sh .artifacts/opensearch` and set %s to that folder", Env)
	}
	root, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	version, err := os.ReadFile(filepath.Join(root, "installed"))
	if err != nil {
		t.Fatalf("%s=%s: %v: run internal/ostest/install.sh", Env, root, err)
	}
	opts.Nodes, opts.Heap = max(opts.Nodes, 1), cmp.Or(opts.Heap, 512)
	c := &Cluster{opts: opts, root: root, version: string(version)}
	for i := range opts.Nodes {
		c.nodes = append(c.nodes, &node{
			name: fmt.Sprintf("node%d", i), home: t.TempDir(), http: freePort(t), transport: freePort(t),
		})
	}
	for i := range c.nodes {
		c.configure(t, i)
		c.start(t, i)
		t.Cleanup(func() { c.Kill(t, i) })
	}
	for i := range c.nodes {
		c.await(t, i, opts.Nodes)
	}
	return c
}

const logging = `appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
`

func (c *Cluster) configure(t testing.TB, i int) {
	t.Helper()
	n := c.nodes[i]
	var seeds, names []string
	for _, o := range c.nodes {
		seeds, names = append(seeds, fmt.Sprintf("127.0.0.1:%d", o.transport)), append(names, o.name)
	}
	settings := map[string]any{
		"cluster.name": "ostest", "node.name": n.name, "network.host": "127.0.0.1", "http.port": n.http, "transport.port": n.transport,
		"path.data": filepath.Join(n.home, "data"), "path.logs": filepath.Join(n.home, "logs"),
		"discovery.seed_hosts": seeds, "cluster.initial_cluster_manager_nodes": names,
		"cluster.routing.allocation.disk.threshold_enabled": false, // the disk is the tests' own affair
		"node.processors": 2,
	}
	maps.Copy(settings, c.opts.Settings)
	yml, err := json.Marshal(settings) // which is YAML
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(n.home, "config")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"opensearch.yml": string(yml), "log4j2.properties": logging} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *Cluster) start(t testing.TB, i int) {
	t.Helper()
	n := c.nodes[i]
	ending := "ModulePlugin" // since OpenSearch 3
	if strings.HasPrefix(c.version, "2.") {
		ending = "Plugin"
	}
	plugins := []string{
		"org.opensearch.painless.Painless" + ending,
		"org.opensearch.index.reindex.Reindex" + ending, "org.opensearch.transport.Netty4" + ending,
	}
	classes := []string{c.root, filepath.Join(c.root, "server", "*")}
	if !c.opts.WithoutKNN {
		plugins = append(plugins, "org.opensearch.knn.plugin.KNNPlugin")
		classes = append(classes, filepath.Join(c.root, "knn", "*"))
	}
	heap := fmt.Sprintf("%dm", c.opts.Heap)
	args := []string{"-Xms" + heap, "-Xmx" + heap, "-XX:+ExitOnOutOfMemoryError", "-cp", strings.Join(classes, string(os.PathListSeparator)), "Node", filepath.Join(n.home, "config")}
	n.process = exec.Command("java", append(args, plugins...)...)
	n.process.Dir = n.home
	log, err := os.OpenFile(n.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	n.process.Stdout, n.process.Stderr = log, log
	endWithTest(n.process)
	if err := n.process.Start(); err != nil {
		t.Fatalf("start OpenSearch: %v", err)
	}
	ended := make(chan struct{})
	go func(p *exec.Cmd) {
		defer close(ended)
		_ = p.Wait() // "killed"
	}(n.process)
	n.ended = ended
}

func (n *node) log() string { return filepath.Join(n.home, "log") }

// await waits until a node answers as one of a cluster of so many, and every
// shard is somewhere.
func (c *Cluster) await(t testing.TB, i, members int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startup)
	defer cancel()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		if h, err := c.health(ctx, i); err == nil && h.Nodes >= members && h.Status != "red" {
			return
		}
		select {
		case <-c.nodes[i].ended:
			t.Fatalf("OpenSearch ended:\n%s", c.Log(i))
		case <-ctx.Done():
			t.Fatalf("OpenSearch does not answer:\n%s", c.Log(i))
		case <-poll.C:
		}
	}
}

type health struct {
	Status string `json:"status"`
	Nodes  int    `json:"number_of_nodes"`
}

func (c *Cluster) health(ctx context.Context, i int) (h health, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.nodes[i].url()+"/_cluster/health?timeout=1s", nil)
	if err != nil {
		return h, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return h, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return h, fmt.Errorf("health: status %d: %s, %w", resp.StatusCode, b, err)
	}
	return h, json.Unmarshal(b, &h)
}

// Green waits until every shard has all of its copies.
func (c *Cluster) Green(t testing.TB) {
	t.Helper()
	var last health
	for end := time.Now().Add(startup); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for i, n := range c.nodes {
			if n.process == nil {
				continue
			}
			h, err := c.health(t.Context(), i)
			if err == nil && h.Status == "green" {
				return
			}
			last = h
			break
		}
	}
	t.Fatalf("the cluster is not green: %+v", last)
}

// Manager is the node that the others have elected to manage the cluster.
func (c *Cluster) Manager(t testing.TB) int {
	t.Helper()
	for _, n := range c.nodes {
		if n.process == nil {
			continue
		}
		resp, err := http.Get(n.url() + "/_cat/cluster_manager?h=node")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range c.nodes {
			if n.name == strings.TrimSpace(string(b)) {
				return i
			}
		}
		t.Fatalf("the cluster's manager is %q, which is none of its nodes", b)
	}
	t.Fatal("no node is there")
	return 0
}

// Kill ends a node at once, as a crash would.
func (c *Cluster) Kill(t testing.TB, i int) {
	t.Helper()
	n := c.nodes[i]
	if n.process == nil {
		return
	}
	_ = n.process.Process.Kill() // it may have ended by itself
	<-n.ended
	n.process = nil
}

// KillAll ends every node.
func (c *Cluster) KillAll(t testing.TB) {
	t.Helper()
	for i := range c.nodes {
		c.Kill(t, i)
	}
}

// Restart starts nodes that were killed again, on the same ports and data, and
// waits until they answer as some of the cluster and have the data.
func (c *Cluster) Restart(t testing.TB, nodes ...int) {
	t.Helper()
	for _, i := range nodes {
		c.start(t, i)
	}
	members := 0
	for _, n := range c.nodes {
		if n.process != nil {
			members++
		}
	}
	for _, i := range nodes {
		c.await(t, i, members)
	}
}

// RestartAll starts every node again.
func (c *Cluster) RestartAll(t testing.TB) {
	t.Helper()
	all := make([]int, len(c.nodes))
	for i := range all {
		all[i] = i
	}
	c.Restart(t, all...)
}

// Log is what a node has said.
func (c *Cluster) Log(i int) string {
	b, _ := os.ReadFile(c.nodes[i].log()) // only words for a message
	return string(b)
}

func (n *node) url() string { return fmt.Sprintf("http://127.0.0.1:%d", n.http) }

// URL lists the addresses of all nodes, comma separated.
func (c *Cluster) URL() string {
	urls := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		urls[i] = n.url()
	}
	return strings.Join(urls, ",")
}

// Prefix is one that no other test's indices have.
func (c *Cluster) Prefix() string { return fmt.Sprintf("test%d", c.next.Add(1)) }

// freePort asks for a port that nobody has. Somebody may take it before the
// server does; then the test fails and says so.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
