package index

import (
	"context"
	"fmt"
	"slices"
)

// Segments are merged by size, so that there are few of them and each chunk is
// written again only a few times: where mergeAt segments are of one tier, they
// become one, which may be of the next tier. Texts and vectors are used again;
// nothing is embedded.
const (
	mergeAt   = 4
	firstTier = 1 << 10 // rows; each further tier has tierStep times as many
	tierStep  = 4
	lastTier  = 2 // of 16k rows; larger segments are left to `ragproxy compact`
)

func tierOf(rows int) int {
	tier := 0
	for limit := firstTier; rows > limit; limit *= tierStep {
		tier++
	}
	return tier
}

// pickMerge chooses which segments are merged into the one that is being
// written, by the live rows of each; must are those that cannot stay as they
// are. begun is how many rows are written already, -1 if there is no such
// segment yet.
func pickMerge(rows []int, must []bool, begun int) []bool {
	picked := slices.Clone(must)
	sum := max(begun, 0)
	for i, p := range picked {
		if p {
			sum += rows[i]
		}
	}
	target := begun >= 0 || slices.Contains(picked, true)
	for tier := 0; tier <= lastTier; tier++ {
		var same []int
		for i, n := range rows {
			if !picked[i] && tierOf(n) == tier {
				same = append(same, i)
			}
		}
		n := len(same)
		if target && tierOf(sum) == tier {
			n++
		}
		if n < mergeAt {
			continue
		}
		for _, i := range same {
			picked[i] = true
			sum += rows[i]
		}
		target = true
	}
	return picked
}

// plan says which segments this run merges into the one it writes.
func (b *Builder) plan(kept []*segment, dead [][]uint32) []bool {
	rows, must := make([]int, len(kept)), make([]bool, len(kept))
	for i, s := range kept {
		gone := s.deadRows(dead[i])
		rows[i] = s.rows() - gone
		must[i] = b.opts.compact || b.cannotStay(s) ||
			3*gone > s.rows() || 3*len(dead[i]) > s.documents() // a third of it answers nobody
	}
	if b.writer == nil {
		return pickMerge(rows, must, -1)
	}
	return pickMerge(rows, must, b.writer.rows)
}

// cannotStay says whether a segment's files are not those that this build, or
// this configuration, would write.
func (b *Builder) cannotStay(s *segment) bool {
	return s.info.Name == "" || b.mend[s.info.Name] || b.manifest.Keyword != b.keyword.Name() || b.otherVector(s)
}

// otherVector says whether a segment's vector leg is of another engine than
// the one at hand, and this run is to change that.
func (b *Builder) otherVector(s *segment) bool {
	return s.info.Vector != b.index.opts.Vector.Name() && (!b.opts.noEmbedder || b.opts.compact)
}

// compacted says whether there is nothing to compact.
func (b *Builder) compacted() bool {
	segs := b.prev.segs
	return len(segs) == 0 || len(segs) == 1 && len(b.prev.dead[0]) == 0 && !b.cannotStay(segs[0])
}

// merge writes the live documents of the picked segments behind those of this
// run.
func (b *Builder) merge(ctx context.Context, kept []*segment, dead [][]uint32, picked []bool) error {
	for i, s := range kept {
		if !picked[i] {
			continue
		}
		for doc := range s.documents() {
			if _, gone := slices.BinarySearch(dead[i], uint32(doc)); gone {
				continue
			}
			if err := b.copy(ctx, s, doc); err != nil {
				return fmt.Errorf("merge %s: %w", s.dir, err)
			}
		}
		if b.writer != nil && b.writer.full() && !b.opts.compact {
			if err := b.seal(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// copy reads through all checksums: what is damaged does not go on under a new
// one.
func (b *Builder) copy(ctx context.Context, s *segment, doc int) error {
	p, err := s.stored(doc)
	if err != nil {
		return err
	}
	vectors := make([][]float32, len(p.pieces))
	for i := range vectors {
		if vectors[i], err = s.vector(int(s.entry(doc).First) + i); err != nil {
			return err
		}
	}
	return b.append(ctx, p, vectors)
}

// write writes one document, and seals the segment once it is full.
func (b *Builder) write(ctx context.Context, p pendingDoc, vectors [][]float32) error {
	if err := b.append(ctx, p, vectors); err != nil {
		return err
	}
	if !b.writer.full() {
		return nil
	}
	return b.seal(ctx)
}

// append writes one document into the segment that is being written.
func (b *Builder) append(ctx context.Context, p pendingDoc, vectors [][]float32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.writer == nil {
		dir := b.home.path(segmentsFolder, segmentDir(b.number, b.segments))
		b.segments++
		var err error
		if b.writer, err = newSegWriter(b.home.fs, dir); err != nil {
			return err
		}
	}
	return b.writer.add(p.record, p.hash, p.pieces, vectors)
}

// seal ends the segment that is being written, if there is one: its legs are
// built and its files synced and listed.
func (b *Builder) seal(ctx context.Context) error {
	if b.writer == nil {
		return nil
	}
	w := b.writer
	b.writer = nil
	if err := w.close(); err != nil {
		return fmt.Errorf("write segment: %w", err)
	}
	info := Segment{
		Name: segmentDir(b.number, b.segments-1), Documents: w.docs, Chunks: w.rows, Vector: b.index.opts.Vector.Name(),
	}
	g, err := openSegment(b.home.fs, w.dir, info, b.dims)
	if err != nil {
		return err
	}
	defer g.close()
	if err := b.buildLegs(ctx, g); err != nil {
		return err
	}
	if info.Files, err = sealFiles(b.home.fs, w.dir, ""); err != nil {
		return fmt.Errorf("seal segment: %w", err)
	}
	b.sealed = append(b.sealed, info)
	return nil
}

func (b *Builder) buildLegs(ctx context.Context, g *segment) error {
	if err := g.readVectors(); err != nil {
		return err
	}
	if err := b.index.opts.Vector.Build(ctx, g.vectors, g.path(vectorDir)); err != nil {
		return fmt.Errorf("build vector leg: %w", err)
	}
	g.vectors = Matrix{} // before the other leg takes its memory
	var readErr error
	if err := b.keyword.Build(ctx, g.all(&readErr), g.path(keywordDir)); err != nil {
		return fmt.Errorf("build keyword leg: %w", err)
	}
	return readErr
}
