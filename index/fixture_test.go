package index_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/enginetest"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/split"
	"github.com/ragproxy/ragproxy/index/vector"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("RAGPROXY_TORTURE"); dir != "" { // TestTorture starts this binary again
		fmt.Fprintln(os.Stderr, torture(dir, os.Getenv("RAGPROXY_TORTURE_SEED")))
		os.Exit(1)
	}
	// Files of hits are closed by the runtime, at some time.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("runtime.runFinalizers"))
}

const dims = 16

// fakeEmbedder counts the words of a text by their hash, and remembers the
// texts that it was asked for. The funcs replace what it does by itself.
type fakeEmbedder struct {
	space     string
	documents func(texts []string) ([][]float32, error)
	query     func(text string) ([]float32, error)

	mu    sync.Mutex
	asked []string
}

func (e *fakeEmbedder) Space(context.Context) (string, error) { return e.space, nil }

func (e *fakeEmbedder) EmbedDocuments(_ context.Context, texts []string) ([][]float32, error) {
	e.mu.Lock()
	e.asked = append(e.asked, texts...)
	e.mu.Unlock()
	if e.documents != nil {
		return e.documents(texts)
	}
	return embedAll(texts), nil
}

func (e *fakeEmbedder) EmbedQuery(_ context.Context, text string) ([]float32, error) {
	if e.query != nil {
		return e.query(text)
	}
	return embed(text), nil
}

// takeAsked returns the texts that were embedded since the last call.
func (e *fakeEmbedder) takeAsked() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	asked := e.asked
	e.asked = nil
	return asked
}

func embed(text string) []float32 {
	v := make([]float32, dims)
	for word := range strings.FieldsSeq(strings.ToLower(text)) {
		h := fnv.New32a()
		h.Write([]byte(word))
		v[h.Sum32()%dims]++
	}
	return v
}

func embedAll(texts []string) [][]float32 {
	out := make([][]float32, len(texts))
	for i, text := range texts {
		out[i] = embed(text)
	}
	return out
}

func newEmbedder() *fakeEmbedder { return &fakeEmbedder{space: "fake@16"} }

// open opens an index whose chunks have 40 characters at most.
func open(t testing.TB, dir string, e index.Embedder, change ...func(*index.Options)) *index.Index {
	t.Helper()
	splitter, err := split.NewRecursive(split.Options{Size: 40})
	if err != nil {
		t.Fatal(err)
	}
	keyword, err := lexical.New(lexical.Options{})
	if err != nil {
		t.Fatal(err)
	}
	exact, err := vector.New("exact")
	if err != nil {
		t.Fatal(err)
	}
	opts := index.Options{Dir: dir, Embedder: e, Splitter: splitter, Vector: exact, VectorByName: vector.New, Keyword: keyword, FS: unsynced{index.RealFS()}}
	for _, c := range change {
		c(&opts)
	}
	x := index.Open(opts)
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Errorf("close index: %v", err)
		}
	})
	return x
}

// unsynced saves the time of syncing where nothing cuts the power.
type unsynced struct{ index.FS }

func (unsynced) Sync(string) error { return nil }

// doc has its id in its title and address, too.
func doc(id, text string) index.Document {
	return index.Document{ID: id, URL: "https://example.com/" + id, Title: id, Text: text}
}

func begin(t testing.TB, x *index.Index) *index.Builder {
	t.Helper()
	b, err := x.Build(t.Context(), index.BuildOptions{Collection: "c"})
	if err != nil {
		t.Fatalf("build: %v", err)
	}
	t.Cleanup(func() { b.Abort() })
	return b
}

// ingest publishes the documents as a run over one source and returns what
// each was to the collection.
func ingest(t testing.TB, x *index.Index, source string, docs ...index.Document) (index.Manifest, []index.Change) {
	t.Helper()
	b := begin(t, x)
	changes := add(t, b, source, docs...)
	return commit(t, b), changes
}

func add(t testing.TB, b *index.Builder, source string, docs ...index.Document) []index.Change {
	t.Helper()
	changes := make([]index.Change, len(docs))
	for i, d := range docs {
		var err error
		if changes[i], err = b.Add(t.Context(), source, d); err != nil {
			t.Fatalf("add %s: %v", d.ID, err)
		}
	}
	return changes
}

func commit(t testing.TB, b *index.Builder) index.Manifest {
	t.Helper()
	m, err := b.Commit(t.Context())
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	return m
}

func ask(t testing.TB, x *index.Index, text string) index.Legs {
	t.Helper()
	legs, err := x.Search(t.Context(), index.Query{Text: text, Collection: "c", Depth: 10})
	if err != nil {
		t.Fatalf("search: %v", err)
	}
	for _, leg := range []*index.Leg{&legs.Vector, &legs.Keyword} {
		load(leg)
	}
	return legs
}

// load reads the texts as retrieval does for the hits that it keeps; one that
// cannot be read fails the leg.
func load(leg *index.Leg) {
	if err := enginetest.Load(context.Background(), leg.Hits); err != nil {
		leg.Hits, leg.Err = nil, err
	}
}

// sameHit compares hits by what they say.
var sameHit = cmpopts.IgnoreUnexported(index.Hit{})

// ids are the hits' chunk ids; a leg that failed fails the test.
func ids(t testing.TB, leg index.Leg) []string {
	t.Helper()
	if leg.Err != nil {
		t.Fatalf("search a leg: %v", leg.Err)
	}
	out := []string{}
	for _, h := range leg.Hits {
		out = append(out, h.Chunk.ID)
	}
	return out
}

// holds fails the test unless both legs answer and the collection has exactly
// the documents named.
func holds(t testing.TB, x *index.Index, want ...string) {
	t.Helper()
	legs := ask(t, x, "fox")
	for name, leg := range map[string]index.Leg{"vector": legs.Vector, "keyword": legs.Keyword} {
		if leg.Err != nil {
			t.Errorf("got error %v from the %s leg, want none", leg.Err, name)
		}
	}
	got := []string{}
	for _, h := range legs.Keyword.Hits {
		got = append(got, h.Chunk.DocumentID)
	}
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("got the documents %q with the word fox, want %q", got, want)
	}
}

// folder reads every file below dir, by its relative name.
func folder(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// copyFolder gives a copy of a data folder as it is at the moment: what a
// process that is killed now leaves behind.
func copyFolder(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// published is the path of the current generation of collection c.
func published(t testing.TB, dir string) string {
	t.Helper()
	name, err := os.ReadFile(filepath.Join(dir, "collections", "c", "current"))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "collections", "c", string(name))
}

// segment is the path of the only segment of collection c.
func segment(t testing.TB, dir string) string {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(dir, "collections", "c", "segments", "*"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("got the segments %q, error %v, want one", segments, err)
	}
	return segments[0]
}

func foxes(n int) []index.Document {
	docs := make([]index.Document, n)
	for i := range docs {
		docs[i] = doc(fmt.Sprintf("doc%02d", i), fmt.Sprintf("the fox number%d jumps", i))
	}
	return docs
}
