package index_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
)

var errGone = errors.New("connection refused")

// dies makes an embedder fail after so many calls.
func dies(e *fakeEmbedder, calls int) {
	e.documents = func(texts []string) ([][]float32, error) {
		if calls--; calls < 0 {
			return nil, errGone
		}
		return embedAll(texts), nil
	}
}

func caches(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "collections", "c", "embedded-*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestInterruptedRunGoesOn: what was embedded by a run that was not published
// is not embedded again, whatever ended it.
func TestInterruptedRunGoesOn(t *testing.T) {
	long := index.Document{ID: "long"}
	for i := range 500 {
		long.Text += fmt.Sprintf("paragraph %d with a fox that jumps\n\n", i)
	}
	for name, docs := range map[string][]index.Document{"many documents": foxes(500), "one document": {long}} {
		t.Run(name, func(t *testing.T) {
			dir, e := t.TempDir(), newEmbedder()
			dies(e, 2)
			b := begin(t, open(t, dir, e))
			var err error
			for _, d := range docs {
				if _, err = b.Add(t.Context(), "src", d); err != nil {
					break
				}
			}
			if !errors.Is(err, errGone) {
				t.Fatalf("got error %v, want the embedder's", err)
			}
			killed := copyFolder(t, dir) // as after kill -9
			if err := b.Abort(); err != nil {
				t.Fatal(err)
			}
			for what, dir := range map[string]string{"aborted": dir, "killed": killed} {
				e := newEmbedder()
				x := open(t, dir, e)
				m, _ := ingest(t, x, "src", docs...)
				if got := len(e.takeAsked()); m.Chunks != 500 || got != 500-2*128 {
					t.Errorf("%s: got %d chunks, %d of them embedded, want 500 and %d", what, m.Chunks, got, 500-2*128)
				}
				if got := ids(t, ask(t, x, "the fox number1").Vector); len(got) == 0 {
					t.Errorf("%s: got no hits", what)
				}
				if err := x.Verify("c"); err != nil {
					t.Errorf("%s: verify: %v", what, err)
				}
				if got := caches(t, dir); got != nil {
					t.Errorf("%s: got the caches %q after the commit, want none", what, got)
				}
			}
		})
	}
}

// TestTornCache: a kill may leave half a record, a disk worse.
func TestTornCache(t *testing.T) {
	dir, e := t.TempDir(), newEmbedder()
	dies(e, 1)
	b := begin(t, open(t, dir, e))
	add(t, b, "src", foxes(200)[:128]...)
	if err := b.Abort(); err != nil {
		t.Fatal(err)
	}
	paths := caches(t, dir)
	if len(paths) != 1 {
		t.Fatalf("got the caches %q, want one", paths)
	}
	whole, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	record := len(whole) / 128
	flipped := slices.Clone(whole)
	flipped[50*record+30] ^= 4
	for what, tt := range map[string]struct {
		data []byte
		want int // texts that must be embedded again
	}{
		"cut":      {whole[:len(whole)-7], 1},
		"flipped":  {flipped, 128 - 50},
		"trailing": {append(slices.Clone(whole), 1, 2, 3), 0},
		"empty":    {nil, 128},
		"garbage":  {[]byte(strings.Repeat("garbage", 1000)), 128},
	} {
		t.Run(what, func(t *testing.T) {
			dir := copyFolder(t, dir)
			if err := os.WriteFile(caches(t, dir)[0], tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
			// It dies once more; what it had then counts, too.
			e := newEmbedder()
			dies(e, 1)
			b := begin(t, open(t, dir, e))
			for _, d := range foxes(300) {
				if _, err = b.Add(t.Context(), "src", d); err != nil {
					break
				}
			}
			if err == nil {
				_, err = b.Commit(t.Context())
			}
			if !errors.Is(err, errGone) {
				t.Fatalf("got error %v, want the embedder's", err)
			}
			if err := b.Abort(); err != nil {
				t.Fatal(err)
			}
			first := min(len(e.takeAsked()), 128)
			if tt.want > 0 {
				first = tt.want
			}
			e = newEmbedder()
			x := open(t, dir, e)
			ingest(t, x, "src", foxes(300)...)
			if got, want := len(e.takeAsked()), 300-(128-tt.want)-first; got != want {
				t.Errorf("got %d texts embedded, want %d", got, want)
			}
			if got := ids(t, ask(t, x, "number50").Keyword); len(got) == 0 || got[0] != "doc50#chunk-0" {
				t.Errorf("got %q for number50", got)
			}
			if err := x.Verify("c"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSameTextIsEmbeddedOnce: across batches of one run, files, and deletion.
func TestSameTextIsEmbeddedOnce(t *testing.T) {
	e := newEmbedder()
	x := open(t, t.TempDir(), e)
	docs := foxes(300)
	for i := range docs {
		docs[i].Text = fmt.Sprintf("the fox number%d", i%7)
	}
	ingest(t, x, "src", docs...)
	if got := e.takeAsked(); len(got) != 7 {
		t.Errorf("got %d texts embedded, want 7", len(got))
	}
	if _, err := x.Delete(t.Context(), "c", []string{"doc03"}); err != nil {
		t.Fatal(err)
	}
	ingest(t, x, "src", doc("other", "the fox number3"))
	if got := e.takeAsked(); got != nil {
		t.Errorf("got %q embedded after a deletion, want nothing", got)
	}
}

// TestReembed takes the whole collection, with what other sources gave, into
// another space while it is searched.
func TestReembed(t *testing.T) {
	dir := t.TempDir()
	old := open(t, dir, newEmbedder())
	ingest(t, old, "one", doc("a", twoChunks), doc("b", "a fox"))
	ingest(t, old, "two", doc("d", "the fox"), doc("e", "an old fox"), doc("gone", "a fox"))
	if _, err := old.Delete(t.Context(), "c", []string{"gone"}); err != nil {
		t.Fatal(err)
	}
	other := newEmbedder()
	other.space = "other@3"
	embed3 := func(texts []string) [][]float32 {
		out := make([][]float32, len(texts))
		for i, text := range texts {
			out[i] = []float32{float32(len(text)), 1, 2}
		}
		return out
	}
	switched := false
	other.documents = func(texts []string) ([][]float32, error) {
		if legs := ask(t, old, "fox"); !switched && (legs.Vector.Err != nil || len(legs.Vector.Hits) == 0) {
			t.Errorf("got %+v from the old embedder meanwhile, want hits", legs.Vector)
		}
		return embed3(texts), nil
	}
	other.query = func(text string) ([]float32, error) { return embed3([]string{text})[0], nil }
	x := open(t, dir, other)
	reembed := func() (index.Manifest, []string) {
		t.Helper()
		b, err := x.Build(t.Context(), index.BuildOptions{Collection: "c", Reembed: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := add(t, b, "two", doc("d", "the fox"), doc("e", "a new fox")); got[0] != index.Unchanged {
			t.Errorf("got %v for an unchanged document", got[0])
		}
		m := commit(t, b)
		asked := other.takeAsked()
		slices.Sort(asked)
		return m, asked
	}
	want := []string{"a fox", "a new fox", "the fox", "the lazy dog sleeps all day long.", "the quick brown fox jumps over it."}
	for range 2 { // in the same space, too
		m, asked := reembed()
		switched = true
		if m.Space != "other@3" || m.Dims != 3 || m.Documents != 4 || len(m.Segments) != 1 || !slices.Equal(asked, want) {
			t.Errorf("got %+v with %q embedded, want 4 documents in other@3, %q", m, asked, want)
		}
		holds(t, x, "a", "b", "d", "e")
		if err := x.Verify("c"); err != nil {
			t.Error(err)
		}
	}
	if legs := ask(t, old, "fox"); !errors.Is(legs.Vector.Err, index.ErrSpace) || len(legs.Keyword.Hits) != 4 {
		t.Errorf("got %+v with the old embedder, want keywords only", legs)
	}
	// A run that embeds everything again goes on where it stopped, as any does.
	dies(other, 0)
	b, err := x.Build(t.Context(), index.BuildOptions{Collection: "c", Reembed: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Commit(t.Context()); !errors.Is(err, errGone) {
		t.Errorf("got error %v, want the embedder's", err)
	}
	holds(t, x, "a", "b", "d", "e")
}

// TestLargeSegments passes the size at which a segment is sealed.
func TestLargeSegments(t *testing.T) {
	if race { // it starts no goroutine
		t.Skip("writes 70,000 chunks")
	}
	x := open(t, t.TempDir(), &fakeEmbedder{space: "tiny@2", documents: func(texts []string) ([][]float32, error) {
		out := make([][]float32, len(texts))
		for i, text := range texts {
			sin, cos := math.Sincos(float64(len(text)))
			out[i] = []float32{float32(sin), float32(cos)}
		}
		return out, nil
	}, query: func(string) ([]float32, error) { return []float32{0, 1}, nil }})
	b := begin(t, x)
	for n := range 70 {
		var text strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&text, "w%d of a long document, no %d.\n\n", i%10, n)
		}
		add(t, b, "src", index.Document{ID: fmt.Sprintf("doc%d", n), Text: text.String()})
	}
	m := commit(t, b)
	if m.Chunks != 70000 || len(m.Segments) != 2 || m.Segments[0].Chunks < 64<<10 {
		t.Errorf("got %d chunks in %d segments, want 70000 in 2", m.Chunks, len(m.Segments))
	}
	legs, err := x.Search(t.Context(), index.Query{Text: "w3", Collection: "c", Depth: 100, Filters: map[string]any{"document_id": "doc65"}})
	if err != nil || legs.Vector.Err != nil || len(legs.Vector.Hits) < 100 || len(legs.Keyword.Hits) != 100 {
		t.Errorf("got %d, %d hits, error %v, want 100 of each leg, and the vector leg's scores of the keyword leg's", len(legs.Vector.Hits), len(legs.Keyword.Hits), err)
	}
	for _, h := range slices.Concat(legs.Vector.Hits, legs.Keyword.Hits) {
		if h.Chunk.DocumentID != "doc65" {
			t.Fatalf("got %s, want doc65 only", h.Chunk.ID)
		}
	}
}

// named is a keyword engine under another name.
type namedKeyword struct {
	index.KeywordEngine
	name string
}

func (n namedKeyword) Name() string { return n.name }

// TestCollectionKeepsItsKeywordEngine: a later run does not change what the
// collection was made with, unless it is told to.
func TestCollectionKeepsItsKeywordEngine(t *testing.T) {
	dir := t.TempDir()
	byName := func(o *index.Options) {
		o.KeywordByName = func(name string) (index.KeywordEngine, error) {
			if !strings.HasPrefix(name, "other") {
				return nil, fmt.Errorf("no analyzer %q", name)
			}
			plain, err := lexical.New(lexical.Options{})
			return namedKeyword{plain, name}, err
		}
	}
	run := func(change func(*index.Options), opts index.BuildOptions, docs ...index.Document) (index.Manifest, error) {
		t.Helper()
		b, err := open(t, dir, newEmbedder(), change).Build(t.Context(), opts)
		if err != nil {
			return index.Manifest{}, err
		}
		defer b.Abort()
		for _, d := range docs {
			if _, err := b.Add(t.Context(), "src", d); err != nil {
				t.Fatal(err)
			}
		}
		return b.Commit(context.Background())
	}
	plain, err := lexical.New(lexical.Options{})
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name     string
		keyword  index.KeywordEngine
		want     string
		segments int
	}{
		{"a", namedKeyword{plain, "other:de"}, "other:de", 1},
		{"b", nil, "other:de", 2},
		{"d", namedKeyword{plain, "other:fr"}, "other:fr", 1}, // all legs are built anew
		{"e", nil, "other:fr", 2},
	}
	for _, s := range steps {
		m, err := run(byName, index.BuildOptions{Collection: "c", Keyword: s.keyword}, doc(s.name, "a fox of "+s.name))
		if err != nil || m.Keyword != s.want || len(m.Segments) != s.segments {
			t.Errorf("%s: got %s in %d segments, error %v, want %s in %d", s.name, m.Keyword, len(m.Segments), err, s.want, s.segments)
		}
	}
	holds(t, open(t, dir, newEmbedder(), byName), "a", "b", "d", "e")
	unknown := func(o *index.Options) {
		o.KeywordByName = func(name string) (index.KeywordEngine, error) { return nil, fmt.Errorf("no analyzer %q", name) }
	}
	if _, err := run(unknown, index.BuildOptions{Collection: "c"}); err == nil || !strings.Contains(err.Error(), "other:fr") {
		t.Errorf("got error %v, want one that names the analyzer", err)
	}
	legs := ask(t, open(t, dir, newEmbedder(), unknown), "fox")
	if legs.Keyword.Err == nil || !strings.Contains(legs.Keyword.Err.Error(), "other:fr") || len(legs.Vector.Hits) != 4 {
		t.Errorf("got %+v, want a dead keyword leg that names the analyzer", legs)
	}
}
