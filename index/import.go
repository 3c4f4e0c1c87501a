package index

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
)

// maxManifest bounds the manifest of an archive, in bytes.
const maxManifest = 16 << 20

// errArchive is of an archive that Export did not write.
var errArchive = errors.New("it is no archive of `ragproxy export`, or was changed")

// Import makes a collection of an archive of size bytes that [Index.Export]
// wrote. Everything in it is checked before anything is published; nothing in
// it names a path that is written to. Both legs are made anew; nothing is
// embedded. If the collection exists, replace must be set; its generation
// before is kept until the next run, as with any run.
func (x *Index) Import(ctx context.Context, collection string, r io.Reader, size int64, replace bool) (Manifest, error) {
	in := tar.NewReader(io.LimitReader(r, size))
	m, err := readArchivedManifest(in, size)
	if err != nil {
		return Manifest{}, fmt.Errorf("import collection %q: %w", collection, err)
	}
	b, err := x.Build(ctx, BuildOptions{Collection: collection, noEmbedder: true})
	if err != nil {
		return Manifest{}, err
	}
	if b.prev != nil && !replace {
		return Manifest{}, errors.Join(fmt.Errorf("import collection %q: it exists: --replace puts the archive in its place, or import into another --collection", collection), b.Abort())
	}
	out, err := b.take(ctx, in, m)
	if err != nil {
		err = fmt.Errorf("import collection %q: %w", collection, err)
	}
	return out, errors.Join(err, b.Abort())
}

// next gives an entry of an archive that is a plain file.
func next(in *tar.Reader) (*tar.Header, error) {
	h, err := in.Next()
	if err != nil {
		return nil, err
	}
	if h.Typeflag != tar.TypeReg {
		return nil, fmt.Errorf("%.200q is not a plain file: %w", h.Name, errArchive)
	}
	return h, nil
}

func readArchivedManifest(in *tar.Reader, size int64) (Manifest, error) {
	h, err := next(in)
	if err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", err, errArchive)
	}
	if h.Name != manifestFile || h.Size > maxManifest {
		return Manifest{}, fmt.Errorf("it begins with %.200q of %d bytes: %w", h.Name, h.Size, errArchive)
	}
	b, err := io.ReadAll(io.LimitReader(in, maxManifest))
	if err != nil {
		return Manifest{}, fmt.Errorf("read manifest: %w", err)
	}
	m, err := parseManifest(b)
	if err != nil {
		return Manifest{}, fmt.Errorf("read manifest: %w: %w", err, errArchive)
	}
	if m.Format < 2 || m.Dims > maxDims {
		return Manifest{}, fmt.Errorf("it is of format %d with %d dimensions: %w", m.Format, m.Dims, errArchive)
	}
	left := size - h.Size
	for _, e := range m.entries("", func(int) string { return "" }) {
		if left -= e.file.Size; left < 0 || e.file.Size > size { // it does not unpack to more than it is
			return Manifest{}, fmt.Errorf("its manifest has files of more bytes than it has itself, %d: %w", size, errArchive)
		}
	}
	if len(m.Files) > 1 || len(m.Files) == 1 && m.Files[0].Name != deletedFile {
		return Manifest{}, fmt.Errorf("its manifest has files that are not known: %w", errArchive)
	}
	return m, nil
}

// take unpacks an archive, checks all of it, and publishes what it holds as
// the collection's next generation.
func (b *Builder) take(ctx context.Context, in *tar.Reader, m Manifest) (Manifest, error) {
	var err error
	if b.keyword, err = b.index.keywordByName(m.Keyword); err != nil {
		return Manifest{}, err
	}
	b.manifest, b.space, b.dims = m, m.Space, m.Dims
	b.segments = len(m.Segments)
	dir := func(i int) string { return b.home.path(segmentsFolder, segmentDir(b.number, i)) }
	deleted, err := b.unpack(ctx, in, m.entries("", dir))
	if err != nil {
		return Manifest{}, err
	}
	g := &generation{manifest: m}
	defer g.close()
	if g.dead, err = parseDeleted(deleted, m.Segments); err != nil {
		if len(deleted) > 0 {
			return Manifest{}, fmt.Errorf("read %s: %w: %w", deletedFile, err, errArchive)
		}
		g.dead = make([][]uint32, len(m.Segments))
	}
	for i, info := range m.Segments {
		s, err := openSegment(b.home.fs, dir(i), info, m.Dims)
		if err != nil {
			return Manifest{}, err
		}
		g.segs, g.own = append(g.segs, s), append(g.own, s)
	}
	if err := errors.Join(g.check(), g.inspect(ctx)); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", err, errArchive)
	}
	if err := b.merge(ctx, g.segs, g.dead, everyOne(len(g.segs))); err != nil {
		return Manifest{}, err
	}
	if err := b.seal(ctx); err != nil {
		return Manifest{}, err
	}
	out, _ := b.result(nil, nil, nil)
	if out.Documents != m.Documents || out.Chunks != m.Chunks {
		return Manifest{}, fmt.Errorf("got %d documents, %d chunks, want %d, %d: %w", out.Documents, out.Chunks, m.Documents, m.Chunks, errArchive)
	}
	return out, b.publish(out, make([][]uint32, len(out.Segments)))
}

func everyOne(n int) []bool {
	all := make([]bool, n)
	for i := range all {
		all[i] = true
	}
	return all
}

// unpack writes the files that are listed, each of which must come once and as
// it is listed, and gives deleted.bin.
func (b *Builder) unpack(ctx context.Context, in *tar.Reader, list []entry) (deleted []byte, err error) {
	wanted := map[string]entry{}
	for _, e := range list {
		wanted[e.name] = e
	}
	for {
		h, err := next(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		e, ok := wanted[h.Name]
		if !ok || h.Size != e.file.Size || ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), fmt.Errorf("%.200q of %d bytes is not in its manifest, or was there before: %w", h.Name, h.Size, errArchive))
		}
		delete(wanted, h.Name)
		if e.name != deletedFile {
			if err := b.unpackFile(in, e); err != nil {
				return nil, err
			}
			continue
		}
		if deleted, err = io.ReadAll(in); err != nil {
			return nil, err
		}
		if crc32.Checksum(deleted, castagnoli) != e.file.CRC {
			return nil, fmt.Errorf("the checksum of %s differs: %w", e.name, errArchive)
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("%.200q is missing: %w", name, errArchive)
	}
	return deleted, nil
}

func (b *Builder) unpackFile(in io.Reader, e entry) error {
	if err := b.home.fs.MkdirAll(filepath.Dir(e.path)); err != nil {
		return err
	}
	out, err := createBuf(b.home.fs, e.path)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.close()); err != nil {
		return fmt.Errorf("unpack %s: %w", e.name, err)
	}
	if err := e.file.verifyAt(b.home.fs, e.path); err != nil {
		return fmt.Errorf("%w: %w", err, errArchive)
	}
	return nil
}
