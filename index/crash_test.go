package index_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

// watched calls at when the named step of a run begins and when it ends.
type watched struct {
	index.VectorEngine
	at func(step string)
}

func (w watched) Build(ctx context.Context, m index.Matrix, dir string) error {
	w.at("vector begins")
	defer w.at("vector ends")
	return w.VectorEngine.Build(ctx, m, dir)
}

type watchedKeyword struct {
	index.KeywordEngine
	at func(step string)
}

func (w watchedKeyword) Build(ctx context.Context, chunks iter.Seq[index.Chunk], dir string) error {
	w.at("keyword begins")
	defer w.at("keyword ends")
	return w.KeywordEngine.Build(ctx, chunks, dir)
}

// TestKilledAtAnyStep copies the data folder at each step of a run: that is
// what a kill at this moment leaves. Every copy must answer with the documents
// of before and take the next run.
func TestKilledAtAnyStep(t *testing.T) {
	dir := t.TempDir()
	ingest(t, open(t, dir, newEmbedder()), "src", doc("a", "a fox"), doc("b", "b fox"))
	copies := map[string]string{}
	at := func(step string) { copies[step] = copyFolder(t, dir) }
	e := newEmbedder()
	e.documents = func(texts []string) ([][]float32, error) {
		at("embed")
		return embedAll(texts), nil
	}
	x := open(t, dir, e, func(o *index.Options) {
		o.Vector, o.Keyword = watched{o.Vector, at}, watchedKeyword{o.Keyword, at}
	})
	b := begin(t, x)
	at("begun")
	add(t, b, "src", doc("a", "a fox that changed"), doc("d", "d fox"))
	at("added")
	b.Prune("src")
	commit(t, b)
	holds(t, x, "a", "d")

	// The last step is one rename; the moment before it is the folder of now
	// with the "current" file of then.
	at("renamed")
	collection := filepath.Join(copies["renamed"], "collections", "c")
	err := errors.Join(
		os.WriteFile(filepath.Join(collection, "current"), []byte("gen-000001"), 0o600),
		os.WriteFile(filepath.Join(collection, "current.tmp"), []byte("gen-0"), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	if len(copies) != 8 {
		t.Errorf("got copies of %d steps, want 8", len(copies))
	}
	for step, dir := range copies {
		t.Run(step, func(t *testing.T) {
			x := open(t, dir, newEmbedder())
			holds(t, x, "a", "b")
			if err := x.Verify("c"); err != nil {
				t.Errorf("verify: %v", err)
			}
			if m, _ := ingest(t, x, "src", doc("new", "a new fox")); m.Generation != 2 {
				t.Errorf("got generation %d, want 2", m.Generation)
			}
			holds(t, x, "a", "b", "new")
			wantFolders(t, dir, "gen-000001", "gen-000002")
		})
	}
}

// wantFolders wants these generations below the collection and no others.
func wantFolders(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "collections", "c"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "gen-") {
			got = append(got, e.Name())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got the generations %q, want %q", got, want)
	}
}

func TestLeftoversAreRemoved(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir, newEmbedder())
	ingest(t, x, "src", doc("a", "a fox"))
	collection := filepath.Join(dir, "collections", "c")
	for _, left := range []string{"gen-000002.tmp/vector", "gen-000007.tmp", "gen-000002", "gen-000009/keyword"} {
		if err := os.MkdirAll(filepath.Join(collection, left), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(collection, left, "chunks.dat"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	holds(t, x, "a")
	ingest(t, x, "src", doc("b", "a fox"))
	holds(t, x, "a", "b")
	wantFolders(t, dir, "gen-000001", "gen-000002")
	ingest(t, x, "src", doc("d", "a fox"))
	wantFolders(t, dir, "gen-000002", "gen-000003")
}

// TestFailingLegEndsTheRun: what an engine cannot build is not published.
func TestFailingLegEndsTheRun(t *testing.T) {
	dir := t.TempDir()
	ingest(t, open(t, dir, newEmbedder()), "src", doc("a", "a fox"))
	full := errors.New("no space left on device")
	for name, change := range map[string]func(*index.Options){
		"vector":  func(o *index.Options) { o.Vector = fullVector{o.Vector, full} },
		"keyword": func(o *index.Options) { o.Keyword = fullKeyword{o.Keyword, full} },
	} {
		x := open(t, dir, newEmbedder(), change)
		b := begin(t, x)
		add(t, b, "src", doc("b", "a fox"))
		if _, err := b.Commit(t.Context()); !errors.Is(err, full) || !strings.Contains(err.Error(), "build "+name+" leg") {
			t.Errorf("got error %v, want one about the %s leg", err, name)
		}
		holds(t, x, "a")
		wantFolders(t, dir, "gen-000001")
	}
}

type fullVector struct {
	index.VectorEngine
	err error
}

func (f fullVector) Build(context.Context, index.Matrix, string) error { return f.err }

type fullKeyword struct {
	index.KeywordEngine
	err error
}

func (f fullKeyword) Build(context.Context, iter.Seq[index.Chunk], string) error { return f.err }
