package index

import (
	"context"
	"errors"
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
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	_, err = x.remove(ctx, collection, func(s *segment, doc int, _ docEntry) (bool, error) {
		d, err := s.uncached(doc)
		if err != nil || !wanted[d.ID] && (d.URL == "" || !wanted[d.URL]) {
			return false, err
		}
		deleted = append(deleted, Deleted{d.ID, d.URL})
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return deleted, nil
}

// ErrNoDocument says that a collection has no document with an id.
var ErrNoDocument = errors.New("document not found")

// DeleteDocument removes the document with that id, and returns the manifest
// of the generation without it; [ErrNoDocument] if there is none. No embedder
// is asked.
func (x *Index) DeleteDocument(ctx context.Context, collection, id string) (Manifest, error) {
	found := false
	m, err := x.remove(ctx, collection, func(_ *segment, _ int, e docEntry) (bool, error) {
		found = found || e.ID == keyOf(id)
		return e.ID == keyOf(id), nil
	})
	if err == nil && !found {
		err = fmt.Errorf("document %q: %w", id, ErrNoDocument)
	}
	return m, err
}

// remove publishes a generation without the documents that pick says yes to;
// nothing if there are none.
func (x *Index) remove(ctx context.Context, collection string, pick func(s *segment, doc int, e docEntry) (bool, error)) (Manifest, error) {
	if err := x.Exists(ctx, collection); err != nil {
		return Manifest{}, err
	}
	b, err := x.Build(ctx, BuildOptions{Collection: collection, noEmbedder: true})
	if err != nil {
		return Manifest{}, err
	}
	defer b.Abort() // of a run that ended by an error
	n := 0
	err = b.prev.live(func(at docPlace, e docEntry) error {
		picked, err := pick(b.prev.segs[at.seg], at.doc, e)
		if picked {
			b.deleted[e.ID], b.dirty = true, true
			n++
		}
		return err
	})
	if err != nil {
		return Manifest{}, fmt.Errorf("delete documents: %w", err)
	}
	if n == 0 {
		return b.manifest, b.Abort()
	}
	return b.Commit(ctx)
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
