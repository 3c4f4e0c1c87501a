package enginetest_test

import (
	"testing"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/enginetest"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/opensearch"
	"github.com/ragproxy/ragproxy/index/postgres"
	"github.com/ragproxy/ragproxy/index/split"
	"github.com/ragproxy/ragproxy/index/vector"
	"github.com/ragproxy/ragproxy/internal/ostest"
	"github.com/ragproxy/ragproxy/internal/pgtest"
)

func TestConformance(t *testing.T) {
	t.Run("local", func(t *testing.T) { enginetest.Run(t, enginetest.Backend{New: local, Local: local}) })
	t.Run("postgres", func(t *testing.T) {
		server := pgtest.Start(t)
		enginetest.Run(t, onPostgres(server, postgres.Options{}))
	})
	// A graph from the first chunk on, where the others compare all vectors.
	t.Run("postgres-graph", func(t *testing.T) {
		server := pgtest.Start(t)
		enginetest.Run(t, onPostgres(server, postgres.Options{HNSWFrom: 1}))
	})
	t.Run("opensearch", func(t *testing.T) {
		cluster := ostest.Start(t, ostest.Options{})
		enginetest.Run(t, onOpenSearch(cluster, opensearch.Options{}))
	})
	// Parts of a collection on every node, and each twice.
	t.Run("opensearch-cluster", func(t *testing.T) {
		cluster := ostest.Start(t, ostest.Options{Nodes: 3})
		enginetest.Run(t, onOpenSearch(cluster, opensearch.Options{Shards: 2, Replicas: 1}))
	})
}

func splitter(t testing.TB) index.Splitter {
	t.Helper()
	s, err := split.NewRecursive(split.Options{Size: 60})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func local(t testing.TB) enginetest.Store {
	dir := t.TempDir()
	return func(t testing.TB, e index.Embedder) index.Engine {
		t.Helper()
		keyword, err := lexical.New(lexical.Options{})
		if err != nil {
			t.Fatal(err)
		}
		exact, err := vector.New("exact")
		if err != nil {
			t.Fatal(err)
		}
		return closed(t, index.Open(index.Options{
			Dir: dir, Embedder: e, Splitter: splitter(t), Vector: exact, VectorByName: vector.New, Keyword: keyword,
		}))
	}
}

func onPostgres(server *pgtest.Server, opts postgres.Options) enginetest.Backend {
	return enginetest.Backend{
		New: func(t testing.TB) enginetest.Store {
			url := server.Database(t)
			return func(t testing.TB, e index.Embedder) index.Engine {
				t.Helper()
				o := opts
				o.URL, o.Embedder, o.Splitter = url, e, splitter(t)
				x, err := postgres.Open(o)
				if err != nil {
					t.Fatal(err)
				}
				return closed(t, x)
			}
		},
		Local: local, Kill: server.Kill, Restart: server.Restart,
	}
}

func onOpenSearch(cluster *ostest.Cluster, opts opensearch.Options) enginetest.Backend {
	return enginetest.Backend{
		New: func(t testing.TB) enginetest.Store {
			prefix := cluster.Prefix()
			return func(t testing.TB, e index.Embedder) index.Engine {
				t.Helper()
				o := opts
				o.URL, o.Prefix, o.Embedder, o.Splitter = cluster.URL(), prefix, e, splitter(t)
				x, err := opensearch.Open(o)
				if err != nil {
					t.Fatal(err)
				}
				return closed(t, x)
			}
		},
		Local: local, Kill: cluster.KillAll, Restart: cluster.RestartAll,
	}
}

func closed(t testing.TB, x index.Engine) index.Engine {
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return x
}
