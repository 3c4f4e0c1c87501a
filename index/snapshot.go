package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"sync/atomic"
	"time"
)

// snapshot is one opened generation. Those who search it hold a reference;
// the last one to let go closes it, so a generation that was replaced stays
// whole for the searches that began on it.
type snapshot struct {
	current pointer   // what was published when it was opened
	since   time.Time // when it was
	gen     *generation
	segs    []*openedSegment
	base    []int // the first row of each segment
	rows    int
	live    bits // nil if nothing is deleted
	keyword KeywordSearcher
	sorted  idOrder
	// A leg that could not be opened has its error here; the other one serves.
	vectorErr, keywordErr error
	// damage is what does not keep the legs from serving: a text that cannot
	// be read is an error of its own hit.
	damage error

	refs atomic.Int32
}

// openedSegment is a segment with its vector leg. Snapshots that follow each
// other share it; the last one closes it.
type openedSegment struct {
	*segment
	searcher VectorSearcher
	damage   error
	refs     atomic.Int32
}

// engines are what legs are opened with.
type engines struct {
	vector  func(name string) (VectorEngine, error)
	keyword func(name string) (KeywordEngine, error)
}

// openSnapshot opens a generation; old may be the snapshot before, whose
// segments are not opened a second time.
func openSnapshot(home folder, name string, eng engines, old *snapshot) (*snapshot, error) {
	g, err := openGeneration(home, name, func(info Segment) *segment {
		if o := old.opened(info); o != nil {
			return o.segment
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return openLegs(home, g, eng, old)
}

// opened is the segment if the snapshot has it, whole.
func (s *snapshot) opened(info Segment) *openedSegment {
	if s == nil || info.Name == "" {
		return nil
	}
	for _, o := range s.segs {
		if o.info.Name == info.Name && o.info.Vector == info.Vector && o.searcher != nil && o.damage == nil && slices.Equal(o.info.Files, info.Files) {
			return o
		}
	}
	return nil
}

// openLegs makes a generation ready to be searched. The error is for what no
// leg can do without.
func openLegs(home folder, g *generation, eng engines, old *snapshot) (*snapshot, error) {
	s := &snapshot{gen: g}
	s.refs.Store(1)
	var dirs []string
	for _, seg := range g.segs {
		o := old.opened(seg.info)
		if o != nil && o.segment == seg {
			o.refs.Add(1)
		} else {
			o = &openedSegment{segment: seg}
			o.refs.Store(1)
			if err := o.verifyDocuments(); err != nil {
				return nil, errors.Join(err, s.release(), g.close())
			}
			if err := o.openVector(eng); err != nil && s.vectorErr == nil {
				s.vectorErr = err
			}
		}
		s.segs, s.base = append(s.segs, o), append(s.base, s.rows)
		s.rows += seg.rows()
		s.damage = errors.Join(s.damage, o.damage)
		dirs = append(dirs, seg.path(keywordDir))
	}
	s.bury()
	e, err := eng.keyword(g.manifest.Keyword)
	if err == nil {
		s.keyword, err = safely(func() (KeywordSearcher, error) { return e.Open(dirs) })
	}
	if err != nil {
		s.keyword, s.keywordErr = nil, fmt.Errorf("open keyword leg: %w: %s", err, mendLeg)
	}
	return s, nil
}

// verifyDocuments reads the files that are not read otherwise. Each text has a
// checksum of its own, so texts that are damaged are no reason not to serve
// the others.
func (o *openedSegment) verifyDocuments() error {
	for _, f := range o.info.Files {
		switch f.Name {
		case documentsFile:
			if err := f.verify(o.fs, o.dir); err != nil {
				return advised(err)
			}
		case textsFile:
			if err := f.verify(o.fs, o.dir); err != nil {
				o.damage = advised(err)
			}
		}
	}
	return nil
}

// mendLeg is what to do about a leg that does not open: both can be made from
// the rest of the generation.
const mendLeg = "`ragproxy compact` makes it again"

func (o *openedSegment) openVector(eng engines) error {
	if err := o.readVectors(); err != nil {
		return fmt.Errorf("open vector leg: %w", err)
	}
	e, err := eng.vector(o.info.Vector)
	if err != nil {
		return fmt.Errorf("open vector leg: %w", err)
	}
	v, err := safely(func() (VectorSearcher, error) { return e.Open(o.vectors, o.path(vectorDir)) })
	if err != nil {
		return fmt.Errorf("open vector leg: %w: %s", err, mendLeg)
	}
	o.searcher = v
	return nil
}

// bury takes the chunks of deleted documents out of every search.
func (s *snapshot) bury() {
	if s.rows == s.gen.manifest.Chunks {
		return
	}
	s.live = newBits(s.rows)
	_ = s.gen.live(func(at docPlace, e docEntry) error {
		first := s.base[at.seg] + int(e.First)
		s.live.add(first, first+int(e.Count))
		return nil
	})
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
	// The files of the texts stay open for the hits that still want theirs;
	// they are closed when the last of them is collected (os.File's own cleanup).
	var err error
	for _, o := range s.segs {
		if o.refs.Add(-1) == 0 && o.searcher != nil {
			err = errors.Join(err, o.searcher.Close())
		}
	}
	if s.keyword != nil {
		err = errors.Join(err, s.keyword.Close())
	}
	return err
}

// locate finds the segment of a row and its row there.
func (s *snapshot) locate(row int) (seg, local int) {
	seg = sort.Search(len(s.base), func(i int) bool { return s.base[i] > row }) - 1
	return seg, row - s.base[seg]
}

// hits gives the chunks of an engine's matches, without their texts. An engine
// that gives what it may not, or what is no score, is not believed at all.
func (s *snapshot) hits(matches []Match, allow bits) ([]Hit, error) {
	hits := make([]Hit, len(matches))
	for i, m := range matches {
		if math.IsNaN(m.Score) || math.IsInf(m.Score, 0) {
			return nil, fmt.Errorf("read hits: the score of chunk %d is not finite", m.Row)
		}
		if m.Row < 0 || m.Row >= s.rows {
			return nil, fmt.Errorf("read chunk %d: the collection has %d: %w", m.Row, s.rows, errDamaged)
		}
		if allow != nil && !allow.has(m.Row) {
			return nil, fmt.Errorf("read hits: chunk %d is deleted or filtered out", m.Row)
		}
		seg, local := s.locate(m.Row)
		c, err := s.segs[seg].place(local)
		if err != nil {
			return nil, err
		}
		hits[i] = LateHit(c, m.Score, s.segs[seg].segment, local)
	}
	return hits, nil
}

// searchVectors asks the segments one after the other and merges what they
// find. allow may be nil.
func (s *snapshot) searchVectors(ctx context.Context, query []float32, k int, allow bits) ([]Match, error) {
	var all []Match
	for i, o := range s.segs {
		if o.rows() == 0 {
			continue
		}
		base := s.base[i]
		var local Allow
		if allow != nil {
			local = func(row int) bool { return allow.has(base + row) }
		}
		found, err := o.searcher.Search(ctx, query, k, local)
		if err != nil {
			return nil, err
		}
		for i := range found {
			found[i].Row += base
		}
		all = append(all, found...)
	}
	if len(s.segs) > 1 {
		slices.SortFunc(all, func(a, b Match) int {
			return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Row, b.Row))
		})
	}
	return all[:min(k, len(all))], nil
}

// legIsDamaged says whether a leg's files are other than they were written,
// so that an engine's error is no fault of the engine.
func (s *snapshot) legIsDamaged() error {
	if s.vectorErr == nil && s.keywordErr == nil {
		return nil
	}
	for _, o := range s.segs {
		for _, f := range o.info.Files {
			if f.isLeg() || f.Name == vectorsFile {
				if err := f.verify(o.fs, o.dir); errors.Is(err, errDamaged) {
					return err
				}
			}
		}
	}
	return nil
}
