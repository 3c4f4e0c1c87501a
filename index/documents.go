package index

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
)

// DocumentInfo is a published document without its text.
type DocumentInfo struct {
	ID     string
	URL    string
	Title  string
	Meta   map[string]any // JSON values, not to be changed; may be nil
	Chunks int
}

// DocumentsQuery asks for a page of a collection's documents.
type DocumentsQuery struct {
	After string // an id; only those behind it are listed
	Limit int    // at most so many; > 0
	// Filters keep the documents that pass; see [CheckFilters]. nil keeps all.
	Filters map[string]any
}

// Documents lists published documents in the order of their ids (bytes); more
// says that there are further ones behind them. An unknown collection is
// [ErrNotFound].
//
// The first call on a generation reads all documents to sort them, some 16
// bytes of memory each; further ones read what they list.
func (x *Index) Documents(ctx context.Context, collection string, q DocumentsQuery) (list []DocumentInfo, more bool, err error) {
	f, err := parseFilters(q.Filters)
	if err != nil {
		return nil, false, err
	}
	s, err := x.snapshot(ctx, collection)
	if err != nil {
		return nil, false, err
	}
	defer s.release()
	places, err := s.sorted.places(s)
	if err != nil {
		return nil, false, err
	}
	from := sort.Search(len(places), func(i int) bool {
		d, readErr := s.record(places[i])
		if readErr != nil {
			err = readErr
			return true
		}
		return d.ID > q.After
	})
	for _, at := range places[from:] {
		d, readErr := s.record(at)
		if err = cmp.Or(err, readErr, ctx.Err()); err != nil {
			return nil, false, err
		}
		if f != nil && !f.matches(d) {
			continue
		}
		if len(list) == q.Limit {
			return list, true, nil
		}
		list = append(list, s.info(at, d))
	}
	return list, false, err
}

// Document gives a published document and its chunks in their order.
// [ErrNoDocument] is for one that is not there, or that the filters hide.
func (x *Index) Document(ctx context.Context, collection, id string, filters map[string]any) (DocumentInfo, []Chunk, error) {
	f, err := parseFilters(filters)
	if err != nil {
		return DocumentInfo{}, nil, err
	}
	s, err := x.snapshot(ctx, collection)
	if err != nil {
		return DocumentInfo{}, nil, err
	}
	defer s.release()
	at, ok := s.byID(id)
	if !ok {
		return DocumentInfo{}, nil, fmt.Errorf("document %q: %w", id, ErrNoDocument)
	}
	d, err := s.record(at)
	if err != nil {
		return DocumentInfo{}, nil, err
	}
	if f != nil && !f.matches(d) {
		return DocumentInfo{}, nil, fmt.Errorf("document %q: %w", id, ErrNoDocument)
	}
	seg := s.segs[at.seg]
	e := seg.entry(at.doc)
	chunks := make([]Chunk, e.Count)
	for i := range chunks {
		if chunks[i], err = seg.chunk(int(e.First) + i); err != nil {
			return DocumentInfo{}, nil, err
		}
		if err := ctx.Err(); err != nil {
			return DocumentInfo{}, nil, err
		}
	}
	return s.info(at, d), chunks, nil
}

func (s *snapshot) record(at docPlace) (*docRecord, error) { return s.segs[at.seg].uncached(at.doc) }

func (s *snapshot) info(at docPlace, d *docRecord) DocumentInfo {
	return DocumentInfo{ID: d.ID, URL: d.URL, Title: d.Title, Meta: d.Meta, Chunks: int(s.segs[at.seg].entry(at.doc).Count)}
}

// byID looks through the documents' entries, which are in memory.
func (s *snapshot) byID(id string) (docPlace, bool) {
	wanted, found, ok := keyOf(id), docPlace{}, false
	_ = s.gen.live(func(at docPlace, e docEntry) error {
		if e.ID == wanted {
			found, ok = at, true
		}
		return nil
	})
	return found, ok
}

// idOrder is the documents of a snapshot sorted by their ids, once that was asked
// for.
type idOrder struct {
	mu     sync.Mutex
	sorted []docPlace
}

func (b *idOrder) places(s *snapshot) ([]docPlace, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sorted != nil {
		return b.sorted, nil
	}
	type named struct {
		id string
		at docPlace
	}
	var all []named
	err := s.gen.live(func(at docPlace, _ docEntry) error {
		d, err := s.record(at)
		if err == nil {
			all = append(all, named{d.ID, at})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b named) int { return cmp.Compare(a.id, b.id) })
	b.sorted = make([]docPlace, len(all))
	for i, n := range all {
		b.sorted[i] = n.at
	}
	return b.sorted, nil
}
