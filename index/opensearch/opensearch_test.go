package opensearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/enginetest"
	"github.com/ragproxy/ragproxy/index/split"
	"github.com/ragproxy/ragproxy/internal/ostest"
)

func TestOpenSearchOptions(t *testing.T) {
	for _, url := range []string{"", "localhost:9200", "http://", "http://one:9200,two:9200", "ftp://u:verysecret@h", "http://u:verysecret@h:port"} {
		_, err := Open(Options{URL: url})
		if err == nil || !strings.Contains(err.Error(), "engine.url: write http://") || strings.Contains(err.Error(), "verysecret") {
			t.Errorf("%s: got %v, want what to write and no password", url, err)
		}
	}
	for _, o := range []Options{{Shards: -1}, {Replicas: -1}, {Prefix: "Big"}, {Prefix: "a*"}} {
		o.URL = "http://h:1"
		if _, err := Open(o); err == nil {
			t.Errorf("%+v: got no error", o)
		}
	}
}

func TestReadVersion(t *testing.T) {
	for _, c := range []struct {
		distribution, number, want string
		factor                     float64
	}{
		{"opensearch", "2.19.1", "", legacyBM25}, {"opensearch", "2.16.0", "", legacyBM25}, {"opensearch", "3.1.0", "", 1},
		{"opensearch", "2.9.0", "OpenSearch 2.16 or later is needed", 0}, {"opensearch", "1.3.20", "or later is needed", 0},
		{"", "8.17.0", "not OpenSearch", 0}, {"opensearch", "x", "or later is needed", 0},
	} {
		v, err := readVersion(c.distribution, c.number)
		if c.want == "" && (err != nil || v.factor != c.factor) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %s: got %+v, %v, want %q", c.distribution, c.number, v, err, c.want)
		}
	}
}

// What is wrong with a server is said with what to do.
func TestOpenSearchWithoutKNN(t *testing.T) {
	cluster := ostest.Start(t, ostest.Options{WithoutKNN: true})
	x := engine(t, cluster, Options{})
	_, err := x.Begin(t.Context(), index.BuildOptions{Collection: "c"})
	if err == nil || !strings.Contains(err.Error(), "no k-NN plugin on node0: run bin/opensearch-plugin install") {
		t.Errorf("begin: got %v, want which node needs the plugin", err)
	}
	if _, err := x.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "k-NN plugin on node0") {
		t.Errorf("check: got %v", err)
	}
}

func TestOpenSearch(t *testing.T) {
	// What does not fit into 6 MB of writes under way is refused for now.
	cluster := ostest.Start(t, ostest.Options{Settings: map[string]any{"indexing_pressure.memory.limit": "6mb"}})
	for _, c := range []struct {
		name string
		test func(t *testing.T, cluster *ostest.Cluster)
	}{
		{"BackPressure", backPressure}, {"ReadOnly", readOnly}, {"Foreign", foreign}, {"StoreGone", storeGone}, {"Template", template},
		{"Fenced", fenced}, {"Purge", purge}, {"Dropped", dropped}, {"Shards", shards}, {"Patience", patience},
		{"Credentials", credentials},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, cluster) })
	}
}

