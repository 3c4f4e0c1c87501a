package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/gofrs/flock"
)

// embedAhead is how many chunks are gathered before the embedder is asked:
// enough to fill its batches and both cores, little enough to hold in memory.
const embedAhead = 128

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
type Builder struct {
	index *Index
	name  string
	dir   string
	lock  *flock.Flock // nil in a dry run
	space string

	prev     *genReader // nil if nothing was published
	manifest Manifest   // of prev
	prevDocs map[string]int
	prevKeys map[chunkKey]int // what is embedded already, by row

	tmp     string
	out     *genWriter // nil in a dry run
	pending []pendingDoc
	ahead   int // chunks in pending

	seen       map[string]string // document id -> its source, this run's
	deleted    map[string]bool
	kept       map[string]bool   // failed to load, so not to be pruned
	moved      map[string]string // unchanged documents recorded under another source
	dirty      bool
	embedded   int
	onEmbedded func(chunks int)
}

type pendingDoc struct {
	record docRecord
	pieces []Piece
}

// BuildOptions are what differs from run to run.
type BuildOptions struct {
	Collection string
	DryRun     bool // report changes, write and embed nothing
	// Embedded is called with the number of chunks embedded so far in this
	// run; may be nil.
	Embedded func(chunks int)
}

// Build begins a run. One run at a time may write a collection: a second one
// is refused with an error that names the first. End it with Commit, or with
// Abort, which leaves the collection as it was.
func (x *Index) Build(ctx context.Context, opts BuildOptions) (*Builder, error) {
	dir, err := x.dir(opts.Collection)
	if err != nil {
		return nil, err
	}
	b := &Builder{
		index: x, name: opts.Collection, dir: dir, onEmbedded: opts.Embedded,
		prevDocs: map[string]int{}, prevKeys: map[chunkKey]int{},
		seen: map[string]string{}, deleted: map[string]bool{}, kept: map[string]bool{}, moved: map[string]string{},
	}
	if b.space, err = x.opts.Embedder.Space(ctx); err != nil {
		return nil, fmt.Errorf("ask embedder: %w", err)
	}
	if !opts.DryRun {
		if err := b.takeLock(); err != nil {
			return nil, errors.Join(err, b.Abort())
		}
	}
	if err := b.begin(opts.DryRun); err != nil {
		return nil, errors.Join(err, b.Abort())
	}
	return b, nil
}

func (b *Builder) takeLock() error {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return fmt.Errorf("make collection folder: %w", err)
	}
	path := filepath.Join(b.dir, "lock")
	lock := flock.New(path)
	ok, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock collection %q: %w", b.name, err)
	}
	if !ok {
		holder, _ := os.ReadFile(path) // only words for the message
		return fmt.Errorf("lock collection %q: another run (%s) is writing it: wait for it to end", b.name, strings.TrimSpace(string(holder)))
	}
	b.lock = lock
	return os.WriteFile(path, fmt.Appendf(nil, "process %d\n", os.Getpid()), 0o644)
}

func (b *Builder) begin(dryRun bool) error {
	if err := b.openPrevious(dryRun); err != nil {
		return err
	}
	if dryRun {
		return nil
	}
	b.tmp = filepath.Join(b.dir, fmt.Sprintf("gen-%06d.tmp", b.manifest.Generation+1))
	if err := b.sweep(b.manifest.Generation); err != nil {
		return err
	}
	for _, d := range []string{b.tmp, filepath.Join(b.tmp, vectorDir), filepath.Join(b.tmp, keywordDir)} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("make generation: %w", err)
		}
	}
	var err error
	b.out, err = newGenWriter(b.tmp)
	return err
}

func generationDir(n int) string { return fmt.Sprintf("gen-%06d", n) }

// DocumentError is the fault of one document; the run can go on without it.
type DocumentError struct{ Err error }

func (e *DocumentError) Error() string { return e.Err.Error() }
func (e *DocumentError) Unwrap() error { return e.Err }

