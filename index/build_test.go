package index_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

const twoChunks = "the quick brown fox jumps over it.\n\nthe lazy dog sleeps all day long."

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir, newEmbedder())
	d := doc("a", twoChunks)
	d.Meta = map[string]any{"lang": "en"}
	m, changes := ingest(t, x, "src", d, doc("b", "a cat naps"))
	if want := []index.Change{index.Added, index.Added}; !slices.Equal(changes, want) {
		t.Errorf("got changes %v, want %v", changes, want)
	}
	want := index.Manifest{
		Format: 2, Generation: 1, Space: "fake@16", Dims: dims, Splitter: "recursive-40-0", Vector: "exact",
		Keyword: "bleve-bm25:default", Documents: 2, Chunks: 3,
	}
	infos, err := x.Collections()
	if err != nil || len(infos) != 1 {
		t.Fatalf("got the collections %v, error %v, want one", infos, err)
	}
	segments := infos[0].Manifest.Segments
	if len(segments) != 1 || len(segments[0].Files) < 6 || infos[0].Manifest.Size() < 1000 {
		t.Errorf("got the segments %+v, %d bytes, want one with all of its files", segments, infos[0].Manifest.Size())
	}
	m.Files, m.Segments = nil, nil
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}

	first := index.Chunk{
		ID: "a#chunk-0", DocumentID: "a", URL: d.URL, Title: d.Title, Text: "the quick brown fox jumps over it.",
		Start: 0, End: 34, Meta: d.Meta,
	}
	second := index.Chunk{
		ID: "a#chunk-1", DocumentID: "a", URL: d.URL, Title: d.Title, Text: "the lazy dog sleeps all day long.",
		Ordinal: 1, Start: 36, End: 69, Meta: d.Meta,
	}
	for _, x := range []*index.Index{x, open(t, dir, newEmbedder())} {
		for text, want := range map[string]index.Chunk{"the quick brown fox jumps": first, "lazy dog sleeps all day": second} {
			legs := ask(t, x, text)
			for name, leg := range map[string]index.Leg{"vector": legs.Vector, "keyword": legs.Keyword} {
				if leg.Err != nil || len(leg.Hits) == 0 {
					t.Fatalf("%s leg for %q: got %d hits, error %v", name, text, len(leg.Hits), leg.Err)
				}
				if diff := cmp.Diff(want, leg.Hits[0].Chunk); diff != "" {
					t.Errorf("%s leg for %q (-want +got):\n%s", name, text, diff)
				}
				if leg.Hits[0].Score <= 0 {
					t.Errorf("%s leg for %q: got the score %g, want one above 0", name, text, leg.Hits[0].Score)
				}
			}
		}
	}
	if err := x.Verify("c"); err != nil {
		t.Errorf("got %v from Verify, want nothing", err)
	}
}

func TestSkippedLegs(t *testing.T) {
	x := open(t, t.TempDir(), newEmbedder())
	ingest(t, x, "src", foxes(3)...)
	q := index.Query{Text: "fox", Collection: "c", Depth: 2, SkipVector: true}
	legs, err := x.Search(t.Context(), q)
	if err != nil || legs.Vector.Hits != nil || legs.Vector.Err != nil || len(legs.Keyword.Hits) != 2 {
		t.Errorf("without the vector leg: got %+v, error %v, want 2 keyword hits only", legs, err)
	}
	q.SkipVector, q.SkipKeyword = false, true
	legs, err = x.Search(t.Context(), q)
	if err != nil || legs.Keyword.Hits != nil || legs.Keyword.Err != nil || len(legs.Vector.Hits) != 2 {
		t.Errorf("without the keyword leg: got %+v, error %v, want 2 vector hits only", legs, err)
	}
}

