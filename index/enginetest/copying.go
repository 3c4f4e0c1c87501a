package enginetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

// odd are documents with all that an engine could lose on the way.
func odd() []index.Document {
	docs := foxes(0, 30)
	docs[1].Meta = map[string]any{"year": 2024, "big": 1e2, "share": .25, "tags": []any{"a", "b"}, "ok": true, "none": nil, "deep": map[string]any{"x": "y"}}
	docs[2].Meta, docs[2].Marks = map[string]any{"lang": "en"}, []index.Mark{{Start: 0, Meta: map[string]any{"page": 1}}, {Start: 70, Meta: map[string]any{"page": 2}}}
	docs[2].Text = strings.Repeat("the fox runs over many words. ", 8)
	docs[3].Title, docs[3].Text = "Größe – 北京", "狐狸 in Zürich, quoted \"so\" and \\ so"
	docs[4].Text = ""
	docs[5].URL, docs[5].Title = "", ""
	return docs
}

// copying moves a collection here from a folder and back into another one:
// the same documents, chunks, vectors and hits, and nothing embedded.
func copying(t *testing.T, b Backend) {
	first := b.Local(t)(t, newEmbedder())
	ingest(t, first, "c", odd()...)
	embedder := newEmbedder()
	there := b.New(t)(t, embedder)
	report, err := index.Copy(t.Context(), first, there, index.CopyOptions{Collection: "c", Every: 10})
	if err != nil || report.Added != 30 {
		t.Fatalf("copy: got %d added and error %v, want 30 and none", report.Added, err)
	}
	back := b.Local(t)(t, embedder)
	if _, err := index.Copy(t.Context(), there, back, index.CopyOptions{Collection: "c", As: "d"}); err != nil {
		t.Fatalf("copy back: %v", err)
	}
	if asked := embedder.takeAsked(); len(asked) > 0 {
		t.Errorf("copying embedded %d texts: %q ...", len(asked), asked[0])
	}
	want, at := digests(t, first, "c"), map[string]index.Engine{"c": there, "d": back}
	for name, x := range at {
		if diff := cmp.Diff(want, digests(t, x, name)); diff != "" {
			t.Errorf("%s: documents (-want +got):\n%s", name, diff)
		}
		for _, q := range []string{"fox number7", "Zürich", "many words"} {
			sameHits(t, ask(t, first, index.Query{Text: q}), ask(t, x, index.Query{Text: q, Collection: name}))
		}
	}
	// A run of index finds there what it would have found here.
	for name, x := range at {
		if _, changes := ingest(t, x, name, odd()...); slices.ContainsFunc(changes, func(c index.Change) bool { return c != index.Unchanged }) {
			t.Errorf("%s: a run after the copy has changes: %v", name, changes)
		}
	}
}

