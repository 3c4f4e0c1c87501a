package index

import (
	"context"
	"iter"
)

// Piece is what a splitter cuts from a text. Start and End count characters
// (code points) of that text, [Start, End).
type Piece struct {
	Text       string
	Start, End int
}

// Splitter cuts a document's text into the pieces that become its chunks.
// Implementations are pure and safe for concurrent use.
type Splitter interface {
	// Split returns the pieces in the order of the text; a text of only white
	// space gives none.
	Split(text string) []Piece
	// Name names the splitter with its settings ("recursive-1000-200"). It is
	// stamped in the manifest: documents split under another name are split
	// again.
	Name() string
}

// Embedder turns text into vectors. Implementations are safe for concurrent
// use.
type Embedder interface {
	// EmbedDocuments returns one vector for each text, in the same order, all
	// of the same number of dimensions and finite. An error means none is
	// usable. The caller owns the vectors and may change them. It does its own batching and retrying, and gives up when ctx is
	// done.
	EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error)
	// EmbedQuery returns the vector to search with. It may differ from the
	// same text's document vector (models with a query prefix).
	EmbedQuery(ctx context.Context, text string) ([]float32, error)
	// Space names the vector space, "model@dims". Vectors of different spaces
	// are never compared: it is stamped in the manifest. An embedder that does
	// not know its dimensions before the first answer may ask; hence ctx.
	Space(ctx context.Context) (string, error)
}

// Match is one answer of an engine: the row of a chunk within what was opened
// (from 0, in the order they were built) and the engine's score, higher is
// better.
type Match struct {
	Row   int
	Score float64
}

// Allow tells an engine which rows may be returned; nil allows all. It is
// called while searching, possibly often, so it must be cheap, and it must
// not change during a search.
type Allow func(row int) bool

// Matrix is a dense row-major matrix of float32: row i is
// Data[i*Dims : (i+1)*Dims]. The rows of an index are unit vectors, or all
// zero where the embedder gave a zero vector.
type Matrix struct {
	Dims int
	Data []float32
}

// Rows is the number of rows.
func (m Matrix) Rows() int {
	if m.Dims == 0 {
		return 0
	}
	return len(m.Data) / m.Dims
}

// Row is row i, not a copy.
func (m Matrix) Row(i int) []float32 { return m.Data[i*m.Dims : (i+1)*m.Dims] }

// VectorEngine makes and opens the vector leg of a segment.
type VectorEngine interface {
	// Name is the engine's name in the manifest ("exact", "hnsw").
	Name() string
	// Build writes into dir whatever the engine keeps on disk beside the
	// vectors themselves (which the index stores); it may write nothing. The
	// same matrix gives the same bytes.
	Build(ctx context.Context, m Matrix, dir string) error
	// Open returns a searcher over m and the files that Build wrote into dir.
	// m is not copied and must not change while the searcher is in use.
	Open(m Matrix, dir string) (VectorSearcher, error)
}

// VectorSearcher is an opened vector leg; safe for concurrent use.
type VectorSearcher interface {
	// Search returns at most k matches by cosine similarity to query, best
	// first, ties by row. A query of other dimensions than the matrix, or one
	// that is not finite, is an error; a zero query, an empty matrix or k < 1
	// gives no matches.
	Search(ctx context.Context, query []float32, k int, allow Allow) ([]Match, error)
	Close() error
}

// LegVerifier is implemented by searchers of either leg that can tell more of
// themselves than that their files are as they were written: that a graph is
// connected, that there are postings for so many rows. Verify reads all of the
// leg.
type LegVerifier interface {
	Verify(ctx context.Context, rows int) error
}

// KeywordEngine makes the keyword leg of a segment and opens
// those of a generation.
type KeywordEngine interface {
	// Name is the engine's name, with its analyzer, in the manifest.
	Name() string
	// Build indexes the chunks, whose rows are 0, 1, 2 ... in the order given,
	// into dir, which exists and is empty.
	Build(ctx context.Context, chunks iter.Seq[Chunk], dir string) error
	// Open opens what Build wrote into each of the folders as one index: the
	// rows of a folder follow those of the folder before it, and what a score
	// needs to know of all chunks (how many, how long, how many have a word)
	// is of all folders together.
	Open(dirs []string) (KeywordSearcher, error)
}

// KeywordSearcher is an opened keyword leg; safe for concurrent use.
type KeywordSearcher interface {
	// Search returns at most k matches with a score above zero, best first,
	// ties by row. Any text is a valid query; one without a known word gives
	// no matches.
	Search(ctx context.Context, query string, k int, allow Allow) ([]Match, error)
	Close() error
}