// TestChanges goes through runs one after the other: what each document was,
// which texts were embedded, and what is there then.
func TestChanges(t *testing.T) {
	e := newEmbedder()
	x := open(t, t.TempDir(), e)
	titled := doc("b", "a fox too")
	titled.Title = "Other"
	runs := []struct {
		name       string
		docs       []index.Document
		want       []index.Change
		embedded   []string
		generation int
		holds      []string
	}{
		{"first", []index.Document{doc("a", "the fox one"), doc("b", "a fox too")},
			[]index.Change{index.Added, index.Added}, []string{"the fox one", "a fox too"}, 1, []string{"a", "b"}},
		{"again", []index.Document{doc("a", "the fox one"), doc("b", "a fox too")},
			[]index.Change{index.Unchanged, index.Unchanged}, nil, 1, []string{"a", "b"}},
		{"nothing seen", nil, []index.Change{}, nil, 1, []string{"a", "b"}},
		{"one text changed", []index.Document{doc("a", "the fox uno"), doc("b", "a fox too")},
			[]index.Change{index.Updated, index.Unchanged}, []string{"the fox uno"}, 2, []string{"a", "b"}},
		{"one title changed", []index.Document{titled}, []index.Change{index.Updated}, []string{"Other\na fox too"}, 3, []string{"a", "b"}},
		{"renamed, with its text", []index.Document{doc("z", "the fox uno")},
			[]index.Change{index.Added}, nil, 4, []string{"a", "b", "z"}},
		{"one of two chunks new", []index.Document{doc("a", "the fox uno\n\nwith quite a long second paragraph")},
			[]index.Change{index.Updated}, []string{"with quite a long second paragraph"}, 5, []string{"a", "b", "z"}},
		{"the same new text twice", []index.Document{doc("p", "fox twin"), doc("q", "fox twin")},
			[]index.Change{index.Added, index.Added}, []string{"fox twin"}, 6, []string{"a", "b", "p", "q", "z"}},
	}
	for _, r := range runs {
		m, changes := ingest(t, x, "src", r.docs...)
		if !slices.Equal(changes, r.want) {
			t.Errorf("%s: got changes %v, want %v", r.name, changes, r.want)
		}
		if got := e.takeAsked(); !slices.Equal(got, r.embedded) {
			t.Errorf("%s: got %q embedded, want %q", r.name, got, r.embedded)
		}
		if m.Generation != r.generation || m.Documents != len(r.holds) {
			t.Errorf("%s: got generation %d with %d documents, want %d with %d", r.name, m.Generation, m.Documents, r.generation, len(r.holds))
		}
		holds(t, x, r.holds...)
		if err := x.Verify("c"); err != nil {
			t.Errorf("%s: verify: %v", r.name, err)
		}
	}
}

func TestOtherSplitterSplitsAgain(t *testing.T) {
	dir, e := t.TempDir(), newEmbedder()
	ingest(t, open(t, dir, e), "src", doc("a", "the fox one"))
	e.takeAsked()
	x := open(t, dir, e, func(o *index.Options) { o.Splitter = renamed{o.Splitter} })
	m, changes := ingest(t, x, "src", doc("a", "the fox one"))
	if changes[0] != index.Updated || m.Splitter != "renamed" {
		t.Errorf("got change %v, splitter %s, want an update by the renamed one", changes[0], m.Splitter)
	}
	if got := e.takeAsked(); got != nil {
		t.Errorf("got %q embedded again, want nothing: the chunks are the same", got)
	}
}

type renamed struct{ index.Splitter }

func (renamed) Name() string { return "renamed" }

// TestManyDocuments passes the number of chunks that are embedded at once.
func TestManyDocuments(t *testing.T) {
	x := open(t, t.TempDir(), newEmbedder())
	var progress []int
	b, err := x.Build(t.Context(), index.BuildOptions{Collection: "c", Embedded: func(n int) { progress = append(progress, n) }})
	if err != nil {
		t.Fatal(err)
	}
	add(t, b, "src", foxes(300)...)
	m := commit(t, b)
	if m.Chunks != 300 || m.Documents != 300 {
		t.Errorf("got %d documents, %d chunks, want 300 of each", m.Documents, m.Chunks)
	}
	if want := []int{128, 256, 300}; !slices.Equal(progress, want) {
		t.Errorf("got progress %v, want %v", progress, want)
	}
	for i := range 300 {
		legs := ask(t, x, fmt.Sprintf("number%d", i))
		if got, want := ids(t, legs.Keyword), fmt.Sprintf("doc%02d#chunk-0", i); len(got) == 0 || got[0] != want {
			t.Fatalf("got %q for number%d, want %q first", got, i, want)
		}
	}
}

