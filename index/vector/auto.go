package vector

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ragproxy/ragproxy/index"
)

// autoBytes is how large the int8 copy of a matrix may be for a scan to do:
// 50,000 rows of 384 numbers. Below, a scan for 100 rows costs up to twice the
// walk and finds all of them; above, it does not fit in the caches and costs
// five times as much and more (docs/adr/0003).
const autoBytes = 50_000 * 384

// autoEngine is the exact engine for matrices of up to limit bytes as int8, and
// the hnsw engine for larger ones.
type autoEngine struct {
	exact exactEngine
	hnsw  hnswEngine
	limit int
}

func (autoEngine) Name() string { return "auto" }

func (e autoEngine) Build(ctx context.Context, m index.Matrix, dir string) error {
	if len(m.Data) <= e.limit {
		return e.exact.Build(ctx, m, dir)
	}
	return e.hnsw.Build(ctx, m, dir)
}

// Open goes by what is there, so that the limit can change with a release.
func (e autoEngine) Open(m index.Matrix, dir string) (index.VectorSearcher, error) {
	if _, err := os.Lstat(filepath.Join(dir, graphFile)); errors.Is(err, fs.ErrNotExist) {
		return e.exact.Open(m, dir)
	}
	return e.hnsw.Open(m, dir)
}
