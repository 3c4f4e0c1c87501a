// Package enginetest is what every engine must pass: the contract of
// [index.Engine], asked of the real thing.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

// Backend makes engines of one kind.
type Backend struct {
	// New makes an empty place for collections: a folder, a database.
	New func(t testing.TB) Store
	// Local is New of the engine on disk, which collections are copied from and to.
	Local func(t testing.TB) Store
	// Kill and Restart end the server that all places are on, and start it
	// again; nil where there is none.
	Kill, Restart func(t testing.TB)
}

// Store opens an engine on its place, as each of several processes would.
type Store func(t testing.TB, e index.Embedder) index.Engine

// Run runs the whole suite.
func Run(t *testing.T, b Backend) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, b Backend)
	}{
		{"Search", search}, {"Scores", scores}, {"Filters", filters}, {"FilterKinds", filterKinds}, {"Collections", collections},
		{"Generations", generations}, {"Held", held}, {"Updates", updates}, {"Resume", resume}, {"Prune", prune}, {"Delete", remove},
		{"Space", space}, {"Reembed", reembed}, {"Deadline", deadline}, {"EmbedderFails", embedderFails},
		{"Lease", lease}, {"Empty", empty}, {"Unicode", unicodeTexts}, {"Marks", marks}, {"DryRun", dryRun},
		{"Inspect", inspect}, {"Copy", copying}, {"CopyAgain", copyAgain}, {"CopyRefused", copyRefused}, {"ServerGone", serverGone},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, b) })
	}
}

const dims = 32

// Embedder counts the words of a text by their hash.
type Embedder struct {
	Name string // of the space

	mu    sync.Mutex
	query func(ctx context.Context, text string) ([]float32, error) // instead; nil for none
	asked []string
	fail  int // after so many texts; 0 never
}

func newEmbedder() *Embedder { return &Embedder{Name: "words@32"} }

// Space implements [index.Embedder].
func (e *Embedder) Space(context.Context) (string, error) { return e.Name, nil }

// EmbedDocuments implements [index.Embedder].
func (e *Embedder) EmbedDocuments(_ context.Context, texts []string) ([][]float32, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, texts...)
	if e.fail > 0 && len(e.asked) > e.fail {
		return nil, fmt.Errorf("no more than %d texts", e.fail)
	}
	out := make([][]float32, len(texts))
	for i, text := range texts {
		out[i] = embed(text)
	}
	return out, nil
}

// EmbedQuery implements [index.Embedder].
func (e *Embedder) EmbedQuery(ctx context.Context, text string) ([]float32, error) {
	e.mu.Lock()
	query := e.query
	e.mu.Unlock()
	if query != nil {
		return query(ctx, text)
	}
	return embed(text), nil
}

// setQuery replaces what it does with a query; nil ends that. Searches that were
// given up may still be at it.
func (e *Embedder) setQuery(f func(ctx context.Context, text string) ([]float32, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.query = f
}

func (e *Embedder) takeAsked() []string {
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

func doc(id, text string) index.Document {
	return index.Document{ID: id, URL: "https://example.com/" + id, Title: id, Text: text}
}

func foxes(from, to int) []index.Document {
	var docs []index.Document
	for i := from; i < to; i++ {
		docs = append(docs, doc(fmt.Sprintf("doc%03d", i), fmt.Sprintf("the fox number%d jumps", i)))
	}
	return docs
}

// ingest publishes documents as a run over one source.
func ingest(t testing.TB, x index.Engine, collection string, docs ...index.Document) (index.Manifest, []index.Change) {
	t.Helper()
	r := begin(t, x, index.BuildOptions{Collection: collection})
	changes := add(t, r, docs...)
	return commit(t, r), changes
}

func begin(t testing.TB, x index.Engine, o index.BuildOptions) index.Run {
	t.Helper()
	r, err := x.Begin(t.Context(), o)
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	t.Cleanup(func() { r.Abort() })
	return r
}

func add(t testing.TB, r index.Run, docs ...index.Document) (changes []index.Change) {
	t.Helper()
	for _, d := range docs {
		c, err := r.Add(t.Context(), "source", d)
		if err != nil {
			t.Fatalf("add %s: %v", d.ID, err)
		}
		changes = append(changes, c)
	}
	return changes
}

func commit(t testing.TB, r index.Run) index.Manifest {
	t.Helper()
	m, err := r.Commit(t.Context())
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	return m
}

func ask(t testing.TB, x index.Engine, q index.Query) index.Legs {
	t.Helper()
	if q.Collection == "" {
		q.Collection = "c"
	}
	if q.Depth == 0 {
		q.Depth = 10
	}
	legs, err := x.Search(t.Context(), q)
	if err != nil {
		t.Fatalf("search %q: %v", q.Text, err)
	}
	for _, leg := range []*index.Leg{&legs.Vector, &legs.Keyword} {
		if err := Load(t.Context(), leg.Hits); err != nil {
			t.Fatalf("load: %v", err)
		}
	}
	return legs
}

// Load reads what a search left out of hits, all of them.
func Load(ctx context.Context, hits []index.Hit) error {
	list := make([]*index.Hit, len(hits))
	for i := range hits {
		list[i] = &hits[i]
	}
	return errors.Join(index.Load(ctx, list)...)
}

// found are the documents of a leg's hits, sorted; an error fails the test.
func found(t testing.TB, leg index.Leg) []string {
	t.Helper()
	if leg.Err != nil {
		t.Fatalf("got the leg's error %v, want none", leg.Err)
	}
	out := []string{}
	for _, h := range leg.Hits {
		out = append(out, h.Chunk.DocumentID)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
