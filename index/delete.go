package index

import (
	"context"
	"fmt"
)

// Deleted is a document that was deleted.
type Deleted struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

// Delete removes the documents whose id or URL is one of names, in one
// generation, and returns them in the order of the collection; none is no
// error. They are found by neither leg from the next search on. No embedder is
// asked.
func (x *Index) Delete(ctx context.Context, collection string, names []string) (deleted []Deleted, err error) {
	if err := x.Exists(ctx, collection); err != nil {
		return nil, err
	}
	b, err := x.Build(ctx, BuildOptions{Collection: collection, noEmbedder: true})
	if err != nil {
		return nil, err
	}
	defer b.Abort() // of a run that ended by an error
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	err = b.prev.live(func(at docPlace, e docEntry) error {
		d, err := b.prev.segs[at.seg].document(at.doc)
		if err != nil {
			return err
		}
		b.prev.segs[at.seg].known[at.doc].Store(nil) // memory stays flat
		if wanted[d.ID] || d.URL != "" && wanted[d.URL] {
			deleted = append(deleted, Deleted{d.ID, d.URL})
			b.deleted[e.ID], b.dirty = true, true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("delete documents: %w", err)
	}
	if len(deleted) == 0 {
		return nil, b.Abort()
	}
	_, err = b.Commit(ctx)
	if err != nil {
		return nil, err
	}
	return deleted, nil
}

// Compact merges all segments of a collection into one, without the deleted
// documents, and makes both legs again. It reads through all checksums, and
// changes nothing where the data is damaged or where there is nothing to do.
// No embedder is asked.
func (x *Index) Compact(ctx context.Context, collection string) (Manifest, error) {
	if err := x.Exists(ctx, collection); err != nil {
		return Manifest{}, err
	}
	b, err := x.Build(ctx, BuildOptions{Collection: collection, noEmbedder: true, compact: true})
	if err != nil {
		return Manifest{}, err
	}
	return b.Commit(ctx)
}
