package index

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
)

// Keep says that a document could not be loaded this time: it stays as it is,
// whatever is pruned.
func (b *Builder) Keep(id string) {
	if _, ok := b.seen[id]; !ok {
		b.kept[id] = true
	}
}

// Prune marks the documents that earlier runs recorded under source and that
// this run has not seen, and returns how many there are.
func (b *Builder) Prune(source string) int {
	n := 0
	for id, i := range b.prevDocs {
		if _, ok := b.seen[id]; ok || b.prev.docs[i].Source != source || b.deleted[id] || b.kept[id] {
			continue
		}
		b.deleted[id] = true
		b.dirty = true
		n++
	}
	return n
}

// Commit publishes the run and returns the manifest of what is current then.
// A run that changed nothing publishes nothing. After an error the collection
// is as it was. The builder cannot be used afterwards.
func (b *Builder) Commit(ctx context.Context) (Manifest, error) {
	m, err := b.commit(ctx)
	return m, errors.Join(err, b.Abort())
}

func (b *Builder) commit(ctx context.Context) (Manifest, error) {
	if b.out == nil {
		return b.manifest, nil // dry run
	}
	if b.prev == nil && len(b.seen) == 0 || b.prev != nil && !b.stale() {
		return b.manifest, nil
	}
	if err := b.flush(ctx); err != nil {
		return Manifest{}, err
	}
	if err := b.keep(ctx); err != nil {
		return Manifest{}, err
	}
	if err := b.out.finish(); err != nil {
		return Manifest{}, fmt.Errorf("write generation: %w", err)
	}
	m := Manifest{
		Format: Format, Generation: b.manifest.Generation + 1, Splitter: b.index.opts.Splitter.Name(),
		Vector: b.index.opts.Vector.Name(), Keyword: b.index.opts.Keyword.Name(),
		Documents: len(b.out.docs), Chunks: b.out.rows,
	}
	if m.Chunks > 0 {
		m.Space, m.Dims = b.space, b.manifest.Dims
	}
	b.out = nil
	if err := b.buildLegs(ctx, m); err != nil {
		return Manifest{}, err
	}
	return m, b.publish(m)
}

// stale says whether the published generation differs from what this run
// would publish.
func (b *Builder) stale() bool {
	o := b.index.opts
	return b.dirty || b.manifest.Vector != o.Vector.Name() || b.manifest.Keyword != o.Keyword.Name()
}

// keep carries the documents over that this run left as they are.
func (b *Builder) keep(ctx context.Context) error {
	if b.prev == nil {
		return nil
	}
	for _, d := range b.prev.docs {
		if b.deleted[d.ID] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if source, ok := b.moved[d.ID]; ok {
			d.Source = source
		}
		pieces := make([]Piece, d.Count)
		vectors := make([][]float32, d.Count)
		for i := range d.Count {
			text, err := b.prev.text(d.First + i)
			if err != nil {
				return err
			}
			rec := b.prev.record(d.First + i)
			pieces[i] = Piece{Text: text, Start: int(rec.Start), End: int(rec.End)}
			vectors[i] = b.prev.vectors.Row(d.First + i)
		}
		if err := b.out.add(d, pieces, vectors); err != nil {
			return err
		}
	}
	return nil
}

func (b *Builder) buildLegs(ctx context.Context, m Manifest) error {
	r, err := openGenReader(b.tmp, m)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.readVectors(b.tmp, m); err != nil {
		return err
	}
	if err := b.index.opts.Vector.Build(ctx, r.vectors, filepath.Join(b.tmp, vectorDir)); err != nil {
		return fmt.Errorf("build vector leg: %w", err)
	}
	var readErr error
	if err := b.index.opts.Keyword.Build(ctx, r.all(&readErr), filepath.Join(b.tmp, keywordDir)); err != nil {
		return fmt.Errorf("build keyword leg: %w", err)
	}
	return readErr
}

// all gives the chunks in row order and stops at the first error.
func (r *genReader) all(failed *error) iter.Seq[Chunk] {
	return func(yield func(Chunk) bool) {
		for row := range r.rows() {
			c, err := r.chunk(row)
			if err != nil {
				*failed = err
				return
			}
			if !yield(c) {
				return
			}
		}
	}
}

// publish makes the generation current: its files are synced and listed in
// the manifest, then one rename of the "current" file switches readers over.
func (b *Builder) publish(m Manifest) error {
	var err error
	if m.Files, err = sealFiles(b.tmp); err != nil {
		return fmt.Errorf("seal generation: %w", err)
	}
	if err := writeManifest(b.tmp, m); err != nil {
		return err
	}
	name := generationDir(m.Generation)
	if err := os.Rename(b.tmp, filepath.Join(b.dir, name)); err != nil {
		return fmt.Errorf("publish generation: %w", err)
	}
	if err := syncDir(b.dir); err != nil {
		return fmt.Errorf("publish generation: %w", err)
	}
	if err := writeFileSync(filepath.Join(b.dir, currentFile), []byte(name)); err != nil {
		return fmt.Errorf("publish generation: %w", err)
	}
	// The run is published; what cannot be removed now, the next run removes.
	_ = b.sweep(m.Generation)
	return nil
}

// Abort ends a run without publishing; after Commit it only lets go of the
// lock. It may be called more than once.
func (b *Builder) Abort() error {
	var err error
	if b.out != nil {
		err = b.out.close()
		b.out = nil
	}
	if b.tmp != "" {
		err = errors.Join(err, os.RemoveAll(b.tmp))
		b.tmp = ""
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
