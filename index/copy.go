package index

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"slices"
	"strings"
)

// Stored is a document as an engine holds it: all that another engine needs to
// hold it alike.
type Stored struct {
	Document Document // without its text, which the chunks have
	Source   string
	Cut      Cut // with Vectors; Texts may be nil
}

// Scan calls f with what is published of a collection: its manifest, and its
// documents in no order, all of one generation whatever is published
// meanwhile. They can be gone through once, while f runs; after an error they
// end. An unknown collection is [ErrNotFound].
func (x *Index) Scan(ctx context.Context, collection string, f func(Manifest, iter.Seq2[Stored, error]) error) error {
	home, err := x.home(collection)
	if err != nil {
		return err
	}
	now, err := home.current()
	if errors.Is(err, fs.ErrNotExist) {
		return notFound(collection, err)
	}
	if err != nil {
		return err
	}
	g, _, err := openWhole(home, now.name, true)
	if err != nil {
		return fmt.Errorf("read collection %q: %w", collection, err)
	}
	defer g.close()
	for _, s := range g.segs { // before a run that publishes twice removes them
		if err := s.openFloats(); err != nil {
			return fmt.Errorf("read collection %q: %w", collection, err)
		}
	}
	return f(g.manifest, func(yield func(Stored, error) bool) {
		err := g.live(func(at docPlace, _ docEntry) error {
			s, err := g.segs[at.seg].copied(at.doc)
			if err = errors.Join(err, ctx.Err()); err != nil {
				return err
			}
			if !yield(s, nil) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(Stored{}, fmt.Errorf("read collection %q: %w", collection, err))
		}
	})
}

// errStopped ends a walk whose caller has seen enough.
var errStopped = errors.New("stopped")

// copied is a document with its chunks and vectors.
func (g *segment) copied(doc int) (Stored, error) {
	p, err := g.stored(doc)
	if err != nil {
		return Stored{}, err
	}
	d := p.record
	out := Stored{Document: Document{ID: d.ID, URL: d.URL, Title: d.Title, Meta: d.Meta, Marks: d.Marks}, Source: d.Source}
	out.Cut.Hash = p.hash
	first := int(g.entry(doc).First)
	for i, piece := range p.pieces {
		v, err := g.vector(first + i)
		if err != nil {
			return Stored{}, err
		}
		out.Cut.Chunks, out.Cut.Vectors = append(out.Cut.Chunks, d.cut(i, piece)), append(out.Cut.Vectors, v)
	}
	return out, nil
}

// Take implements [Run]: it hands in a document of another engine as that one
// holds it. The rules are those of Add; its hash is taken over, too, so that
// the next run of index finds it unchanged.
func (b *Builder) Take(ctx context.Context, s Stored) (Change, error) {
	if err := s.Check(b.dims); err != nil {
		return 0, err
	}
	d := s.Document
	change, known, err := b.change(s.Source, d.ID, s.Cut.Hash)
	if known || err != nil {
		return change, err
	}
	pieces := make([]Piece, len(s.Cut.Chunks))
	for i, c := range s.Cut.Chunks {
		pieces[i] = Piece{Text: c.Text, Start: c.Start, End: c.End}
	}
	rec := docRecord{ID: d.ID, URL: d.URL, Title: d.Title, Meta: d.Meta, Marks: d.Marks, Source: s.Source}
	return change, b.enqueue(ctx, pendingDoc{rec, s.Cut.Hash, pieces, s.Cut.Vectors})
}

// Check refuses what an engine should not have held.
func (s Stored) Check(dims int) error {
	if len(s.Cut.Vectors) != len(s.Cut.Chunks) {
		return fmt.Errorf("document %q has %d chunks and %d vectors", s.Document.ID, len(s.Cut.Chunks), len(s.Cut.Vectors))
	}
	for i, v := range s.Cut.Vectors {
		if len(v) != dims {
			return fmt.Errorf("document %q: chunk %d has %d dimensions, the collection has %d", s.Document.ID, i, len(v), dims)
		}
		if s.Cut.Chunks[i].Ordinal != i {
			return fmt.Errorf("document %q: chunk %d is its number %d: a chunk is missing", s.Document.ID, i, s.Cut.Chunks[i].Ordinal)
		}
	}
	return nil
}

// Digest is a checksum of a document as engines hold it: equal digests, the
// same texts, places, vectors (their bits), metadata, source and hash.
//
// Engines may write a number another way (1e2 as 100), and have no character 0
// in texts; what is the same but for that has the same digest.
func (s Stored) Digest() Key {
	h := sha256.New()
	text := func(s string) { fmt.Fprintf(h, "%d:%s", len(s), strings.ReplaceAll(s, "\x00", "\ufffd")) }
	d := s.Document
	for _, t := range []string{d.ID, d.URL, d.Title, s.Source} {
		text(t)
	}
	h.Write(s.Cut.Hash[:])
	writeJSON(h, d.Meta)
	for _, m := range d.Marks {
		fmt.Fprintf(h, "@%d", m.Start)
		writeJSON(h, m.Meta)
	}
	var bits []byte
	for i, c := range s.Cut.Chunks {
		fmt.Fprintf(h, "#%d,%d,%d", c.Ordinal, c.Start, c.End)
		text(c.Text)
		bits = bits[:0]
		for _, x := range s.Cut.Vectors[i] {
			bits = binary.LittleEndian.AppendUint32(bits, math.Float32bits(x))
		}
		h.Write(bits)
	}
	return Key(h.Sum(nil)[:16])
}

// writeJSON writes a JSON value so that equal ones are the same bytes: keys in
// order, numbers by their value.
func writeJSON(w io.Writer, v any) {
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			fmt.Fprintf(w, "{%q", strings.ReplaceAll(k, "\x00", "\ufffd"))
			writeJSON(w, v[k])
		}
	case []any:
		for _, e := range v {
			io.WriteString(w, "[")
			writeJSON(w, e)
		}
	case string:
		fmt.Fprintf(w, "%q", strings.ReplaceAll(v, "\x00", "\ufffd"))
	case json.Number:
		if n, err := v.Int64(); err == nil {
			fmt.Fprintf(w, "=%d", n)
		} else if f, err := v.Float64(); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			fmt.Fprintf(w, "=%d", int64(f))
		} else if err == nil {
			fmt.Fprintf(w, "=%g", f)
		} else {
			fmt.Fprintf(w, "=%s", v)
		}
	default: // true, false, null; a number of a caller who parsed it himself
		b, err := json.Marshal(v)
		if err == nil && len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9') {
			writeJSON(w, json.Number(b))
			return
		}
		fmt.Fprintf(w, "%s", b)
	}
}