func TestMovedSource(t *testing.T) {
	x := open(t, t.TempDir(), newEmbedder())
	ingest(t, x, "old", doc("a", "a fox"), doc("b", "a fox"))
	m, changes := ingest(t, x, "new", doc("a", "a fox"))
	if changes[0] != index.Unchanged || m.Generation != 2 {
		t.Errorf("got change %v, generation %d, want an unchanged document in generation 2", changes[0], m.Generation)
	}
	b := begin(t, x)
	if got := b.Prune("old"); got != 1 {
		t.Errorf("got %d pruned of the old source, want 1: a has moved", got)
	}
	commit(t, b)
	holds(t, x, "a")
}

func TestDryRunWritesNothing(t *testing.T) {
	dir, e := t.TempDir(), newEmbedder()
	x := open(t, dir, e)
	dry := func() *index.Builder {
		t.Helper()
		b, err := x.Build(t.Context(), index.BuildOptions{Collection: "c", DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := dry()
	if got := add(t, b, "src", doc("a", "a fox")); got[0] != index.Added {
		t.Errorf("got %v for a first document, want added", got[0])
	}
	commit(t, b)
	if got := folder(t, dir); len(got) != 0 {
		t.Errorf("got the files %v after a dry first run, want none", got)
	}
	ingest(t, x, "src", doc("a", "a fox"), doc("b", "a fox"), doc("c", "a fox"))
	before := folder(t, dir)
	e.takeAsked()
	b = dry()
	got := add(t, b, "src", doc("a", "a fox"), doc("b", "a vixen"), doc("d", "a fox"))
	if want := []index.Change{index.Unchanged, index.Updated, index.Added}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := b.Prune("src"); got != 1 {
		t.Errorf("got %d to prune, want 1", got)
	}
	if m := commit(t, b); m.Generation != 1 || m.Documents != 3 {
		t.Errorf("got generation %d with %d documents, want the published one, 1 with 3", m.Generation, m.Documents)
	}
	if diff := cmp.Diff(before, folder(t, dir)); diff != "" {
		t.Errorf("the dry run changed files:\n%s", diff)
	}
	if got := e.takeAsked(); got != nil {
		t.Errorf("got %q embedded, want nothing", got)
	}
}

func TestNoDocumentsPublishNothing(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir, newEmbedder())
	if m, _ := ingest(t, x, "src"); m.Generation != 0 {
		t.Errorf("got generation %d, want none", m.Generation)
	}
	for path := range folder(t, dir) {
		if filepath.Base(path) != "lock" {
			t.Errorf("got the file %s, want only the lock", path)
		}
	}
	if infos, err := x.Collections(); err != nil || len(infos) != 0 {
		t.Errorf("got the collections %v, error %v, want none", infos, err)
	}
}

func TestEmptyDocuments(t *testing.T) {
	x := open(t, t.TempDir(), newEmbedder())
	m, _ := ingest(t, x, "src", doc("a", ""), doc("b", " \n"))
	if m.Documents != 2 || m.Chunks != 0 || m.Space != "" || m.Dims != 0 {
		t.Errorf("got %+v, want 2 documents, no chunk, no space", m)
	}
	holds(t, x)
	m, changes := ingest(t, x, "src", doc("a", ""), doc("b", "a fox"))
	if m.Chunks != 1 || m.Space != "fake@16" || changes[0] != index.Unchanged || changes[1] != index.Updated {
		t.Errorf("got %d chunks in %q, changes %v, want 1 in fake@16, a unchanged", m.Chunks, m.Space, changes)
	}
	holds(t, x, "b")
	b := begin(t, x)
	b.Prune("src")
	if m := commit(t, b); m.Documents != 0 || m.Chunks != 0 {
		t.Errorf("got %+v after all was pruned, want an empty collection", m)
	}
	holds(t, x)
}

func TestAbortLeavesAllAsItWas(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir, newEmbedder())
	ingest(t, x, "src", doc("a", "a fox"))
	before := folder(t, dir)
	b := begin(t, x)
	add(t, b, "src", foxes(200)...)
	b.Prune("src")
	for range 2 {
		if err := b.Abort(); err != nil {
			t.Errorf("abort: %v", err)
		}
	}
	after := folder(t, dir)
	for name := range after { // vectors, for the next run
		if filepath.Ext(name) == ".cache" {
			delete(after, name)
		}
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the aborted run changed files:\n%s", diff)
	}
	holds(t, x, "a")
}
