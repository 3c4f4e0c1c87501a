package index

import (
	"context"
	"errors"
	"iter"
)

// Engine holds collections: *Index on this machine, or an adapter to a [Server]
// that several processes share. Safe for concurrent use.
//
// A search sees one generation to its end, and the one that is current when it
// begins (docs/adr/0007-engines.md).
type Engine interface {
	// Search asks both legs; the error is as of [Index.Search]. A server that
	// does not answer is each leg's error, not the call's.
	Search(ctx context.Context, q Query) (Legs, error)
	// Exists returns nil if a collection is published and ErrNotFound if not.
	Exists(ctx context.Context, collection string) error
	Writer
	Reader
	// SplitterName names the splitter that documents are cut with; "" without one.
	SplitterName() string
	// Close lets go of what is open. Searches that still run may fail.
	Close() error
}

// Writer is the half of an engine that changes collections.
type Writer interface {
	// Begin begins a run, the only one that writes the collection: a second
	// one is ErrBusy, wherever it runs. A holder that dies loses it.
	Begin(ctx context.Context, opts BuildOptions) (Run, error)
	// Delete removes documents by id or URL; see [Index.Delete].
	Delete(ctx context.Context, collection string, names []string) ([]Deleted, error)
	// DeleteDocument removes one; [ErrNoDocument] if there is none.
	DeleteDocument(ctx context.Context, collection, id string) (Manifest, error)
}

// Reader is the half of an engine that tells what is published.
type Reader interface {
	Documents(ctx context.Context, collection string, q DocumentsQuery) (list []DocumentInfo, more bool, err error)
	Document(ctx context.Context, collection, id string, filters map[string]any) (DocumentInfo, []Chunk, error)
	Collections() ([]CollectionInfo, error)
	Names() ([]string, error)
	Served() ([]Served, error)
	Inspect(ctx context.Context, collection string) (Report, error)
	Scan(ctx context.Context, collection string, f func(Manifest, iter.Seq2[Stored, error]) error) error
}

// Run collects documents into the next generation of a collection. Nothing of
// it is visible before Commit, and everything is at once after it; see
// [Builder], which is the one of this machine. Not safe for concurrent use.
type Run interface {
	Add(ctx context.Context, source string, d Document) (Change, error)
	// Take is Add for a run with BuildOptions.Like.
	Take(ctx context.Context, s Stored) (Change, error)
	Keep(id string)
	Prune(source string) int
	Has(id string) bool
	Chunks() int
	Flush(ctx context.Context) error
	Commit(ctx context.Context) (Manifest, error)
	Abort() error
}

// ErrReadOnly says that the engine takes no changes, though it can be read: a
// disk that is full, a server without a primary.
var ErrReadOnly = errors.New("the engine takes no changes")

var (
	_ Engine = (*Index)(nil)
	_ Run    = (*Builder)(nil)
)

// Begin is Build for those who know the engine only.
func (x *Index) Begin(ctx context.Context, opts BuildOptions) (Run, error) {
	b, err := x.Build(ctx, opts)
	if err != nil {
		return nil, err // a nil *Builder in a Run would not be nil
	}
	return b, nil
}
