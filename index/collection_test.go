package index_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

func TestCollectionNames(t *testing.T) {
	dir := t.TempDir()
	x := open(t, filepath.Join(dir, "data"), newEmbedder())
	bad := []string{"", ".", "..", "../x", "a/b", `a\b`, "/abs", ".hidden", "-flag", "a b", "ä", "a\x00", "a\n", strings.Repeat("a", 65)}
	for _, name := range bad {
		_, err := x.Build(t.Context(), index.BuildOptions{Collection: name})
		if err == nil || !strings.Contains(err.Error(), "name is 1 to 64") {
			t.Errorf("build %q: got error %v, want one that tells the rule", name, err)
		}
		if _, err := x.Search(t.Context(), index.Query{Text: "fox", Collection: name, Depth: 1}); !errors.Is(err, index.ErrNotFound) {
			t.Errorf("search %q: got error %v, want ErrNotFound", name, err)
		}
		if err := x.Exists(t.Context(), name); !errors.Is(err, index.ErrNotFound) {
			t.Errorf("exists %q: got error %v, want ErrNotFound", name, err)
		}
		if err := x.Verify(name); err == nil {
			t.Errorf("verify %q: got no error, want one", name)
		}
	}
	if got := folder(t, dir); len(got) != 0 {
		t.Errorf("got the files %v, want none", got)
	}
	for _, name := range []string{"a", "A-1_b.c", "0", strings.Repeat("a", 64)} {
		b, err := x.Build(t.Context(), index.BuildOptions{Collection: name})
		if err != nil {
			t.Fatalf("build %q: %v", name, err)
		}
		add(t, b, "src", doc("a", "a fox"))
		commit(t, b)
		if err := x.Exists(t.Context(), name); err != nil {
			t.Errorf("exists %q: %v", name, err)
		}
	}
}

func TestUnknownCollection(t *testing.T) {
	x := open(t, t.TempDir(), newEmbedder())
	_, err := x.Search(t.Context(), index.Query{Text: "fox", Collection: "nope", Depth: 1})
	for name, err := range map[string]error{"search": err, "exists": x.Exists(t.Context(), "nope"), "verify": x.Verify("nope")} {
		if !errors.Is(err, index.ErrNotFound) || !strings.Contains(err.Error(), `"nope"`) {
			t.Errorf("%s: got error %v, want ErrNotFound with the name", name, err)
		}
	}
}

func TestCollections(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir, newEmbedder())
	names := func() []string {
		t.Helper()
		infos, err := x.Collections()
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, c := range infos {
			out = append(out, c.Name)
			if c.Manifest.Documents != 1 {
				t.Errorf("%s: got %d documents, want 1", c.Name, c.Manifest.Documents)
			}
		}
		return out
	}
	if got := names(); got != nil {
		t.Errorf("got %q in an empty folder, want none", got)
	}
	for _, name := range []string{"b", "a"} {
		b, err := x.Build(t.Context(), index.BuildOptions{Collection: name})
		if err != nil {
			t.Fatal(err)
		}
		add(t, b, "src", doc("a", "a fox"))
		commit(t, b)
	}
	running, err := x.Build(t.Context(), index.BuildOptions{Collection: "not-yet"})
	if err != nil {
		t.Fatal(err)
	}
	defer running.Abort()
	for _, stray := range []string{".DS_Store", "notes.txt"} { // from a file manager
		if err := os.WriteFile(filepath.Join(dir, "collections", stray), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "collections", "lost+found"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, want := names(), []string{"a", "b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// A damaged one is an error that names it; the others are listed.
	if err := os.WriteFile(filepath.Join(dir, "collections", "a", "current"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	infos, err := x.Collections()
	if err == nil || !strings.Contains(err.Error(), filepath.Join("a", "current")) || len(infos) != 1 || infos[0].Name != "b" {
		t.Errorf("got %v, error %v, want b, and an error that names a's current", infos, err)
	}
}
