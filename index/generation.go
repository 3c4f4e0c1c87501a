package index

import (
	"errors"
	"fmt"
	"slices"
)

// generation is a manifest with its segments opened.
type generation struct {
	name     string
	manifest Manifest
	segs     []*segment
	dead     [][]uint32 // the deleted documents of each segment, ascending
	own      []*segment // those of segs that it opened itself
}

// openGeneration opens all but the vectors and the legs. reuse may hand in a
// segment that is open already; it may be nil.
func openGeneration(home folder, name string, reuse func(Segment) *segment) (*generation, error) {
	m, err := home.manifest(name)
	if err != nil {
		return nil, err
	}
	g := &generation{name: name, manifest: m}
	if g.dead, err = home.readDeleted(m, name); err != nil {
		return nil, err
	}
	for _, info := range m.Segments {
		var s *segment
		if reuse != nil {
			s = reuse(info)
		}
		if s == nil {
			if s, err = openSegment(home.fs, home.segment(name, info.Name), info, m.Dims); err != nil {
				return nil, errors.Join(err, g.close())
			}
			g.own = append(g.own, s)
		}
		g.segs = append(g.segs, s)
	}
	if err := g.check(); err != nil {
		return nil, errors.Join(fmt.Errorf("open generation %s: %w: %w", home.path(name), err, errDamaged), g.close())
	}
	return g, nil
}

func (g *generation) close() error {
	var err error
	for _, s := range g.own {
		err = errors.Join(err, s.close())
	}
	return err
}

// check holds the manifest's totals against the segments.
func (g *generation) check() error {
	documents, chunks := 0, 0
	for i, s := range g.segs {
		documents += s.documents() - len(g.dead[i])
		chunks += s.rows() - s.deadRows(g.dead[i])
	}
	if documents != g.manifest.Documents || chunks != g.manifest.Chunks {
		return fmt.Errorf("got %d documents, %d chunks, want %d, %d", documents, chunks, g.manifest.Documents, g.manifest.Chunks)
	}
	return nil
}

// deadRows is how many chunks the deleted documents have.
func (g *segment) deadRows(dead []uint32) int {
	n := 0
	for _, d := range dead {
		n += int(g.entry(int(d)).Count)
	}
	return n
}

// live calls f with each document that is not deleted.
func (g *generation) live(f func(at docPlace, e docEntry) error) error {
	for i, s := range g.segs {
		dead := g.dead[i]
		for d := range s.documents() {
			if len(dead) > 0 && int(dead[0]) == d {
				dead = dead[1:]
				continue
			}
			if err := f(docPlace{i, d}, s.entry(d)); err != nil {
				return err
			}
		}
	}
	return nil
}

// docPlace is where a document is: the segment in its generation, the line in
// the segment.
type docPlace struct{ seg, doc int }

// openWhole opens a generation to go on from. It reads all of what the
// generation before, which will be given up, does not have, so that damage is
// found while there is a way back; of the rest, unless all is set, it compares
// the sizes. mend names the segments whose legs must be made again.
func openWhole(home folder, name string, all bool) (g *generation, mend map[string]bool, err error) {
	if g, err = openGeneration(home, name, nil); err != nil {
		return nil, nil, err
	}
	var before Manifest
	if !all {
		before, _ = home.olderManifest(name) // where there is none, all is new
	}
	mend = map[string]bool{}
	for _, s := range g.segs {
		known := slices.ContainsFunc(before.Segments, func(o Segment) bool {
			return o.Name != "" && o.Name == s.info.Name && slices.Equal(o.Files, s.info.Files)
		})
		for _, f := range s.info.Files {
			verify := f.verify
			if known {
				verify = f.verifySize
			}
			err := verify(home.fs, s.dir)
			if err != nil && !f.isLeg() {
				return nil, nil, errors.Join(advised(err), g.close())
			}
			if err != nil {
				mend[s.info.Name] = true
			}
		}
	}
	return g, mend, nil
}
