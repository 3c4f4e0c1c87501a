//go:build !windows

package vector

import (
	"path/filepath"
	"testing"

	"github.com/coder/hnsw"
)

func TestReadBack(t *testing.T) {
	m, _ := clustered(300, 4, 0)
	g, members, _ := graphOf(t, m)
	whole := g.encode(members)
	if err := readBack(whole, len(g.layers), 300); err != nil {
		t.Errorf("got error %v for a whole stream", err)
	}
	for name, stream := range map[string][]byte{"cut": whole[:len(whole)/2], "other version": append([]byte{8}, whole[1:]...)} {
		if err := readBack(stream, len(g.layers), 300); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if err := readBack(whole, len(g.layers), 299); err == nil {
		t.Error("other rows: got no error")
	}
}

// TestFileIsAnExportStream reads the file as the library reads its own.
func TestFileIsAnExportStream(t *testing.T) {
	m, _ := clustered(100, 4, 0)
	dir := t.TempDir()
	if err := walks.Build(t.Context(), m, dir); err != nil {
		t.Fatal(err)
	}
	saved, err := hnsw.LoadSavedGraph[int](filepath.Join(dir, graphFile))
	if err != nil {
		t.Fatal(err)
	}
	if saved.Len() != 100 || saved.Dims() != 0 || saved.M != graphLinks {
		t.Errorf("got %d nodes, %d dimensions, M %d, want 100, 0, %d", saved.Len(), saved.Dims(), saved.M, graphLinks)
	}
}
