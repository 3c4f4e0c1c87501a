package index_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

// TestChangedDocumentIsASegment: what did not change is not written again.
func TestChangedDocumentIsASegment(t *testing.T) {
	dir, e := t.TempDir(), newEmbedder()
	x := open(t, dir, e)
	ingest(t, x, "src", foxes(20)...)
	before := folder(t, segment(t, dir))
	e.takeAsked()
	m, _ := ingest(t, x, "src", doc("doc07", "the fox number7 sleeps"))
	if len(m.Segments) != 2 || m.Segments[0].Deleted != 1 || m.Segments[1].Chunks != 1 || m.Documents != 20 || m.Chunks != 20 {
		t.Errorf("got %+v, want a second segment with one chunk and one deletion in the first", m)
	}
	if got := e.takeAsked(); len(got) != 1 {
		t.Errorf("got %q embedded, want the changed text", got)
	}
	first := filepath.Join(dir, "collections", "c", "segments", m.Segments[0].Name)
	if diff := cmp.Diff(before, folder(t, first)); diff != "" {
		t.Errorf("the first segment changed:\n%s", diff)
	}
	for _, x := range []*index.Index{x, open(t, dir, newEmbedder())} {
		legs := ask(t, x, "fox number7 jumps")
		for name, leg := range map[string]index.Leg{"vector": legs.Vector, "keyword": legs.Keyword} {
			for _, h := range leg.Hits {
				if h.Chunk.DocumentID == "doc07" && h.Chunk.Text != "the fox number7 sleeps" {
					t.Errorf("%s leg: got the old text %q", name, h.Chunk.Text)
				}
			}
		}
		if got := ids(t, ask(t, x, "number7 sleeps").Vector); got[0] != "doc07#chunk-0" {
			t.Errorf("got %q first, want the changed document", got[0])
		}
		if err := x.Verify("c"); err != nil {
			t.Errorf("verify: %v", err)
		}
	}
}

// TestManyRuns changes one document a run: the segments stay few, what they
// hold is right, and no text is embedded twice.
func TestManyRuns(t *testing.T) {
	dir, e := t.TempDir(), newEmbedder()
	x := open(t, dir, e)
	ingest(t, x, "src", foxes(30)...)
	e.takeAsked()
	for n := range 40 {
		id := fmt.Sprintf("doc%02d", n%35)
		m, _ := ingest(t, x, "src", doc(id, fmt.Sprintf("the fox of run%d", n)))
		if got := e.takeAsked(); len(got) != 1 {
			t.Fatalf("run %d: got %q embedded, want one text", n, got)
		}
		if len(m.Segments) > 8 {
			t.Fatalf("run %d: got %d segments, want at most 8", n, len(m.Segments))
		}
		if got := ids(t, ask(t, x, fmt.Sprintf("run%d", n)).Keyword); len(got) == 0 || got[0] != id+"#chunk-0" {
			t.Fatalf("run %d: got %q, want %s", n, got, id)
		}
	}
	infos, err := x.Collections()
	if err != nil || infos[0].Manifest.Documents != 35 || infos[0].Manifest.Chunks != 35 {
		t.Errorf("got %+v, error %v, want 35 documents", infos, err)
	}
	if err := x.Verify("c"); err != nil {
		t.Errorf("verify: %v", err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "collections", "c", "segments"))
	if err != nil || len(entries) > 12 {
		t.Errorf("got %d segments on disk, error %v, want those of two generations", len(entries), err)
	}
}

func TestDelete(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir, newEmbedder())
	ingest(t, x, "src", doc("a", twoChunks), doc("b", "a fox"), doc("d", "the fox"), doc("e", "a fox"))
	dead := newEmbedder()
	dead.documents = func([]string) ([][]float32, error) { return nil, errors.New("refused") }
	y := open(t, dir, dead)
	got, err := y.Delete(t.Context(), "c", []string{"a", "https://example.com/d", "nope"})
	want := []index.Deleted{{ID: "a", URL: "https://example.com/a"}, {ID: "d", URL: "https://example.com/d"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, error %v, want %v", got, err, want)
	}
	holds(t, x, "b", "e")
	for name, leg := range map[string]index.Leg{"vector": ask(t, x, twoChunks).Vector, "keyword": ask(t, x, "lazy dog").Keyword} {
		for _, id := range ids(t, leg) {
			if strings.HasPrefix(id, "a#") || strings.HasPrefix(id, "d#") {
				t.Errorf("%s leg: got the deleted %s", name, id)
			}
		}
	}
	before := folder(t, dir)
	if got, err := y.Delete(t.Context(), "c", []string{"a", "", "src"}); err != nil || got != nil {
		t.Errorf("got %v, error %v for what is not there, want nothing", got, err)
	}
	if diff := cmp.Diff(before, folder(t, dir)); diff != "" {
		t.Errorf("deleting nothing changed files:\n%s", diff)
	}
	if err := x.Verify("c"); err != nil {
		t.Errorf("verify: %v", err)
	}
	if m, changes := ingest(t, x, "src", doc("d", "the fox")); changes[0] != index.Added || m.Documents != 3 {
		t.Errorf("got change %v, %d documents, want the deleted one added again", changes[0], m.Documents)
	}
	if _, err := x.Delete(t.Context(), "c", []string{"b", "d", "e"}); err != nil {
		t.Error(err)
	}
	holds(t, x)
	if _, err := x.Delete(t.Context(), "nope", []string{"b"}); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("got error %v for an unknown collection, want ErrNotFound", err)
	}
	if infos, _ := x.Collections(); len(infos) != 1 || infos[0].Manifest.Documents != 0 {
		t.Errorf("got %+v, want one empty collection", infos)
	}
}

