package index

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"path/filepath"
)

// An archive is a tar file: manifest.json as it was published, then deleted.bin
// and the data files of each segment as segments/<name>/<file>, in the order
// of the manifest, which has their checksums. The legs are not in it: Import
// makes them, as files of an engine are not to be trusted, and change.

// archived says whether a file of a segment is in an archive.
func (f File) archived() bool {
	switch f.Name {
	case documentsFile, entriesFile, textsFile, indexFile, vectorsFile:
		return true
	}
	return false
}

// entry is a file for, or of, an archive.
type entry struct {
	name string // in the archive
	path string // on disk
	file File
}

// entries lists what comes behind the manifest in an archive. dir gives the
// folder of a segment, by its place.
func (m Manifest) entries(generation string, dir func(segment int) string) []entry {
	var list []entry
	for _, f := range m.Files {
		list = append(list, entry{f.Name, filepath.Join(generation, filepath.FromSlash(f.Name)), f})
	}
	for i, s := range m.Segments {
		for _, f := range s.Files {
			if f.archived() {
				list = append(list, entry{path.Join(segmentsFolder, s.Name, f.Name), filepath.Join(dir(i), filepath.FromSlash(f.Name)), f})
			}
		}
	}
	return list
}

// Export writes a collection as one archive, for [Index.Import]. A run may
// publish meanwhile. After an error w has half of an archive.
func (x *Index) Export(ctx context.Context, collection string, w io.Writer) error {
	home, err := x.home(collection)
	if err != nil {
		return err
	}
	now, err := home.current()
	if err != nil {
		return notFound(collection, err)
	}
	m, err := home.manifest(now.name)
	if err != nil {
		return err
	}
	if m.Format < Format {
		return fmt.Errorf("export collection %q: it is of format %d: run `ragproxy compact` first", collection, m.Format)
	}
	list := m.entries(home.path(now.name), func(i int) string { return home.segment(now.name, m.Segments[i].Name) })
	// All are opened first: a run that publishes twice removes them.
	files := make([]FSFile, len(list))
	defer func() {
		for _, f := range files {
			if f != nil {
				f.Close() // only read from
			}
		}
	}()
	for i, e := range list {
		if files[i], err = home.fs.Open(e.path); err != nil {
			return fmt.Errorf("export collection %q: %w", collection, damage(err))
		}
	}
	manifest, err := m.encodeAgain()
	if err != nil {
		return fmt.Errorf("export collection %q: %w", collection, err)
	}
	out := tar.NewWriter(w)
	if err := addBytes(out, manifestFile, manifest); err != nil {
		return fmt.Errorf("export collection %q: %w", collection, err)
	}
	for i, e := range list {
		if err := errors.Join(ctx.Err(), e.add(out, files[i])); err != nil {
			return fmt.Errorf("export collection %q: %w", collection, err)
		}
	}
	return out.Close()
}

// encodeAgain is the manifest without the files that are not in an archive.
func (m Manifest) encodeAgain() ([]byte, error) {
	segments := make([]Segment, len(m.Segments))
	for i, s := range m.Segments {
		segments[i] = s
		segments[i].Files = nil
		for _, f := range s.Files {
			if f.archived() {
				segments[i].Files = append(segments[i].Files, f)
			}
		}
	}
	m.Segments = segments
	return m.encode()
}

func addBytes(out *tar.Writer, name string, b []byte) error {
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(b)), Mode: 0o644}); err != nil {
		return err
	}
	_, err := out.Write(b)
	return err
}

func (e entry) add(out *tar.Writer, f FSFile) error {
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: e.name, Size: e.file.Size, Mode: 0o644}); err != nil {
		return err
	}
	h := crc32.New(castagnoli)
	n, err := io.Copy(io.MultiWriter(out, h), f)
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && (n != e.file.Size || h.Sum32() != e.file.CRC) {
		err = fmt.Errorf("%s is not as the manifest says: %w", e.path, errDamaged)
	}
	return err
}
