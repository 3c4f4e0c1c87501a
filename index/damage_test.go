package index_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/vector"
)

// withGraph builds the vector leg with the engine that has a file.
func withGraph(o *index.Options) {
	o.Vector, _ = vector.New("hnsw")
}

func damageable(t testing.TB) (dir, seg string) {
	t.Helper()
	dir = t.TempDir()
	ingest(t, open(t, dir, newEmbedder(), withGraph), "src", doc("a", twoChunks), doc("b", "another fox"), doc("empty", ""))
	return dir, segment(t, dir)
}

// generationFiles are the paths of the manifest and of all files of a segment.
func generationFiles(t testing.TB, dir, seg string) []string {
	t.Helper()
	paths := []string{filepath.Join(published(t, dir), "manifest.json")}
	err := filepath.WalkDir(seg, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) < 9 {
		t.Fatalf("got the files %q, error %v, want all of a generation", paths, err)
	}
	return paths
}

// damages gives a file as it may look after an accident.
func damages(whole []byte) [][]byte {
	rng := rand.New(rand.NewPCG(1, uint64(len(whole))))
	out := [][]byte{{}, whole[:len(whole)-1], whole[:len(whole)/2], append(slices.Clone(whole), 0)}
	for range 12 {
		b := slices.Clone(whole)
		b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		out = append(out, b)
	}
	return out
}

// TestDamagedFile damages every file of a generation in many ways. Search
// tells it in the legs that need the file and the other one answers as before;
// Verify names the file; a run refuses to go on from damaged data, and makes
// damaged legs anew.
func TestDamagedFile(t *testing.T) {
	dir, seg := damageable(t)
	want := ask(t, open(t, dir, newEmbedder(), withGraph), "the fox")
	for _, path := range generationFiles(t, dir, seg) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(whole) == 0 {
				t.Fatal("got an empty file, want one to damage")
			}
			for i, b := range damages(whole) {
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				checkDamaged(t, fmt.Sprintf("damage %d", i), dir, path, want)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			checkDamaged(t, "removed", dir, path, want)
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
		})
	}
	holds(t, open(t, dir, newEmbedder(), withGraph), "a", "b")
}

func checkDamaged(t *testing.T, what, dir, path string, want index.Legs) {
	t.Helper()
	x := open(t, dir, newEmbedder(), withGraph)
	legs := ask(t, x, "the fox")
	dead := 0
	for _, leg := range []struct{ got, want index.Leg }{{legs.Vector, want.Vector}, {legs.Keyword, want.Keyword}} {
		if leg.got.Err != nil {
			dead++
			wantAdvice(t, what, leg.got.Err, path)
		} else if diff := cmp.Diff(leg.want.Hits, leg.got.Hits, sameHit); diff != "" {
			t.Errorf("%s: a leg answers without an error, but other than before:\n%s", what, diff)
		}
	}
	if dead == 0 {
		t.Errorf("%s: got no error from a search, want one", what)
	}
	if err := x.Verify("c"); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%s: got %v from Verify, want an error that names %s", what, err, path)
	}
	if strings.Contains(path, "/vector/") || strings.Contains(path, "/keyword/") {
		return // TestRunMendsLegs
	}
	before := folder(t, dir)
	b, err := x.Build(t.Context(), index.BuildOptions{Collection: "c"})
	if err == nil {
		b.Abort()
		t.Fatalf("%s: a run began on damaged data", what)
	}
	wantAdvice(t, what, err, path)
	if diff := cmp.Diff(before, folder(t, dir)); diff != "" {
		t.Errorf("%s: the refused run changed files:\n%s", what, diff)
	}
}

// wantAdvice wants an error that names the file and says what to do.
func wantAdvice(t *testing.T, what string, err error, path string) {
	t.Helper()
	if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "again") {
		t.Errorf("%s: got error %q, want one that names %s and says what to do", what, err, path)
	}
}

// TestRunMendsLegs: both legs can be made from the rest, without the embedder.
func TestRunMendsLegs(t *testing.T) {
	for _, leg := range []string{"vector", "keyword"} {
		for _, damage := range []func(string) error{
			os.RemoveAll,
			func(path string) error { return os.WriteFile(onlyFile(t, path), []byte("x"), 0o600) },
		} {
			dir, gen := damageable(t)
			if err := damage(filepath.Join(gen, leg)); err != nil {
				t.Fatal(err)
			}
			e := newEmbedder()
			x := open(t, dir, e, withGraph)
			if m, _ := ingest(t, x, "src", doc("a", twoChunks)); m.Generation != 2 {
				t.Errorf("%s: got generation %d, want 2", leg, m.Generation)
			}
			holds(t, x, "a", "b")
			if err := x.Verify("c"); err != nil {
				t.Errorf("%s: got %v from Verify, want nothing", leg, err)
			}
			if got := e.takeAsked(); got != nil {
				t.Errorf("%s: got %q embedded again, want nothing", leg, got)
			}
		}
	}
}

func onlyFile(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			return filepath.Join(dir, e.Name())
		}
	}
	t.Fatalf("no file in %s", dir)
	return ""
}

func TestVerifyNamesEachDamagedFile(t *testing.T) {
	dir, gen := damageable(t)
	cut, flipped, missing := filepath.Join(gen, "chunks.dat"), filepath.Join(gen, "vectors.f32"), filepath.Join(gen, "vector", "graph.hnsw")
	if err := os.Truncate(cut, 3); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(flipped)
	if err != nil {
		t.Fatal(err)
	}
	b[5] ^= 1
	if err := errors.Join(os.WriteFile(flipped, b, 0o600), os.Remove(missing)); err != nil {
		t.Fatal(err)
	}
	err = open(t, dir, newEmbedder()).Verify("c")
	if err == nil || len(strings.Split(err.Error(), "\n")) != 3 {
		t.Fatalf("got %v, want three lines", err)
	}
	for _, want := range []string{cut, flipped, missing} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to name %s", err, want)
		}
	}
}
