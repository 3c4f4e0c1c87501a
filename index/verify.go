package index

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var errDamaged = errors.New("the index is damaged: restore it, or remove the collection's folder and index again")

// Verify reads every byte of a collection's published generation and returns
// what is wrong with it; nil if nothing is.
func (x *Index) Verify(collection string) error {
	dir, err := x.dir(collection)
	if err != nil {
		return err
	}
	name, err := readCurrent(dir)
	if last := lastGeneration(dir); errors.Is(err, fs.ErrNotExist) && last != "" {
		return fmt.Errorf("%s is missing, %s is there: the next run of index takes it up", filepath.Join(dir, currentFile), last)
	}
	if err != nil {
		return notFound(collection, err)
	}
	gen := filepath.Join(dir, name)
	m, err := readManifest(gen)
	if err != nil {
		return err
	}
	var problems []error
	for _, f := range m.Files {
		problems = append(problems, f.verify(gen))
	}
	return errors.Join(problems...)
}

func (f File) verify(gen string) error {
	path := filepath.Join(gen, filepath.FromSlash(f.Name))
	got, err := checksumFile(path, false)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is missing", path)
	case err != nil:
		return fmt.Errorf("read %s: %w", path, err)
	case got.Size != f.Size || got.CRC != f.CRC:
		return fmt.Errorf("%s has %d bytes and checksum %08x, want %d and %08x", path, got.Size, got.CRC, f.Size, f.CRC)
	}
	return nil
}

// isLeg says whether a file belongs to a leg, which can be made again.
func (f File) isLeg() bool {
	return strings.HasPrefix(f.Name, vectorDir+"/") || strings.HasPrefix(f.Name, keywordDir+"/")
}

// readFile reads a file of a generation and compares it with the manifest,
// which lists none while the generation is being built.
func (m Manifest) readFile(gen, name string) ([]byte, error) {
	path := filepath.Join(gen, name)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read generation: %w: %w", err, errDamaged)
	}
	read := File{Name: name, Size: int64(len(b)), CRC: crc32.Checksum(b, castagnoli)}
	if len(m.Files) > 0 && !slices.Contains(m.Files, read) {
		return nil, fmt.Errorf("read %s: its %d bytes are not those of the manifest: %w", path, len(b), errDamaged)
	}
	return b, nil
}

// check holds the files of a generation against each other, so that what is
// read from them later needs no check: chunks are in the order of their
// documents, texts in the order of their chunks, without a gap.
func (r *genReader) check(m Manifest) error {
	st, err := r.texts.Stat()
	if err != nil {
		return fmt.Errorf("read chunks: %w", err)
	}
	row, offset := 0, uint64(0)
	for i, d := range r.docs {
		if d.First != row || d.Count < 0 || d.Count > r.rows()-row {
			return fmt.Errorf("document %q has the chunks from %d, want %d: %w", d.ID, d.First, row, errDamaged)
		}
		for n := range d.Count {
			rec := r.record(row)
			if int(rec.Doc) != i || int(rec.Ordinal) != n || rec.Offset != offset {
				return fmt.Errorf("chunk %d is not chunk %d of document %q: %w", row, n, d.ID, errDamaged)
			}
			offset += uint64(rec.Length)
			row++
		}
	}
	if len(r.docs) != m.Documents || row != m.Chunks || len(r.idx) != row*idxSize || st.Size() != int64(offset) {
		return fmt.Errorf("got %d documents, %d chunks, %s of %d bytes, want %d, %d, %d: %w",
			len(r.docs), row, r.texts.Name(), st.Size(), m.Documents, m.Chunks, offset, errDamaged)
	}
	return nil
}
