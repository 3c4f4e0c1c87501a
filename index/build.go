package index

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// Change says what a document was to the collection.
type Change int

const (
	Added Change = iota
	Updated
	Unchanged
)

// Builder collects one run's documents into the next generation of a
// collection. Nothing that it does is visible before [Builder.Commit], and
// everything is at once after it. Not safe for concurrent use.
//
// Memory: some 100 bytes a document and a chunk of the collection, and what is
// embedded at once; texts and vectors go to disk.
type Builder struct {
	index   *Index
	opts    BuildOptions
	home    folder
	lock    *flock.Flock // nil in a dry run
	space   string
	dims    int
	keyword KeywordEngine

	prev     *generation // nil if nothing was published
	base     string      // the name of prev
	manifest Manifest    // of prev
	number   int         // of the generation to come
	mend     map[string]bool
	prevDocs map[key]docPlace
	vectors  map[key]chunkPlace // what is embedded already; nil until it is asked for
	cache    *embedCache        // nil until it is asked for

	writer   *segWriter // nil until there is something to write
	segments int        // begun in this run
	sealed   []Segment
	pending  []pendingDoc
	ahead    int // chunks in pending

	seen     map[key]string // document -> its source, this run's
	deleted  map[key]bool
	kept     map[key]bool   // failed to load, so not to be pruned
	moved    map[key]string // unchanged documents recorded under another source
	dirty    bool
	embedded int
	finished bool  // the generation may have its name
	current  bool  // "current" may name it
	failed   error // of a write: the run cannot go on
}

type pendingDoc struct {
	record docRecord
	hash   key
	pieces []Piece
	// vectors of the pieces, where they came with them
	vectors [][]float32
}

type chunkPlace struct{ seg, row int32 }

// BuildOptions are what differs from run to run.
type BuildOptions struct {
	Collection string
	DryRun     bool // report changes, write and embed nothing
	// Embedded is called with the number of chunks embedded so far in this
	// run, some hundred at a time, by the goroutine that uses the builder; may
	// be nil. See also [Builder.Chunks].
	Embedded func(chunks int)
	// Reembed embeds the texts of the whole collection again, in the space of
	// the embedder at hand, which may be another one than before.
	Reembed bool
	// Keyword makes the keyword leg with this engine from now on; nil keeps
	// the collection's own, where Options.KeywordByName knows it.
	Keyword KeywordEngine

	// Like is a collection of another engine, for a run that takes documents over
	// from there: its space, splitter and keyword engine hold for this one, and
	// nothing is embedded.
	Like *Manifest

	// noEmbedder is for runs that embed nothing: they keep the space.
	noEmbedder bool
	compact    bool // merge all segments into one
}

// Build begins a run. One run at a time may write a collection: a second one
// is refused with an error that names the first. End it with Commit, or with
// Abort, which leaves the collection as it was, but for the vectors that the
// embedder gave: the next run finds them.
func (x *Index) Build(ctx context.Context, opts BuildOptions) (*Builder, error) {
	home, err := x.home(opts.Collection)
	if err != nil {
		return nil, err
	}
	b := &Builder{
		index: x, opts: opts, home: home, prevDocs: map[key]docPlace{},
		seen: map[key]string{}, deleted: map[key]bool{}, kept: map[key]bool{}, moved: map[key]string{},
	}
	if opts.Like != nil {
		b.space, b.dims = opts.Like.Space, opts.Like.Dims
	} else if !opts.noEmbedder {
		if b.space, err = x.space(ctx, opts.DryRun); err != nil {
			return nil, fmt.Errorf("ask embedder: %w", &EmbedderError{err})
		}
	}
	if !opts.DryRun {
		if b.lock, err = x.takeLock(home, opts.Collection); err != nil {
			return nil, err
		}
	}
	if err := b.begin(ctx); err != nil {
		return nil, errors.Join(err, b.Abort())
	}
	return b, nil
}

// ErrBusy says that another run is writing the collection, in this process or
// in another one.
var ErrBusy = errors.New("another run is writing it")

// takeLock makes the collection's folder, and keeps other writers out of it.
func (x *Index) takeLock(home folder, collection string) (*flock.Flock, error) {
	if err := makeFolder(home.fs, filepath.Clean(x.opts.Dir), home.dir); err != nil {
		return nil, fmt.Errorf("make collection folder: %w", err)
	}
	path := home.path("lock")
	lock := flock.New(path)
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock collection %q: %w", collection, err)
	}
	if !ok {
		holder, _ := os.ReadFile(path) // only words for the message
		return nil, fmt.Errorf("lock collection %q: %w (%s): wait for it to end", collection, ErrBusy, strings.TrimSpace(string(holder)))
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "process %d\n", os.Getpid()), 0o644); err != nil {
		return nil, errors.Join(fmt.Errorf("lock collection %q: %w", collection, err), lock.Unlock())
	}
	return lock, nil
}

// DocumentError is the fault of one document; the run can go on without it.
type DocumentError struct{ Err error }

func (e *DocumentError) Error() string { return e.Err.Error() }
func (e *DocumentError) Unwrap() error { return e.Err }