// CopyOptions say what [Copy] copies.
type CopyOptions struct {
	Collection string
	As         string // its name in the other engine; "" for the same
	// Every is how many chunks are published at once; a copy that was broken off
	// goes on behind them. Default 50,000.
	Every int
	// Prune deletes what the other engine has beside: documents that were deleted
	// here since the copy before.
	Prune bool
	// Copied is called with the number of documents that were gone through, and
	// of how many; may be nil.
	Copied func(documents, of int)
}

// CopyReport is what a copy did. Documents of both engines were compared one by
// one by their [Stored.Digest]s.
type CopyReport struct {
	Manifest                  // of the copied collection, as its own engine has it
	Added, Updated, Unchanged int
	Pruned                    int
}

// Copy makes another engine hold a collection as the first one does, vectors
// among it: nothing is embedded. It is published part by part, so while it
// runs the other engine has some of it; one that is broken off and begun again
// writes what is missing. At its end everything is read back and compared; what
// differs is an error.
func Copy(ctx context.Context, from Reader, to Engine, o CopyOptions) (CopyReport, error) {
	o.As, o.Every = cmp.Or(o.As, o.Collection), cmp.Or(o.Every, 50_000)
	c := copying{CopyOptions: o, to: to, digests: map[string]Key{}}
	if err := from.Scan(ctx, o.Collection, func(m Manifest, documents iter.Seq2[Stored, error]) error {
		c.report.Manifest = m
		return c.write(ctx, documents)
	}); err != nil {
		return c.report, fmt.Errorf("copy collection %q: %w", o.Collection, err)
	}
	if err := c.compare(ctx); err != nil {
		return c.report, fmt.Errorf("copy collection %q: %w", o.Collection, err)
	}
	return c.report, nil
}

type copying struct {
	CopyOptions
	to      Engine
	digests map[string]Key // by id
	report  CopyReport
}

func (c *copying) write(ctx context.Context, documents iter.Seq2[Stored, error]) error {
	var run Run
	defer func() {
		if run != nil {
			run.Abort() // what is published is; the rest is cleared up by the next run
		}
	}()
	for s, err := range documents {
		if err != nil {
			return err
		}
		if run == nil {
			if run, err = c.to.Begin(ctx, BuildOptions{Collection: c.As, Like: &c.report.Manifest}); err != nil {
				return err
			}
		}
		change, err := run.Take(ctx, s)
		if err != nil {
			return err
		}
		switch change {
		case Added:
			c.report.Added++
		case Updated:
			c.report.Updated++
		case Unchanged:
			c.report.Unchanged++
		}
		if c.digests[s.Document.ID] = s.Digest(); c.Copied != nil {
			c.Copied(len(c.digests), c.report.Documents)
		}
		if run.Chunks() >= c.Every {
			if _, err := run.Commit(ctx); err != nil {
				return err
			}
			run = nil
		}
	}
	if run == nil {
		return nil
	}
	_, err := run.Commit(ctx)
	return err
}

// compare reads back what the other engine has.
func (c *copying) compare(ctx context.Context) error {
	var more, other []string // ids
	found := 0
	err := c.to.Scan(ctx, c.As, func(_ Manifest, documents iter.Seq2[Stored, error]) error {
		for s, err := range documents {
			if err != nil {
				return err
			}
			id := s.Document.ID
			switch want, ok := c.digests[id]; {
			case !ok:
				more = append(more, id)
			case want != s.Digest():
				other = append(other, id)
			default:
				found++
			}
		}
		return nil
	})
	if errors.Is(err, ErrNotFound) && len(c.digests) == 0 { // an empty one makes none
		return nil
	}
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if len(other) > 0 {
		return fmt.Errorf("%d documents are there otherwise than here, %q the first: delete them there and copy again", len(other), other[0])
	}
	if missing := len(c.digests) - found; missing > 0 {
		return fmt.Errorf("%d of %d documents are missing there: somebody deletes meanwhile; copy again", missing, len(c.digests))
	}
	if len(more) == 0 {
		return nil
	}
	if !c.Prune {
		return fmt.Errorf("all of it is there, and %d documents beside, %q the first: --prune deletes those", len(more), more[0])
	}
	deleted, err := c.to.Delete(ctx, c.As, more)
	if err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	if c.report.Pruned = len(deleted); len(deleted) != len(more) { // a name of one is the address of another
		return fmt.Errorf("prune: %d documents were deleted instead of %d: copy again", len(deleted), len(more))
	}
	return nil
}