// Add hands in a document that was loaded from source and says what it is to
// the collection. A document id comes once a run: a second one is an error
// and changes nothing. A [DocumentError] concerns this document only; any
// other error ends the run.
func (b *Builder) Add(ctx context.Context, source string, d Document) (Change, error) {
	if first, ok := b.seen[d.ID]; ok {
		return 0, &DocumentError{fmt.Errorf("document id %q came twice in this run, first from %s: rename one", d.ID, first)}
	}
	if d.ID == "" || !utf8.ValidString(d.ID) {
		return 0, &DocumentError{fmt.Errorf("document %q has no id, or one that is not UTF-8", d.ID)}
	}
	hash, err := b.hash(d)
	if err != nil {
		b.Keep(d.ID)
		return 0, &DocumentError{fmt.Errorf("document %q: %w", d.ID, err)}
	}
	b.seen[d.ID] = source
	change := Added
	if i, ok := b.prevDocs[d.ID]; ok {
		old := &b.prev.docs[i]
		if old.Hash == hash {
			if old.Source != source {
				b.moved[d.ID] = source
				b.dirty = true
			}
			b.deleted[d.ID] = false // pruned under its old source before it came under this one
			return Unchanged, nil
		}
		change = Updated
	}
	b.dirty = true
	if b.out == nil {
		return change, nil
	}
	b.deleted[d.ID] = change == Updated
	rec := docRecord{ID: d.ID, URL: d.URL, Title: d.Title, Meta: d.Meta, Source: source, Hash: hash}
	pieces := b.index.opts.Splitter.Split(d.Text)
	b.pending = append(b.pending, pendingDoc{rec, pieces})
	b.ahead += len(pieces)
	if b.ahead < embedAhead {
		return change, nil
	}
	return change, b.flush(ctx)
}

// hash covers everything that decides what a document's chunks are.
func (b *Builder) hash(d Document) (string, error) {
	meta, err := json.Marshal(d.Meta)
	if err != nil {
		return "", fmt.Errorf("write metadata: %w", err)
	}
	h := sha256.New()
	for _, s := range []string{b.index.opts.Splitter.Name(), d.URL, d.Title, string(meta), d.Text} {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// flush embeds the pending chunks and writes their documents.
func (b *Builder) flush(ctx context.Context) error {
	vectors, err := b.embed(ctx)
	if err != nil {
		return err
	}
	for _, p := range b.pending {
		n := len(p.pieces)
		if err := b.out.add(p.record, p.pieces, vectors[:n]); err != nil {
			return err
		}
		vectors = vectors[n:]
	}
	b.embedded += b.ahead
	if b.onEmbedded != nil && b.ahead > 0 {
		b.onEmbedded(b.embedded)
	}
	b.pending, b.ahead = nil, 0
	return nil
}

// embed gives a unit vector for each pending chunk. A text whose vector is at
// hand, from the generation before or within this batch, is not embedded
// again.
func (b *Builder) embed(ctx context.Context) ([][]float32, error) {
	vectors := make([][]float32, 0, b.ahead)
	var texts []string
	fresh := map[chunkKey]int{} // position in texts
	var from []int              // for each chunk: its text in texts, or -1
	for _, p := range b.pending {
		for _, piece := range p.pieces {
			key := keyOf(piece.Text)
			if row, ok := b.prevKeys[key]; ok {
				vectors, from = append(vectors, b.prev.vectors.Row(row)), append(from, -1)
				continue
			}
			at, ok := fresh[key]
			if !ok {
				at = len(texts)
				fresh[key] = at
				texts = append(texts, piece.Text)
			}
			vectors, from = append(vectors, nil), append(from, at)
		}
	}
	if len(texts) == 0 {
		return vectors, nil
	}
	got, err := b.index.opts.Embedder.EmbedDocuments(ctx, texts)
	if err != nil {
		return nil, fmt.Errorf("embed chunks: %w", err)
	}
	if len(got) != len(texts) {
		return nil, fmt.Errorf("embed chunks: the embedder gave %d vectors for %d texts", len(got), len(texts))
	}
	if err := b.normalizeAll(got); err != nil {
		return nil, err
	}
	for i, at := range from {
		if at >= 0 {
			vectors[i] = got[at]
		}
	}
	return vectors, nil
}

func (b *Builder) normalizeAll(vectors [][]float32) error {
	for _, v := range vectors {
		if b.manifest.Dims == 0 {
			b.manifest.Dims = len(v)
		}
		if len(v) != b.manifest.Dims || len(v) == 0 {
			return fmt.Errorf("embed chunks: the embedder gave %d dimensions, the collection has %d", len(v), b.manifest.Dims)
		}
		if !normalize(v) {
			return errors.New("embed chunks: the embedder gave a vector that is not finite")
		}
	}
	return nil
}