func TestCompact(t *testing.T) {
	dir, e := t.TempDir(), newEmbedder()
	x := open(t, dir, e, withGraph)
	ingest(t, x, "src", foxes(20)...)
	ingest(t, x, "src", doc("doc01", "the fox sleeps"), doc("new", "a new fox"))
	if _, err := x.Delete(t.Context(), "c", []string{"doc02"}); err != nil {
		t.Fatal(err)
	}
	e.takeAsked()
	want := ask(t, x, "the fox sleeps")
	m, err := x.Compact(t.Context(), "c")
	if err != nil || len(m.Segments) != 1 || m.Segments[0].Deleted != 0 || m.Segments[0].Documents != 20 || m.Generation != 4 {
		t.Errorf("got %+v, error %v, want generation 4 of one segment with 20 documents", m, err)
	}
	if diff := cmp.Diff(ids(t, want.Vector), ids(t, ask(t, x, "the fox sleeps").Vector)); diff != "" {
		t.Errorf("the vector leg finds other chunks after compact:\n%s", diff)
	}
	if err := x.Verify("c"); err != nil {
		t.Errorf("verify: %v", err)
	}
	if again, err := x.Compact(t.Context(), "c"); err != nil || again.Generation != 4 {
		t.Errorf("got generation %d, error %v the second time, want nothing to be done", again.Generation, err)
	}
	// A leg with a flipped bit is made again, whichever generation it is of.
	ingest(t, x, "src", doc("doc03", "the fox runs"))
	e.takeAsked()
	seg := filepath.Join(dir, "collections", "c", "segments", m.Segments[0].Name)
	flip(t, filepath.Join(seg, "vector", "graph.hnsw"))
	if m, err = x.Compact(t.Context(), "c"); err != nil || len(m.Segments) != 1 || m.Generation != 6 {
		t.Errorf("got %+v, error %v, want generation 6 of one segment", m, err)
	}
	if err := x.Verify("c"); err != nil {
		t.Errorf("verify: %v", err)
	}
	if got := e.takeAsked(); got != nil {
		t.Errorf("got %q embedded, want nothing", got)
	}
	// Damaged data is not carried over.
	ingest(t, x, "src", doc("doc04", "the fox walks"))
	flip(t, filepath.Join(dir, "collections", "c", "segments", m.Segments[0].Name, "chunks.dat"))
	if m, err := x.Compact(t.Context(), "c"); err == nil || !strings.Contains(err.Error(), "chunks.dat") {
		t.Errorf("got %+v, error %v, want one that names chunks.dat", m, err)
	}
	if _, err := x.Compact(t.Context(), "nope"); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("got error %v for an unknown collection, want ErrNotFound", err)
	}
}

func flip(t testing.TB, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOlderGenerationStandsIn damages each file that only the last generation
// has: the one before answers, and says so, and the next run goes on from it.
func TestOlderGenerationStandsIn(t *testing.T) {
	files := []string{
		"manifest.json", "deleted.bin", "chunks.dat", "chunks.idx", "documents.idx", "documents.jsonl", "vectors.f32",
		"vector/graph.hnsw", "keyword/stats.json",
	}
	for _, name := range files {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			x := open(t, dir, newEmbedder(), withGraph)
			ingest(t, x, "src", foxes(9)...)
			m, _ := ingest(t, x, "src", doc("doc01", "a changed fox"), doc("new", "a new fox"))
			holds(t, x, "doc00", "doc01", "doc02", "doc03", "doc04", "doc05", "doc06", "doc07", "doc08", "new")
			path := filepath.Join(dir, "collections", "c", "segments", m.Segments[1].Name, name)
			if name == "manifest.json" || name == "deleted.bin" {
				path = filepath.Join(published(t, dir), name)
			}
			flip(t, path)
			var told []error
			x = open(t, dir, newEmbedder(), withGraph, func(o *index.Options) {
				o.Damaged = func(collection string, err error) { told = append(told, fmt.Errorf("%s: %w", collection, err)) }
			})
			for range 2 {
				holds(t, x, "doc00", "doc01", "doc02", "doc03", "doc04", "doc05", "doc06", "doc07", "doc08")
			}
			if len(told) != 1 || !strings.Contains(told[0].Error(), path) || !strings.Contains(told[0].Error(), "gen-000001 answers instead of gen-000002") {
				t.Errorf("got told %v, want once, with %s and both generations", told, path)
			}
			if err := x.Verify("c"); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v from Verify, want an error that names %s", err, path)
			}
			told = nil
			leg := strings.Contains(name, "/")
			changes := []index.Change{index.Updated, index.Added}
			if leg { // made again, nothing is lost
				changes = []index.Change{index.Unchanged, index.Unchanged}
			}
			m, got := ingest(t, x, "src", doc("doc01", "a changed fox"), doc("new", "a new fox"))
			if m.Generation != 3 || !slices.Equal(got, changes) || leg != (len(told) == 0) {
				t.Errorf("got generation %d, changes %v, told %v, want generation 3 with %v", m.Generation, got, told, changes)
			}
			holds(t, x, "doc00", "doc01", "doc02", "doc03", "doc04", "doc05", "doc06", "doc07", "doc08", "new")
			if err := x.Verify("c"); err != nil {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

// TestRemadeCollection: the folder was removed and filled again while it was
// open, up to a generation of the same name.
func TestRemadeCollection(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir, newEmbedder())
	ingest(t, x, "src", doc("a", "a fox"))
	holds(t, x, "a")
	if err := os.RemoveAll(filepath.Join(dir, "collections", "c")); err != nil {
		t.Fatal(err)
	}
	ingest(t, open(t, dir, newEmbedder()), "src", doc("b", "a fox"))
	holds(t, x, "b")
}
