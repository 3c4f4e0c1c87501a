package lexical

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name   string
		damage func(dir string) error
		want   string
	}{
		{"no stats", func(dir string) error { return os.Remove(filepath.Join(dir, statsFile)) }, statsFile},
		{"no JSON", func(dir string) error { return os.WriteFile(filepath.Join(dir, statsFile), []byte("{"), 0o600) }, statsFile},
		{"other engine", func(dir string) error { return restamp(dir, func(s *stats) { s.Engine = "other" }) }, `"other"`},
		{"other number of documents", func(dir string) error { return restamp(dir, func(s *stats) { s.Documents = 3 }) }, "2 documents, want 3"},
		{"negative", func(dir string) error { return restamp(dir, func(s *stats) { s.Documents = -3 }) }, statsFile},
		{"no checksum", func(dir string) error { return os.WriteFile(filepath.Join(dir, statsFile), unsummed(), 0o600) }, "no checksum"},
		{"no postings", func(dir string) error { return os.Remove(filepath.Join(dir, postingsFile)) }, postingsFile},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := built(t, "a fox", "a dog")
			if err := tt.damage(dir); err != nil {
				t.Fatal(err)
			}
			s, err := newEngine(t, Options{}).Open([]string{dir})
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got error %v, want one that names %s in %s", err, tt.want, dir)
			}
		})
	}
}

// unsummed is a whole stats.json that names no file.
func unsummed() []byte {
	s := stats{Engine: "bleve-bm25:default", Documents: 2, Files: map[string]uint32{}}
	s.Sum, _ = s.sum()
	b, _ := json.Marshal(s)
	return append(b, '\n')
}

// restamp changes stats.json and makes its checksum right again.
func restamp(dir string, change func(*stats)) error {
	path := filepath.Join(dir, statsFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	s, err := parseStats(b)
	if err != nil {
		return err
	}
	change(&s)
	if b, err = s.seal(dir); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

// TestFlippedBits damages every file in many ways; each must be an error that
// names it.
func TestFlippedBits(t *testing.T) {
	dir := built(t, "a red fox", "a red dog", "one more dog and a fox")
	rng := rand.New(rand.NewPCG(5, 6))
	for path, whole := range filesBelow(t, dir) {
		damaged := [][]byte{nil, whole[:len(whole)-1], append(slices.Clone(whole), 0)}
		for range 200 {
			b := slices.Clone(whole)
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
			damaged = append(damaged, b)
		}
		for i, b := range damaged {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := newEngine(t, Options{}).Open([]string{dir}); err == nil || !strings.Contains(err.Error(), path) {
				t.Fatalf("damage %d: got error %v, want one that names %s", i, err, path)
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzStats(f *testing.F) {
	whole, err := (&stats{Engine: "e", Tokens: 3}).seal(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"engine":"e","documents":-1,"files":{"../x":1},"sum":0}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseStats(b); err == nil && (s.Documents < 0 || s.Tokens < 0) {
			t.Errorf("got %+v from %q, want an error", s, b)
		}
	})
}

func filesBelow(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, path := range []string{statsFile, postingsFile} {
		path = filepath.Join(dir, path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = b
	}
	return files
}
