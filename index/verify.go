package index

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"strings"
)

var errDamaged = errors.New("the index is damaged: restore it, or remove the collection's folder and index again")

// damage says what an error of reading means: a file that is missing or too
// short is damage; a disk that does not answer need not be, and no reason to
// go back to an older state.
func damage(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", err, errDamaged)
	}
	return err
}

// fileError is damage of a file, told without what to do about it.
type fileError struct{ error }

func (fileError) Is(target error) bool { return target == errDamaged }

// advised adds to a fileError what to do about it.
func advised(err error) error {
	if errors.As(err, &fileError{}) {
		return fmt.Errorf("%w: %w", err, errDamaged)
	}
	return err
}

// Report is what an inspection of a collection found.
type Report struct {
	Collection string
	Manifest   Manifest // zero where it cannot be read
	Problems   []error  // none: all is well
}

// Verify reads every byte of a collection's published generation and returns
// what is wrong with it; nil if nothing is.
func (x *Index) Verify(collection string) error {
	r, err := x.Inspect(context.Background(), collection)
	return errors.Join(err, errors.Join(r.Problems...))
}

// Inspect compares every checksum of a collection's published generation, then
// its files with each other, then what both legs find with the documents. The
// error is for what could not be inspected at all ([ErrNotFound]).
func (x *Index) Inspect(ctx context.Context, collection string) (Report, error) {
	r := Report{Collection: collection}
	home, err := x.home(collection)
	if err != nil {
		return r, err
	}
	now, err := home.current()
	if errors.Is(err, fs.ErrNotExist) {
		if finished, listErr := home.generations(); listErr == nil && len(finished) > 0 {
			r.Problems = append(r.Problems, fmt.Errorf("%s is missing, %s is there: the next run of index takes it up", home.path(currentFile), finished[0]))
			return r, nil
		}
		return r, notFound(collection, err)
	}
	if err == nil {
		r.Manifest, r.Problems = x.inspect(ctx, home, now.name)
	} else {
		r.Problems = append(r.Problems, err)
	}
	return r, ctx.Err()
}

func (x *Index) inspect(ctx context.Context, home folder, name string) (Manifest, []error) {
	m, err := home.manifest(name)
	if err != nil {
		return Manifest{}, []error{err}
	}
	problems := verifyFiles(home.fs, home.path(name), m.Files)
	for _, s := range m.Segments {
		problems = append(problems, verifyFiles(home.fs, home.segment(name, s.Name), s.Files)...)
	}
	if len(problems) > 0 { // what follows would only say the same again
		return m, problems
	}
	g, err := openGeneration(home, name, nil)
	if err != nil {
		return m, []error{err}
	}
	defer g.close()
	if err := g.inspect(ctx); err != nil {
		return m, []error{err}
	}
	s, err := openLegs(home, g, x.engines(), nil)
	if err != nil {
		return m, []error{err}
	}
	defer s.release()
	return m, s.inspect(ctx)
}

func verifyFiles(fsys FS, dir string, files []File) []error {
	var problems []error
	for _, f := range files {
		if err := f.verify(fsys, dir); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

func (f File) verify(fsys FS, dir string) error {
	return f.verifyAt(fsys, filepath.Join(dir, filepath.FromSlash(f.Name)))
}

func (f File) verifyAt(fsys FS, path string) error {
	got, err := checksumFile(fsys, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fileError{fmt.Errorf("%s is missing", path)}
	case err != nil:
		return fmt.Errorf("read %s: %w", path, err)
	case got.Size != f.Size || got.CRC != f.CRC:
		return fileError{fmt.Errorf("%s has %d bytes and checksum %08x, want %d and %08x", path, got.Size, got.CRC, f.Size, f.CRC)}
	}
	return nil
}

func (f File) verifySize(fsys FS, dir string) error {
	path := filepath.Join(dir, filepath.FromSlash(f.Name))
	file, err := fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fileError{fmt.Errorf("%s is missing", path)}
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if st.Size() != f.Size {
		return fileError{fmt.Errorf("%s has %d bytes, want %d", path, st.Size(), f.Size)}
	}
	return nil
}

// isLeg says whether a file belongs to a leg, which can be made again.
func (f File) isLeg() bool {
	return strings.HasPrefix(f.Name, vectorDir+"/") || strings.HasPrefix(f.Name, keywordDir+"/")
}

// check holds the files of a segment against each other, so that what is read
// from them later needs no check: chunks are in the order of their documents,
// texts in the order of their chunks, without a gap.
func (g *segment) check() error {
	row, offset, line := 0, uint64(0), uint64(0)
	for i := range g.documents() {
		e := g.entry(i)
		if int(e.First) != row || int(e.Count) > g.rows()-row || e.Offset < line || e.Offset > math.MaxInt64-math.MaxUint32 {
			return fmt.Errorf("read %s: document %d has the chunks from %d, want %d: %w", g.path(entriesFile), i, e.First, row, errDamaged)
		}
		line = e.Offset + uint64(e.Length)
		for n := range int(e.Count) {
			rec := g.record(row)
			if int(rec.Doc) != i || int(rec.Ordinal) != n || rec.Offset != offset {
				return fmt.Errorf("read %s: chunk %d is not chunk %d of document %d: %w", g.path(indexFile), row, n, i, errDamaged)
			}
			offset += uint64(rec.Length)
			row++
		}
	}
	texts, err := g.texts.Stat()
	if err != nil {
		return fmt.Errorf("read chunks: %w", err)
	}
	lines, err := g.lines.Stat()
	if err != nil {
		return fmt.Errorf("read documents: %w", err)
	}
	switch {
	case len(g.entries) != g.info.Documents*docSize:
		return fmt.Errorf("read %s: got %d bytes for %d documents: %w", g.path(entriesFile), len(g.entries), g.info.Documents, errDamaged)
	case row != g.info.Chunks || len(g.idx) != row*idxSize:
		return fmt.Errorf("read %s: got %d bytes for %d chunks, want %d: %w", g.path(indexFile), len(g.idx), row, g.info.Chunks, errDamaged)
	case texts.Size() != int64(offset):
		return fmt.Errorf("read %s: got %d bytes, want %d: %w", g.path(textsFile), texts.Size(), offset, errDamaged)
	case lines.Size() < int64(line):
		return fmt.Errorf("read %s: got %d bytes, want %d: %w", g.path(documentsFile), lines.Size(), line, errDamaged)
	}
	return nil
}
