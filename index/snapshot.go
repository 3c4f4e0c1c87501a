package index

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
)

// snapshot is one opened generation. Those who search it hold a reference;
// the last one to let go closes it, so a generation that was replaced stays
// whole for the searches that began on it.
type snapshot struct {
	name     string
	manifest Manifest
	chunks   *genReader
	vector   VectorSearcher
	keyword  KeywordSearcher
	// A leg that could not be opened has its error here; the other one serves.
	vectorErr, keywordErr error

	refs atomic.Int32
}

// engines opens the two legs of a generation.
type engines struct {
	vector  func(name string) (VectorEngine, error)
	keyword KeywordEngine
}

func openSnapshot(dir, name string, eng engines) (*snapshot, error) {
	gen := filepath.Join(dir, name)
	m, err := readManifest(gen)
	if err != nil {
		return nil, err
	}
	if err := m.checkSizes(gen); err != nil {
		return nil, err
	}
	s := &snapshot{name: name, manifest: m}
	if s.chunks, err = openGenReader(gen, m); err != nil {
		return nil, err
	}
	s.vector, s.vectorErr = openVector(gen, m, s.chunks.vectors, eng)
	if s.keyword, err = eng.keyword.Open(filepath.Join(gen, keywordDir)); err != nil {
		s.keyword, s.keywordErr = nil, fmt.Errorf("open keyword leg: %w", err)
	}
	s.refs.Store(1)
	return s, nil
}

func openVector(gen string, m Manifest, vectors Matrix, eng engines) (VectorSearcher, error) {
	e, err := eng.vector(m.Vector)
	if err != nil {
		return nil, fmt.Errorf("open vector leg: %w", err)
	}
	v, err := e.Open(vectors, filepath.Join(gen, vectorDir))
	if err != nil {
		return nil, fmt.Errorf("open vector leg: %w", err)
	}
	return v, nil
}

// acquire takes a reference; it fails on a snapshot that is already closed.
func (s *snapshot) acquire() bool {
	for {
		n := s.refs.Load()
		if n == 0 {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *snapshot) release() error {
	if s.refs.Add(-1) > 0 {
		return nil
	}
	err := s.chunks.close()
	if s.vector != nil {
		err = errors.Join(err, s.vector.Close())
	}
	if s.keyword != nil {
		err = errors.Join(err, s.keyword.Close())
	}
	return err
}

// hits reads the chunks of an engine's matches.
func (s *snapshot) hits(matches []Match) ([]Hit, error) {
	hits := make([]Hit, len(matches))
	for i, m := range matches {
		if m.Row < 0 || m.Row >= s.chunks.rows() {
			return nil, fmt.Errorf("read chunk %d: the collection has %d: the index is damaged: restore it, or remove its folder and index again", m.Row, s.chunks.rows())
		}
		c, err := s.chunks.chunk(m.Row)
		if err != nil {
			return nil, err
		}
		hits[i] = Hit{Chunk: c, Score: m.Score}
	}
	return hits, nil
}

// Verify reads every byte of a collection's published generation and returns
// what is wrong with it; nil if nothing is.
func (x *Index) Verify(collection string) error {
	dir, err := x.dir(collection)
	if err != nil {
		return err
	}
	name, err := readCurrent(dir)
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
		path := filepath.Join(gen, filepath.FromSlash(f.Name))
		got, err := checksumFile(path, false)
		switch {
		case errors.Is(err, os.ErrNotExist):
			problems = append(problems, fmt.Errorf("%s is missing", path))
		case err != nil:
			problems = append(problems, err)
		case got.Size != f.Size || got.CRC != f.CRC:
			problems = append(problems, fmt.Errorf("%s has %d bytes and checksum %08x, want %d and %08x", path, got.Size, got.CRC, f.Size, f.CRC))
		}
	}
	return errors.Join(problems...)
}
