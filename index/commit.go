package index

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Commit publishes the run and returns the manifest of what is current then.
// A run that changed nothing publishes nothing. After an error the collection
// is as it was. The builder cannot be used afterwards.
func (b *Builder) Commit(ctx context.Context) (Manifest, error) {
	m, err := b.commit(ctx)
	return m, errors.Join(err, b.Abort())
}

func (b *Builder) commit(ctx context.Context) (Manifest, error) {
	if b.opts.DryRun || b.failed == nil && b.idle() {
		return b.manifest, nil
	}
	if err := errors.Join(b.failed, ctx.Err()); err != nil {
		return Manifest{}, err
	}
	if err := b.flush(ctx); err != nil {
		return Manifest{}, err
	}
	if err := b.carry(ctx); err != nil {
		return Manifest{}, err
	}
	kept, dead := b.tombstones()
	merged := b.plan(kept, dead)
	if err := b.merge(ctx, kept, dead, merged); err != nil {
		return Manifest{}, err
	}
	if err := b.seal(ctx); err != nil {
		return Manifest{}, err
	}
	m, dead := b.result(kept, dead, merged)
	return m, b.publish(m, dead)
}

// idle says whether the run would publish what is published already.
func (b *Builder) idle() bool {
	if b.prev == nil {
		return len(b.seen) == 0
	}
	if b.opts.compact && !b.compacted() {
		return false
	}
	old := func(s *segment) bool { return s.info.Name == "" || b.otherVector(s) } // of format 1, or of another engine
	return !b.dirty && !slices.ContainsFunc(b.prev.segs, old) && b.manifest.Keyword == b.keyword.Name()
}

// carry writes the documents anew that are not to stay as they are in their
// segment: those of another source, and all when everything is embedded again.
// Texts and, but for the latter, vectors are used again.
func (b *Builder) carry(ctx context.Context) error {
	all := b.opts.Reembed && b.prev != nil
	if !all && len(b.moved) == 0 {
		return nil
	}
	err := b.prev.live(func(at docPlace, e docEntry) error {
		source, moved := b.moved[e.ID]
		if b.deleted[e.ID] || !all && !moved {
			return nil
		}
		p, err := b.prev.segs[at.seg].stored(at.doc)
		if err != nil {
			return err
		}
		if moved {
			p.record.Source = source
		}
		return b.enqueue(ctx, p)
	})
	if err != nil {
		return err
	}
	return b.flush(ctx)
}

// stored is a document as it was handed in, cut.
func (g *segment) stored(doc int) (pendingDoc, error) {
	d, err := g.document(doc)
	if err != nil {
		return pendingDoc{}, err
	}
	g.known[doc].Store(nil) // memory stays flat
	e := g.entry(doc)
	p := pendingDoc{*d, e.Hash, make([]Piece, e.Count), nil}
	for i := range p.pieces {
		row := int(e.First) + i
		text, err := g.text(row)
		if err != nil {
			return pendingDoc{}, err
		}
		rec := g.record(row)
		p.pieces[i] = Piece{Text: text, Start: int(rec.Start), End: int(rec.End)}
	}
	return p, nil
}

// tombstones gives the segments of before that have anything left after this
// run, and their deleted documents.
func (b *Builder) tombstones() (kept []*segment, dead [][]uint32) {
	if b.prev == nil || b.opts.Reembed {
		return nil, nil
	}
	for i, s := range b.prev.segs {
		gone := slices.Clone(b.prev.dead[i])
		for id := range b.deleted {
			if at, ok := b.prevDocs[id]; ok && at.seg == i && b.deleted[id] {
				gone = append(gone, uint32(at.doc))
			}
		}
		for id := range b.moved {
			if at := b.prevDocs[id]; at.seg == i && !b.deleted[id] {
				gone = append(gone, uint32(at.doc))
			}
		}
		if slices.Sort(gone); len(gone) < s.documents() {
			kept, dead = append(kept, s), append(dead, gone)
		}
	}
	return kept, dead
}

// result is the manifest of the run, with the deleted documents by segment.
func (b *Builder) result(kept []*segment, dead [][]uint32, merged []bool) (Manifest, [][]uint32) {
	m := Manifest{
		Format: Format, Generation: b.number, Splitter: b.manifest.Splitter,
		Vector: b.index.opts.Vector.Name(), Keyword: b.keyword.Name(),
	}
	switch {
	case b.opts.Like != nil:
		m.Splitter = b.opts.Like.Splitter
	case !b.opts.noEmbedder:
		m.Splitter = b.index.opts.Splitter.Name()
	}
	var left [][]uint32
	for i, s := range kept {
		if merged[i] {
			continue
		}
		info := s.info
		info.Deleted = len(dead[i])
		m.Segments, left = append(m.Segments, info), append(left, dead[i])
		m.Chunks -= s.deadRows(dead[i])
	}
	for _, s := range b.sealed {
		m.Segments, left = append(m.Segments, s), append(left, nil)
	}
	for _, s := range m.Segments {
		m.Documents += s.Documents - s.Deleted
		m.Chunks += s.Chunks
	}
	if m.Chunks > 0 {
		m.Space, m.Dims = b.space, b.dims
	}
	return m, left
}

// publish makes the generation current: everything it names is synced, then
// one rename of the "current" file switches readers over.
func (b *Builder) publish(m Manifest, dead [][]uint32) error {
	name := generationDir(m.Generation)
	if err := b.writeGeneration(name, m, dead); err != nil {
		return fmt.Errorf("publish generation: %w", err)
	}
	b.current = true // also if it fails now: the rename may have happened
	if err := writeFileSync(b.home.fs, b.home.path(currentFile), []byte(name)); err != nil {
		return fmt.Errorf("publish generation: %w", err)
	}
	// The run is published; what cannot be removed now, the next run removes.
	if b.cache != nil {
		_ = b.cache.remove()
	}
	_ = b.home.sweep(slices.DeleteFunc([]string{name, b.base}, func(n string) bool { return n == "" })...)
	return nil
}

func (b *Builder) writeGeneration(name string, m Manifest, dead [][]uint32) error {
	fsys, tmp := b.home.fs, b.home.path(name+".tmp")
	if err := fsys.Sync(b.home.path(segmentsFolder)); err != nil {
		return err
	}
	if err := fsys.MkdirAll(tmp); err != nil {
		return err
	}
	if slices.ContainsFunc(dead, func(docs []uint32) bool { return len(docs) > 0 }) {
		if err := writeFile(fsys, b.home.path(name+".tmp", deletedFile), encodeDeleted(dead)); err != nil {
			return err
		}
	}
	var err error
	if m.Files, err = sealFiles(fsys, tmp, ""); err != nil {
		return err
	}
	manifest, err := m.encode()
	if err != nil {
		return err
	}
	if err := writeFileSync(fsys, b.home.path(name+".tmp", manifestFile), manifest); err != nil {
		return err
	}
	b.finished = true
	if err := fsys.Rename(tmp, b.home.path(name)); err != nil {
		return err
	}
	return fsys.Sync(b.home.dir)
}
