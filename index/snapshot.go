package index

import (
	"errors"
	"fmt"
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
	s := &snapshot{name: name, manifest: m}
	if s.chunks, err = openGenReader(gen, m); err != nil {
		return nil, err
	}
	s.vector, s.vectorErr = openVector(gen, m, s.chunks, eng)
	if s.keyword, err = eng.keyword.Open([]string{filepath.Join(gen, keywordDir)}); err != nil {
		s.keyword, s.keywordErr = nil, fmt.Errorf("open keyword leg: %w: %s", err, mendLeg)
	}
	s.refs.Store(1)
	return s, nil
}

// mendLeg is what to do about a leg that does not open: both can be made from
// the rest of the generation.
const mendLeg = "the next run of index makes it again"

func openVector(gen string, m Manifest, chunks *genReader, eng engines) (VectorSearcher, error) {
	if err := chunks.readVectors(gen, m); err != nil {
		return nil, fmt.Errorf("open vector leg: %w", err)
	}
	e, err := eng.vector(m.Vector)
	if err != nil {
		return nil, fmt.Errorf("open vector leg: %w", err)
	}
	v, err := e.Open(chunks.vectors, filepath.Join(gen, vectorDir))
	if err != nil {
		return nil, fmt.Errorf("open vector leg: %w: %s", err, mendLeg)
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
	// The file of the texts stays open for the hits that still want theirs; it
	// is closed when the last of them is collected (os.File's own cleanup).
	var err error
	if s.vector != nil {
		err = errors.Join(err, s.vector.Close())
	}
	if s.keyword != nil {
		err = errors.Join(err, s.keyword.Close())
	}
	return err
}

// hits gives the chunks of an engine's matches, without their texts.
func (s *snapshot) hits(matches []Match) ([]Hit, error) {
	hits := make([]Hit, len(matches))
	for i, m := range matches {
		if m.Row < 0 || m.Row >= s.chunks.rows() {
			return nil, fmt.Errorf("read chunk %d: the collection has %d: %w", m.Row, s.chunks.rows(), errDamaged)
		}
		hits[i] = Hit{Chunk: s.chunks.place(m.Row), Score: m.Score, from: s.chunks, row: m.Row}
	}
	return hits, nil
}