// copyAgain: a copy that broke off goes on, one that is made again writes what
// is new, and what was deleted goes when it is asked for.
func copyAgain(t *testing.T, b Backend) {
	from := b.Local(t)(t, newEmbedder())
	ingest(t, from, "c", foxes(0, 30)...)
	to := b.New(t)(t, newEmbedder())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := index.Copy(ctx, from, to, index.CopyOptions{Collection: "c", Every: 10, Copied: func(documents, of int) {
		if of != 30 {
			t.Errorf("got %d documents in all, want 30", of)
		}
		if documents == 15 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context canceled", err)
	}
	report, err := index.Copy(t.Context(), from, to, index.CopyOptions{Collection: "c", Every: 10})
	if err != nil || report.Unchanged != 10 || report.Added != 20 {
		t.Fatalf("second copy: got %d unchanged, %d added and error %v, want 10, 20 and none", report.Unchanged, report.Added, err)
	}
	changed := foxes(0, 31)
	changed[3].Text += " and again"
	ingest(t, from, "c", changed...)
	if _, err := from.Delete(t.Context(), "c", []string{"doc007"}); err != nil {
		t.Fatal(err)
	}
	_, err = index.Copy(t.Context(), from, to, index.CopyOptions{Collection: "c"})
	if err == nil || !strings.Contains(err.Error(), `"doc007"`) || !strings.Contains(err.Error(), "--prune") {
		t.Fatalf("with a document too many: got %v, want one that names doc007 and --prune", err)
	}
	report, err = index.Copy(t.Context(), from, to, index.CopyOptions{Collection: "c", Prune: true})
	if err != nil || report.Unchanged != 30 || report.Pruned != 1 {
		t.Fatalf("with prune: got %d unchanged, %d pruned and error %v, want 30, 1 and none", report.Unchanged, report.Pruned, err)
	}
	if diff := cmp.Diff(digests(t, from, "c"), digests(t, to, "c")); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
}

// copyRefused: collections of two spaces are not mixed, what is not there is
// not copied, and an altered copy is told.
func copyRefused(t *testing.T, b Backend) {
	from := b.Local(t)(t, newEmbedder())
	ingest(t, from, "c", foxes(0, 3)...)
	other := newEmbedder()
	other.Name = "others@32"
	to := b.New(t)(t, other)
	ingest(t, to, "c", foxes(5, 6)...)
	if _, err := index.Copy(t.Context(), from, to, index.CopyOptions{Collection: "c"}); !errors.Is(err, index.ErrSpace) {
		t.Errorf("into another space: got %v, want ErrSpace", err)
	}
	if _, err := index.Copy(t.Context(), from, to, index.CopyOptions{Collection: "none"}); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("of no collection: got %v, want ErrNotFound", err)
	}
	_, err := index.Copy(t.Context(), altered{from}, to, index.CopyOptions{Collection: "c", As: "e"})
	if err == nil || !strings.Contains(err.Error(), "otherwise") {
		t.Errorf("of one that reads differently each time: got %v, want one that says so", err)
	}
}

// altered gives vectors that change after they were handed over.
type altered struct{ index.Engine }

func (a altered) Scan(ctx context.Context, collection string, f func(index.Manifest, iter.Seq2[index.Stored, error]) error) error {
	return a.Engine.Scan(ctx, collection, func(m index.Manifest, documents iter.Seq2[index.Stored, error]) error {
		return f(m, func(yield func(index.Stored, error) bool) {
			for s, err := range documents {
				for _, v := range s.Cut.Vectors {
					defer func(was float32) { v[0] = was + .001 }(v[0]) // before it is written, after its digest
				}
				if !yield(s, err) {
					return
				}
			}
		})
	})
}

func digests(t testing.TB, x index.Engine, collection string) map[string]index.Key {
	t.Helper()
	out := map[string]index.Key{}
	err := x.Scan(t.Context(), collection, func(m index.Manifest, documents iter.Seq2[index.Stored, error]) error {
		for s, err := range documents {
			if err != nil {
				return err
			}
			out[s.Document.ID] = s.Digest()
		}
		if len(out) != m.Documents {
			return fmt.Errorf("got %d documents, the manifest has %d", len(out), m.Documents)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("scan: %v", err)
	}
	return out
}

// sameHits compares how well the best ten hits of two engines match; which ones
// of equals those are is theirs to say.
func sameHits(t testing.TB, want, got index.Legs) {
	t.Helper()
	for name, legs := range map[string][2]index.Leg{"vector": {want.Vector, got.Vector}, "keyword": {want.Keyword, got.Keyword}} {
		best := func(l index.Leg) []index.Hit { return l.Hits[:min(len(l.Hits), 10)] } // behind them is what the other leg found
		if len(best(legs[0])) != len(best(legs[1])) {
			t.Errorf("%s: got %d hits, want %d", name, len(legs[1].Hits), len(legs[0].Hits))
			continue
		}
		for i, h := range best(legs[0]) {
			if d := legs[1].Hits[i].Score - h.Score; d > 1e-3 || d < -1e-3 {
				t.Errorf("%s: hit %d has the score %g, want %g", name, i, legs[1].Hits[i].Score, h.Score)
			}
		}
	}
}
