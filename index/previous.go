package index

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// openPrevious opens the generation that the run goes on from, if there is one.
func (b *Builder) openPrevious(dryRun bool) error {
	name, err := b.current(dryRun)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	gen := filepath.Join(b.dir, name)
	if b.manifest, err = readManifest(gen); err != nil {
		return err
	}
	if b.manifest.Chunks > 0 && b.manifest.Space != b.space {
		return fmt.Errorf("collection %q: %w: it holds %s, embedding.* now gives %s: set embedding.* back, or index into another --collection",
			b.name, ErrSpace, b.manifest.Space, b.space)
	}
	if b.prev, err = openGenReader(gen, b.manifest); err != nil {
		return err
	}
	if err := b.prev.readVectors(gen, b.manifest); err != nil {
		return err
	}
	if err := b.verify(gen); err != nil {
		return err
	}
	for i := range b.prev.docs {
		b.prevDocs[b.prev.docs[i].ID] = i
	}
	for row := range b.prev.rows() {
		b.prevKeys[b.prev.record(row).Key] = row
	}
	return nil
}

// current gives the generation to go on from. Where the "current" file is
// missing but a finished generation is not - a first run was killed just
// before its end, or the file was lost - it takes that one up.
func (b *Builder) current(dryRun bool) (string, error) {
	name, err := readCurrent(b.dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return name, err
	}
	if name = lastGeneration(b.dir); name == "" {
		return "", err
	}
	if dryRun {
		return name, nil
	}
	return name, writeFileSync(filepath.Join(b.dir, currentFile), []byte(name))
}

// verify reads all that the run builds on: what is damaged must not be
// carried over under a new checksum. Damaged legs are only made again.
func (b *Builder) verify(gen string) error {
	for _, f := range b.manifest.Files {
		err := f.verify(gen)
		if err != nil && !f.isLeg() {
			return fmt.Errorf("%w: %w", err, errDamaged)
		}
		b.dirty = b.dirty || err != nil
	}
	return nil
}

// sweep removes the generations other than the one numbered keep, among them
// what runs that were killed have left. Searches on a removed generation have
// its files open and finish.
func (b *Builder) sweep(keep int) error {
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return fmt.Errorf("list generations: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), "gen-") && e.Name() != generationDir(keep) {
			if err := os.RemoveAll(filepath.Join(b.dir, e.Name())); err != nil {
				return fmt.Errorf("remove old generation: %w", err)
			}
		}
	}
	return nil
}
