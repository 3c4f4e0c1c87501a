package index_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

func TestGarbageInCurrent(t *testing.T) {
	dir, _ := damageable(t)
	path := filepath.Join(dir, "collections", "c", "current")
	for _, garbage := range []string{"", "garbage", "gen-1", "gen-000001\n", "../../etc", "gen-000000", "\x00\xff"} {
		if err := os.WriteFile(path, []byte(garbage), 0o600); err != nil {
			t.Fatal(err)
		}
		before := folder(t, dir)
		x := open(t, dir, newEmbedder(), withGraph)
		legs := ask(t, x, "fox")
		_, buildErr := x.Build(t.Context(), index.BuildOptions{Collection: "c"})
		for name, err := range map[string]error{"vector": legs.Vector.Err, "keyword": legs.Keyword.Err, "verify": x.Verify("c"), "build": buildErr} {
			want := path
			if garbage == "gen-000000" { // there is none before it
				want = garbage
			}
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "again") {
				t.Errorf("%q: %s: got error %v, want one that names %s and says what to do", garbage, name, err, want)
			}
		}
		if diff := cmp.Diff(before, folder(t, dir)); diff != "" {
			t.Errorf("%q: files changed:\n%s", garbage, diff)
		}
	}
	if err := os.WriteFile(path, []byte("gen-000001"), 0o600); err != nil {
		t.Fatal(err)
	}
	holds(t, open(t, dir, newEmbedder()), "a", "b")
}

// TestMissingCurrent: a whole generation is there, so nothing may be lost. A
// run takes it up, as it does after a first run that was killed just before
// its end.
func TestMissingCurrent(t *testing.T) {
	dir, _ := damageable(t)
	path := filepath.Join(dir, "collections", "c", "current")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	e := newEmbedder()
	x := open(t, dir, e)
	if _, err := x.Search(t.Context(), index.Query{Text: "fox", Collection: "c", Depth: 1}); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("search: got error %v, want ErrNotFound", err)
	}
	before := folder(t, dir)
	b, err := x.Build(t.Context(), index.BuildOptions{Collection: "c", DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := add(t, b, "src", doc("b", "another fox")); got[0] != index.Unchanged {
		t.Errorf("dry run: got %v, want unchanged", got[0])
	}
	commit(t, b)
	if diff := cmp.Diff(before, folder(t, dir)); diff != "" {
		t.Errorf("the dry run changed files:\n%s", diff)
	}
	if m, _ := ingest(t, x, "src", doc("d", "a new fox")); m.Generation != 2 {
		t.Errorf("got generation %d, want 2", m.Generation)
	}
	holds(t, x, "a", "b", "d")
	if got := e.takeAsked(); len(got) != 1 {
		t.Errorf("got %q embedded, want the new one only", got)
	}
}

func TestManifest(t *testing.T) {
	dir, _ := damageable(t)
	path := filepath.Join(published(t, dir), "manifest.json")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	later := bytes.Replace(whole, []byte(`"format": 2,`), []byte(`"format": 99, "new": {},`), 1)
	moved := bytes.Replace(whole, []byte(`"generation": 1,`), []byte(`"generation": 7,`), 1)
	tests := []struct {
		name string
		data []byte
		seal bool
		want []string
	}{
		{"empty", nil, false, []string{path, "again"}},
		{"no JSON", []byte("garbage"), false, []string{path, "again"}},
		{"other JSON", []byte("[]"), false, []string{path, "again"}},
		{"null", []byte("null"), false, []string{path, "again"}},
		{"changed by hand", bytes.Replace(whole, []byte("fake@16"), []byte("fake@17"), 1), false, []string{path, "again"}},
		{"newer format", later, false, []string{path, "format 99", "newer ragproxy"}},
		{"of another generation", moved, true, []string{path, "generation 7", "again"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.seal {
				tt.data = index.SealManifest(tt.data)
			}
			if err := os.WriteFile(path, tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
			before := folder(t, dir)
			x := open(t, dir, newEmbedder())
			legs := ask(t, x, "fox")
			_, buildErr := x.Build(t.Context(), index.BuildOptions{Collection: "c"})
			_, listErr := x.Collections()
			for name, err := range map[string]error{
				"vector": legs.Vector.Err, "keyword": legs.Keyword.Err, "verify": x.Verify("c"), "build": buildErr, "list": listErr,
			} {
				for _, want := range tt.want {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%s: got error %v, want one with %q", name, err, want)
					}
				}
			}
			if diff := cmp.Diff(before, folder(t, dir)); diff != "" {
				t.Errorf("files changed:\n%s", diff)
			}
		})
	}
}
