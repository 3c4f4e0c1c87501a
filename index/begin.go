package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// begin opens the generation that the run goes on from, if there is one, and
// clears up what runs that were killed have left.
func (b *Builder) begin(ctx context.Context) error {
	if err := b.openPrevious(ctx); err != nil {
		return err
	}
	if err := b.chooseKeyword(); err != nil {
		return err
	}
	if b.opts.DryRun {
		return nil
	}
	// This syncs the collection's folder, too. A run before may have failed at
	// the very last sync: what "current" says must be there for good before
	// what it does not need is removed.
	if err := makeFolder(b.home.fs, b.home.dir, b.home.path(segmentsFolder)); err != nil {
		return fmt.Errorf("make collection folder: %w", err)
	}
	keep, err := b.keepers()
	if err != nil {
		return err
	}
	return b.home.sweep(keep...)
}

// keepers are the generations that are kept while the run goes on: what is
// published, what the run goes on from, and the one before.
func (b *Builder) keepers() ([]string, error) {
	if b.prev == nil {
		return nil, nil
	}
	keep := []string{b.base, generationDir(b.number - 1)}
	older, err := b.home.older(b.base)
	if err != nil {
		return nil, fmt.Errorf("list generations: %w", err)
	}
	return append(keep, older[:min(1, len(older))]...), nil
}

func (b *Builder) openPrevious(ctx context.Context) error {
	name, err := b.published()
	b.number = 1
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "gen-"))
	if err != nil {
		return fmt.Errorf("read %s: %w", b.home.path(currentFile), err)
	}
	b.number = n + 1
	if err := b.openWhole(name); err != nil {
		return err
	}
	b.manifest = b.prev.manifest
	if b.opts.compact {
		if err := b.tryLegs(ctx); err != nil {
			return err
		}
	}
	b.dirty = b.dirty || len(b.mend) > 0
	if err := b.takeSpace(); err != nil {
		return err
	}
	return b.prev.live(func(at docPlace, e docEntry) error {
		b.prevDocs[e.ID] = at
		return nil
	})
}

// openWhole opens the named generation, or the latest whole one before it.
func (b *Builder) openWhole(name string) (err error) {
	b.base = name
	if b.prev, b.mend, err = openWhole(b.home, name, b.opts.compact); err == nil || !errors.Is(err, errDamaged) {
		return err
	}
	older, listErr := b.home.older(name)
	if listErr != nil {
		return err
	}
	for _, o := range older {
		g, mend, openErr := openWhole(b.home, o, true)
		if openErr != nil {
			continue
		}
		b.base, b.prev, b.mend, b.dirty = o, g, mend, true
		if b.index.opts.Damaged != nil {
			b.index.opts.Damaged(b.opts.Collection, fmt.Errorf("%w; this run goes on from %s instead of %s", err, o, name))
		}
		return nil
	}
	return err
}

// tryLegs opens the legs and asks them: files that are whole may still be ones
// that the engine of this build does not read, or read wrongly once.
func (b *Builder) tryLegs(ctx context.Context) error {
	s, err := openLegs(b.home, b.prev, b.index.engines(), nil)
	if err != nil {
		return err
	}
	broken := len(s.inspect(ctx)) > 0
	for _, seg := range b.prev.segs {
		seg.vectors = Matrix{} // before others are in memory
		if broken {
			b.mend[seg.info.Name] = true
		}
	}
	return s.release()
}

// takeSpace compares the collection's space with the embedder's.
func (b *Builder) takeSpace() error {
	m := b.manifest
	switch {
	case b.opts.noEmbedder:
		b.space, b.dims = m.Space, m.Dims
	case m.Chunks == 0: // any space will do
	case b.opts.Like != nil && !SameSpace(m.Space, b.space):
		return fmt.Errorf("collection %q: %w: it holds %s, what is copied is of %s: copy into another --as", b.opts.Collection, ErrSpace, m.Space, b.space)
	case b.opts.Reembed:
		b.dirty = true
	case !SameSpace(m.Space, b.space):
		return fmt.Errorf("collection %q: %w: it holds %s, embedding.* now gives %s: set embedding.* back, index --reembed, or index into another --collection",
			b.opts.Collection, ErrSpace, m.Space, b.space)
	default:
		b.dims = m.Dims
	}
	return nil
}

// chooseKeyword picks the engine that the run's keyword legs are built with.
func (b *Builder) chooseKeyword() error {
	b.keyword = b.opts.Keyword
	var err error
	switch {
	case b.keyword != nil:
	case b.opts.Like != nil:
		b.keyword, err = b.index.keywordByName(b.opts.Like.Keyword)
	case b.prev != nil:
		b.keyword, err = b.index.keywordByName(b.manifest.Keyword)
	default:
		b.keyword = b.index.opts.Keyword
	}
	if err != nil {
		return fmt.Errorf("collection %q: %w", b.opts.Collection, err)
	}
	return nil
}

// published gives the generation to go on from. Where the "current" file is
// missing but a finished generation is not - a first run was killed just
// before its end, or the file was lost - it takes that one up.
func (b *Builder) published() (string, error) {
	now, err := b.home.current()
	if !errors.Is(err, fs.ErrNotExist) {
		return now.name, err
	}
	finished, listErr := b.home.generations()
	if listErr != nil {
		return "", listErr // fs.ErrNotExist where there is no folder yet
	}
	if len(finished) == 0 {
		return "", err
	}
	if b.opts.DryRun {
		return finished[0], nil
	}
	return finished[0], writeFileSync(b.home.fs, b.home.path(currentFile), []byte(finished[0]))
}
