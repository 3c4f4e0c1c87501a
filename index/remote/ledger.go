package remote

import (
	"fmt"

	"github.com/ragproxy/ragproxy/index"
)

// Published is what a run has to know of a document to see that it did not
// change.
type Published struct {
	Hash, Source index.Key
	Chunks       int
	Row          int // where the engine has it, if it goes by that
}

// Ledger is what a run knows of its documents and of those that were published
// before it: some 100 bytes each. Documents are known by the keys of their ids.
// Not safe for concurrent use.
type Ledger struct {
	Before map[index.Key]Published
	Gone   map[index.Key]bool   // deleted, or replaced
	Moved  map[index.Key]string // unchanged, recorded under another source from now on
	Dirty  bool                 // there is something to publish
	DryRun bool                 // nothing is to be written

	seen map[index.Key]string // this run's, with their sources
	kept map[index.Key]bool
}

// NewLedger gives one of no documents.
func NewLedger(dryRun bool) *Ledger {
	return &Ledger{
		DryRun: dryRun,
		Before: map[index.Key]Published{}, Gone: map[index.Key]bool{}, Moved: map[index.Key]string{},
		seen: map[index.Key]string{}, kept: map[index.Key]bool{},
	}
}

// Add notes a document that was loaded, and cuts it; stored is nil where nothing
// is to be written of it.
func (l *Ledger) Add(s index.Splitter, source string, d index.Document) (change index.Change, stored *index.Stored, err error) {
	hash, err := index.HashDocument(s.Name(), d)
	if err != nil {
		l.Keep(d.ID)
		return 0, nil, &index.DocumentError{Err: fmt.Errorf("document %q: %w", d.ID, err)}
	}
	change, err = l.note(source, d.ID, hash)
	if err != nil || change == index.Unchanged || l.DryRun {
		return change, nil, err
	}
	cut, err := index.CutDocument(s, d)
	if err != nil {
		return 0, nil, &index.DocumentError{Err: fmt.Errorf("document %q: %w", d.ID, err)}
	}
	return change, &index.Stored{Document: d, Source: source, Cut: cut}, nil
}

// Take is Add of a document that another engine holds, with vectors of dims.
func (l *Ledger) Take(s index.Stored, dims int) (change index.Change, stored *index.Stored, err error) {
	if err := s.Check(dims); err != nil {
		return 0, nil, err
	}
	change, err = l.note(s.Source, s.Document.ID, s.Cut.Hash)
	if err != nil || change == index.Unchanged || l.DryRun {
		return change, nil, err
	}
	for _, c := range s.Cut.Chunks {
		s.Cut.Texts = append(s.Cut.Texts, index.EmbeddedText(c))
	}
	return change, &s, nil
}

// note says what a document is to the collection, and remembers that. The
// error is an [index.DocumentError].
func (l *Ledger) note(source, name string, hash index.Key) (index.Change, error) {
	id := index.KeyOf(name)
	if first, ok := l.seen[id]; ok {
		return 0, &index.DocumentError{Err: fmt.Errorf("document id %q came twice in this run, first from %s: rename one", name, first)}
	}
	if err := index.CheckID(name); err != nil {
		return 0, &index.DocumentError{Err: err}
	}
	l.seen[id] = source
	was, known := l.Before[id]
	if known && was.Hash == hash {
		if was.Source != index.KeyOf(source) {
			l.Moved[id], l.Dirty = source, true
		}
		delete(l.Gone, id) // pruned under its old source before it came under this one
		return index.Unchanged, nil
	}
	l.Dirty = true
	if !known {
		return index.Added, nil
	}
	l.Gone[id] = true
	return index.Updated, nil
}

// Keep keeps a document that could not be loaded from being pruned.
func (l *Ledger) Keep(id string) {
	if k := index.KeyOf(id); l.seen[k] == "" {
		l.kept[k] = true
	}
}

// Prune lets go of the documents of a source that this run has not seen, and
// gives their number.
func (l *Ledger) Prune(source string) int {
	n, src := 0, index.KeyOf(source)
	for id, was := range l.Before {
		if _, ok := l.seen[id]; ok || l.Gone[id] || l.kept[id] || was.Source != src {
			continue
		}
		l.Gone[id], l.Dirty = true, true
		n++
	}
	return n
}

// Has says whether a document was published before the run.
func (l *Ledger) Has(id string) bool {
	_, ok := l.Before[index.KeyOf(id)]
	return ok
}

// Empty says whether no document has come.
func (l *Ledger) Empty() bool { return len(l.seen) == 0 }

// GoneChunks are how many chunks the documents have that go.
func (l *Ledger) GoneChunks() (chunks int) {
	for id := range l.Gone {
		chunks += l.Before[id].Chunks
	}
	return chunks
}