// Add hands in a document that was loaded from source and says what it is to
// the collection. A document id comes once a run: a second one is an error
// and changes nothing. A [DocumentError] concerns this document only; any
// other error ends the run.
func (b *Builder) Add(ctx context.Context, source string, d Document) (Change, error) {
	hash, err := hashDocument(b.index.opts.Splitter.Name(), d)
	if err != nil {
		b.Keep(d.ID)
		return 0, &DocumentError{fmt.Errorf("document %q: %w", d.ID, err)}
	}
	change, known, err := b.change(source, d.ID, hash)
	if known || err != nil {
		return change, err
	}
	rec := docRecord{ID: d.ID, URL: d.URL, Title: d.Title, Meta: d.Meta, Marks: d.Marks, Source: source}
	return change, b.enqueue(ctx, pendingDoc{rec, hash, b.index.opts.Splitter.Split(d.Text), nil})
}

// change notes that a document came, and says what it is to the collection;
// known says that nothing is to be written of it.
func (b *Builder) change(source, name string, hash key) (change Change, known bool, err error) {
	id := keyOf(name)
	if first, ok := b.seen[id]; ok {
		return 0, false, &DocumentError{fmt.Errorf("document id %q came twice in this run, first from %s: rename one", name, first)}
	}
	if err := CheckID(name); err != nil {
		return 0, false, &DocumentError{err}
	}
	b.seen[id] = source
	if at, ok := b.prevDocs[id]; ok {
		old := b.prev.segs[at.seg].entry(at.doc)
		if old.Hash == hash {
			if old.Src != keyOf(source) {
				b.moved[id] = source
				b.dirty = true
			}
			b.deleted[id] = false // pruned under its old source before it came under this one
			return Unchanged, true, nil
		}
		change = Updated
	}
	b.dirty = true
	if b.opts.DryRun {
		return change, true, nil
	}
	b.deleted[id] = change == Updated
	return change, false, nil
}

// hashDocument covers everything that decides what a document's chunks are.
func hashDocument(splitter string, d Document) (key, error) {
	meta, err := json.Marshal(d.Meta)
	if err != nil {
		return key{}, fmt.Errorf("write metadata: %w", err)
	}
	marks := []byte{}
	if len(d.Marks) > 0 {
		if marks, err = json.Marshal(d.Marks); err != nil {
			return key{}, fmt.Errorf("write marks: %w", err)
		}
	}
	h := sha256.New()
	for _, s := range []string{splitter, d.URL, d.Title, string(meta) + string(marks), d.Text} {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return key(h.Sum(nil)[:16]), nil
}

// Keep says that a document could not be loaded this time: it stays as it is,
// whatever is pruned.
func (b *Builder) Keep(id string) {
	k := keyOf(id)
	if _, ok := b.seen[k]; !ok {
		b.kept[k] = true
	}
}

// Prune marks the documents that earlier runs recorded under source and that
// this run has not seen, and returns how many there are.
func (b *Builder) Prune(source string) int {
	n, src := 0, keyOf(source)
	for id, at := range b.prevDocs {
		if _, ok := b.seen[id]; ok || b.deleted[id] || b.kept[id] || b.prev.segs[at.seg].entry(at.doc).Src != src {
			continue
		}
		b.deleted[id] = true
		b.dirty = true
		n++
	}
	return n
}

// Abort ends a run without publishing; after Commit it only lets go of the
// lock. It may be called more than once.
func (b *Builder) Abort() error {
	var err error
	if b.writer != nil {
		err = b.writer.close()
		b.writer = nil
	}
	if b.cache != nil {
		err = errors.Join(err, b.cache.close())
		b.cache = nil
	}
	if b.lock != nil && !b.current {
		err = errors.Join(err, b.discard())
	}
	if b.prev != nil {
		err = errors.Join(err, b.prev.close())
		b.prev = nil
	}
	if b.lock != nil {
		err = errors.Join(err, b.lock.Unlock())
		b.lock = nil
	}
	return err
}

// discard removes what the run has written. A generation with a name goes
// before its segments, for good: one without them would be taken for damaged.
// What cannot be removed, the next run removes.
func (b *Builder) discard() error {
	fsys := b.home.fs
	if b.finished {
		if err := errors.Join(fsys.RemoveAll(b.home.path(generationDir(b.number))), fsys.Sync(b.home.dir)); err != nil {
			return err
		}
	}
	var err error
	for n := range b.segments {
		err = errors.Join(err, fsys.RemoveAll(b.home.path(segmentsFolder, segmentDir(b.number, n))))
	}
	return errors.Join(err, fsys.RemoveAll(b.home.path(generationDir(b.number)+".tmp")))
}

// Has says whether the collection had a document with this id when the run
// began.
func (b *Builder) Has(id string) bool {
	_, ok := b.prevDocs[keyOf(id)]
	return ok
}

// Chunks is how many chunks the new and changed documents of this run have so
// far, embedded or not.
func (b *Builder) Chunks() int { return b.embedded + b.ahead }
