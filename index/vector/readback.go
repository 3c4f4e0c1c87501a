//go:build !windows

package vector

import (
	"bytes"
	"fmt"

	"github.com/coder/hnsw"
)

// readBack has coder/hnsw, whose format it is, read a stream before it is kept:
// a file that the library cannot open is never published.
func readBack(stream []byte, layers, rows int) error {
	g := hnsw.NewGraph[int]()
	if err := g.Import(bytes.NewReader(stream)); err != nil {
		return fmt.Errorf("import graph: %w", err)
	}
	height := (&hnsw.Analyzer[int]{Graph: g}).Height()
	if g.Len() != rows || rows > 0 && height != layers+1 { // the entry's layer
		return fmt.Errorf("import graph: got %d rows on %d layers, want %d on %d", g.Len(), height, rows, layers+1)
	}
	return nil
}