func splitter(t testing.TB) index.Splitter {
	t.Helper()
	s, err := split.NewRecursive(split.Options{Size: 350, Overlap: 70})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func engine(t testing.TB, cluster *ostest.Cluster, o Options) *Engine {
	t.Helper()
	o.Splitter = splitter(t)
	if o.URL == "" {
		o.URL = cluster.URL()
	}
	if o.Embedder == nil {
		o.Embedder = &enginetest.Bag{}
	}
	if o.Prefix == "" {
		o.Prefix = cluster.Prefix()
	}
	x, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func doc(id, text string) index.Document { return index.Document{ID: id, Text: text} }

func begin(t testing.TB, x index.Engine) index.Run {
	t.Helper()
	r, err := x.Begin(t.Context(), index.BuildOptions{Collection: "c"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Abort() })
	return r
}

func add(t testing.TB, r index.Run, docs ...index.Document) {
	t.Helper()
	for _, d := range docs {
		if _, err := r.Add(t.Context(), "source", d); err != nil {
			t.Fatal(err)
		}
	}
}

func publish(t testing.TB, x index.Engine, docs ...index.Document) index.Manifest {
	t.Helper()
	r := begin(t, x)
	add(t, r, docs...)
	m, err := r.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// hits are the documents that each leg finds.
func hits(t *testing.T, x *Engine, query string) (vector, keyword string) {
	t.Helper()
	legs, err := x.Search(t.Context(), index.Query{Text: query, Collection: "c", Depth: 50})
	if err = errors.Join(err, legs.Vector.Err, legs.Keyword.Err); err != nil {
		t.Fatal(err)
	}
	ids := func(leg index.Leg) string {
		seen := map[string]bool{}
		for _, h := range leg.Hits {
			seen[h.Chunk.DocumentID] = true
		}
		return fmt.Sprint(seen)
	}
	return ids(legs.Vector), ids(legs.Keyword)
}

func finds(t *testing.T, x *Engine, query, want string) {
	t.Helper()
	if v, k := hits(t, x, query); v != want || k != want {
		t.Errorf("%s: got %s by vectors and %s by words, want %s", query, v, k, want)
	}
}

// backPressure: a server that takes less at a time than is sent gets all of it.
func backPressure(t *testing.T, cluster *ostest.Cluster) {
	x := engine(t, cluster, Options{})
	docs, _ := enginetest.Sample(1500, 0)
	m := publish(t, x, docs...)
	if m.Documents != 1500 {
		t.Errorf("got %d documents, want 1500", m.Documents)
	}
	report, err := x.Inspect(t.Context(), "c")
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("got %v, %v", report.Problems, err)
	}
	var stats struct {
		Nodes map[string]struct {
			Pressure struct {
				Memory struct {
					Total struct {
						Rejections int `json:"coordinating_rejections"`
					} `json:"total"`
				} `json:"memory"`
			} `json:"indexing_pressure"`
		} `json:"nodes"`
	}
	if err := x.call(t.Context(), http.MethodGet, "/_nodes/stats/indexing_pressure", nil, &stats); err != nil {
		t.Fatal(err)
	}
	rejected := 0
	for _, n := range stats.Nodes {
		rejected += n.Pressure.Memory.Total.Rejections
	}
	if rejected == 0 {
		t.Error("the server has refused nothing: this test tries no second time")
	}
}

// readOnly: a full disk is told, and what is published is still found.
func readOnly(t *testing.T, cluster *ostest.Cluster) {
	x := engine(t, cluster, Options{})
	publish(t, x, doc("a", "fox"))
	block := func(pattern string, on any) {
		t.Helper()
		if err := x.call(t.Context(), http.MethodPut, "/"+pattern+"/_settings", object{"index.blocks.read_only_allow_delete": on}, nil); err != nil {
			t.Fatal(err)
		}
	}
	told := func(err error) {
		t.Helper()
		if !errors.Is(err, index.ErrReadOnly) || !strings.Contains(err.Error(), "free disk space") || !strings.Contains(err.Error(), "read_only_allow_delete") {
			t.Errorf("got %v, want ErrReadOnly and what to do", err)
		}
	}
	block(x.opts.Prefix+"-*", true) // as OpenSearch does where a disk is 95 % full
	_, err := x.Begin(t.Context(), index.BuildOptions{Collection: "c"})
	told(err)
	finds(t, x, "fox", "map[a:true]")
	block(x.collectionsIndex(), nil)
	r := begin(t, x)
	add(t, r, doc("b", "fox"))
	_, err = r.Commit(t.Context())
	told(err)
	finds(t, x, "fox", "map[a:true]")
	block(x.opts.Prefix+"-*", nil)
	publish(t, x, doc("b", "fox"))
	finds(t, x, "fox", "map[a:true b:true]")

	// And as where all disks are 90 % full.
	create := func(on any) {
		t.Helper()
		if err := x.call(t.Context(), http.MethodPut, "/_cluster/settings", object{"persistent": object{"cluster.blocks.create_index": on}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	create(true)
	defer create(nil)
	_, err = engine(t, cluster, Options{}).Begin(t.Context(), index.BuildOptions{Collection: "c"})
	told(err)
}

// foreign: an index that somebody else made, or a newer build, is let alone.
func foreign(t *testing.T, cluster *ostest.Cluster) {
	for body, want := range map[string]string{
		`{"mappings": {"properties": {"name": {"type": "keyword"}}}}`: "that ragproxy did not make: delete or rename it",
		`{"mappings": {"_meta": {"ragproxy": 99}}}`:                   "has format 99, this build knows 1: use a newer ragproxy",
	} {
		x := engine(t, cluster, Options{})
		if _, err := x.exchange(t.Context(), http.MethodPut, "/"+x.collectionsIndex(), rawJSON(body)); err != nil {
			t.Fatal(err)
		}
		_, err := x.Begin(t.Context(), index.BuildOptions{Collection: "c"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func storeGone(t *testing.T, cluster *ostest.Cluster) {
	x := engine(t, cluster, Options{})
	publish(t, x, doc("a", "fox"))
	s, err := x.state(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	if err := x.call(t.Context(), http.MethodDelete, "/"+s.Store, nil, nil); err != nil {
		t.Fatal(err)
	}
	legs, err := x.Search(t.Context(), index.Query{Text: "fox", Collection: "c", Depth: 5})
	if err != nil || legs.Vector.Err == nil || legs.Keyword.Err == nil {
		t.Errorf("search: got %v and the legs %v and %v, want both legs' errors", err, legs.Vector, legs.Keyword)
	}
	_, err = x.Begin(t.Context(), index.BuildOptions{Collection: "c"})
	if err == nil || !strings.Contains(err.Error(), "is gone from OpenSearch: restore it") {
		t.Errorf("begin: got %v, want what to do", err)
	}
}

// template: an index template makes other indices than ragproxy wants.
func template(t *testing.T, cluster *ostest.Cluster) {
	x := engine(t, cluster, Options{})
	err := x.call(t.Context(), http.MethodPut, "/_index_template/"+x.opts.Prefix, object{
		"index_patterns": []string{x.opts.Prefix + "-store-*"}, "template": object{"mappings": object{"_routing": object{"required": true}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := begin(t, x)
	add(t, r, doc("a", "fox"))
	if _, err := r.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "remove index templates that match its name") {
		t.Errorf("got %v, want what to do", err)
	}
}

// fenced: a holder that is not heard of loses the lease. What it writes later
// nobody sees, and it cannot publish.
func fenced(t *testing.T, cluster *ostest.Cluster) {
	e := &enginetest.Bag{}
	x := engine(t, cluster, Options{LeaseFor: time.Second, Embedder: e})
	other := engine(t, cluster, Options{LeaseFor: time.Second, Embedder: e, Prefix: x.opts.Prefix})
	publish(t, x, doc("a", "fox"), doc("b", "fox"))
	r := begin(t, x).(*run)
	add(t, r, doc("a", "changed fox"), doc("stray", "fox"))
	r.lease.end() // as of a process that hangs
	if _, err := other.Begin(t.Context(), index.BuildOptions{Collection: "c"}); !errors.Is(err, index.ErrBusy) {
		t.Errorf("at once: got %v, want ErrBusy", err)
	}
	time.Sleep(1500 * time.Millisecond)
	next := begin(t, other)
	// The one that hung goes on: it writes, and marks what it replaces.
	if _, err := r.Commit(t.Context()); !errors.Is(err, errFenced) {
		t.Errorf("got %v, want errFenced", err)
	}
	if err := other.refresh(t.Context(), r.stage.store); err != nil {
		t.Fatal(err)
	}
	finds(t, other, "fox", "map[a:true b:true]")
	add(t, next, doc("c", "fox"))
	if _, err := next.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	finds(t, other, "fox", "map[a:true b:true c:true]")
	finds(t, x, "fox", "map[a:true b:true c:true]")
	if _, k := hits(t, x, "changed"); k != "map[]" {
		t.Errorf("got %s of the run that was fenced", k)
	}
	publish(t, other, doc("a", "another fox")) // over a mark that does not count
	if _, k := hits(t, x, "another"); k != "map[a:true]" {
		t.Errorf("got %s, want a", k)
	}
	report, err := other.Inspect(t.Context(), "c")
	if err != nil || len(report.Problems) > 0 || report.Manifest.Documents != 3 {
		t.Errorf("got %+v, %v, want three documents and no problem", report, err)
	}
}

// purge: what died goes once nobody can ask for it any more, not before.
func purge(t *testing.T, cluster *ostest.Cluster) {
	x := engine(t, cluster, Options{})
	publish(t, x, doc("a", "fox"), doc("b", "fox"))
	publish(t, x, doc("a", "red fox"))
	stored := func() int {
		t.Helper()
		s, err := x.state(t.Context(), "c")
		if err == nil {
			err = x.refresh(t.Context(), s.Store)
		}
		n := 0
		if err == nil {
			n, err = x.count(t.Context(), s.Store, object{"match_all": object{}})
		}
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := stored(); n != 6 {
		t.Errorf("got %d records, want 6: two documents, two chunks, and two that died", n)
	}
	m := publish(t, x, doc("b", "red fox"))
	if n := stored(); n != 8 || m.Documents != 2 {
		t.Errorf("a run a moment later: got %d records, want 8", n)
	}
	// As if it had been published a while ago.
	_, err := x.script(t.Context(), "c", "ctx._source.mark = ['run': ctx._source.run, 'at': 0];", object{}, "")
	if err != nil {
		t.Fatal(err)
	}
	publish(t, x, doc("c", "fox"))
	if n := stored(); n != 6 {
		t.Errorf("a run a while later: got %d records, want 6", n)
	}
	finds(t, x, "fox", "map[a:true b:true c:true]")
	s, err := x.state(t.Context(), "c")
	if err != nil || s.Dead != 0 {
		t.Errorf("got %d dead records, %v, want none", s.Dead, err)
	}
}

// dropped: a collection that is made again is not taken for the one before.
func dropped(t *testing.T, cluster *ostest.Cluster) {
	x := engine(t, cluster, Options{})
	reader := engine(t, cluster, Options{Prefix: x.opts.Prefix})
	publish(t, x, doc("a", "fox"))
	publish(t, x, doc("b", "fox"))
	finds(t, reader, "fox", "map[a:true b:true]")
	if err := x.Drop(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if err := x.Drop(t.Context(), "c"); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("again: got %v, want ErrNotFound", err)
	}
	if _, err := reader.Search(t.Context(), index.Query{Text: "fox", Collection: "c", Depth: 5}); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	time.Sleep(1100 * time.Millisecond) // runs are numbered by seconds at first
	publish(t, x, doc("c", "fox"))
	finds(t, reader, "fox", "map[c:true]")
	metas, err := x.metas(t.Context(), x.storeStem("c")+"*")
	if err != nil || len(metas) != 1 {
		t.Errorf("got the indices %v, %v, want one", metas, err)
	}
}

// shards: words weigh by the counts of all shards.
func shards(t *testing.T, cluster *ostest.Cluster) {
	one, many := engine(t, cluster, Options{}), engine(t, cluster, Options{Shards: 5})
	docs, asked := enginetest.Sample(300, 20)
	publish(t, one, docs...)
	publish(t, many, docs...)
	for _, text := range asked {
		a, errA := one.Search(t.Context(), index.Query{Text: text, Collection: "c", Depth: 10})
		b, errB := many.Search(t.Context(), index.Query{Text: text, Collection: "c", Depth: 10})
		if err := errors.Join(errA, errB, a.Keyword.Err, b.Keyword.Err); err != nil {
			t.Fatal(err)
		}
		for i, h := range a.Keyword.Hits {
			if d := h.Score - b.Keyword.Hits[i].Score; d > 1e-3 || d < -1e-3 {
				t.Errorf("%q: hit %d has the score %g in one shard and %g in five", text, i, h.Score, b.Keyword.Hits[i].Score)
			}
		}
		if d := a.Keyword.Ceiling - b.Keyword.Ceiling; d > 1e-6 || d < -1e-6 {
			t.Errorf("%q: got the ceilings %g and %g", text, a.Keyword.Ceiling, b.Keyword.Ceiling)
		}
	}
}

// patience: a search whose vector is late knows as much of each chunk as one
// whose vector is there at once.
func patience(t *testing.T, cluster *ostest.Cluster) {
	e := &enginetest.Bag{}
	x := engine(t, cluster, Options{Embedder: e})
	late := engine(t, cluster, Options{Embedder: slow{e}, Prefix: x.opts.Prefix, Patience: time.Nanosecond})
	docs, asked := enginetest.Sample(100, 5)
	publish(t, x, docs...)
	for _, text := range asked {
		q := index.Query{Text: text, Collection: "c", Depth: 20}
		a, errA := x.Search(t.Context(), q)
		b, errB := late.Search(t.Context(), q)
		err := errors.Join(errA, errB)
		for _, leg := range []index.Leg{a.Vector, a.Keyword, b.Vector, b.Keyword} {
			err = errors.Join(err, enginetest.Load(t.Context(), leg.Hits))
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Vector.Hits) <= 20 {
			t.Fatalf("got %d hits of the vector leg, want those of the other one, too", len(a.Vector.Hits))
		}
		for _, legs := range []*index.Legs{&a, &b} {
			legs.Vector.Took, legs.Keyword.Took, legs.Embed.Took = 0, 0, 0
		}
		if diff := cmp.Diff(a, b, cmpopts.IgnoreUnexported(index.Hit{})); diff != "" {
			t.Errorf("%q: where the vector was late (+): %s", text, diff)
		}
	}
}

type slow struct{ index.Embedder }

func (s slow) EmbedQuery(ctx context.Context, text string) ([]float32, error) {
	time.Sleep(20 * time.Millisecond)
	return s.Embedder.EmbedQuery(ctx, text)
}

// Nothing is dialled, and nobody waits, where a context is over.
func TestOpenSearchContext(t *testing.T) {
	x, err := Open(Options{URL: "http://127.0.0.1:1", Embedder: &enginetest.Bag{}})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	legs, err := x.Search(ctx, index.Query{Text: "fox", Collection: "c", Depth: 5})
	if err != nil || !errors.Is(legs.Keyword.Err, context.Canceled) {
		t.Errorf("got %v, %v, want the leg's context error", err, legs.Keyword.Err)
	}
}

// credentials: the user and password of the URL are those that the server sees,
// and what is wrong with them is told. A gate stands before it, as one does where
// the server has no users of its own.
func credentials(t *testing.T, cluster *ostest.Cluster) {
	const password = "p@ss:w/rd"
	node, err := url.Parse(strings.Split(cluster.URL(), ",")[0])
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(node)
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, given, _ := r.BasicAuth()
		switch {
		case given != password:
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
		case user == "reader" && r.Method == http.MethodPut:
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"error":{"type":"security_exception","reason":"no permissions for [indices:admin/create]"},"status":403}`)
		default:
			through.ServeHTTP(w, r)
		}
	}))
	defer gate.Close()
	as := func(user, password string) *Engine {
		at, err := url.Parse(gate.URL)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			at.User = url.UserPassword(user, password)
		}
		return engine(t, cluster, Options{URL: at.String()})
	}
	x := as("writer", password)
	publish(t, x, doc("a", "fox"))
	finds(t, x, "fox", "map[a:true]")
	for _, c := range []struct{ user, password, want string }{
		{"", "", "wants credentials: set the user and password in engine.url"},
		{"writer", "wr0ng-secret", "wants credentials: set the user and password in engine.url"},
		{"reader", password, "refuses the user of engine.url: grant it to read and write the indices of ragproxy"},
	} {
		_, err := as(c.user, c.password).Begin(t.Context(), index.BuildOptions{Collection: "c"})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "wr0ng-secret") || strings.Contains(err.Error(), password) {
			t.Errorf("%s: got %v, want %q and no password", c.user, err, c.want)
		}
	}
}
