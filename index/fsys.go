package index

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
)

// FS is every file operation of a collection but two: the lock, which is no
// data, and what an engine writes into its own folder, which is synced file by
// file afterwards. Tests put in one that fails, or that forgets what was not
// synced. Safe for concurrent use.
type FS interface {
	// Create makes a file, or empties it, to be written from its beginning.
	Create(path string) (io.WriteCloser, error)
	// Append makes a file, or opens it, to be written at its end.
	Append(path string) (io.WriteCloser, error)
	Open(path string) (FSFile, error)
	ReadDir(path string) ([]fs.DirEntry, error)
	MkdirAll(path string) error
	// Rename replaces to, if it is a file.
	Rename(from, to string) error
	RemoveAll(path string) error
	// Sync makes a file's bytes, or the names in a folder, outlast a power cut.
	Sync(path string) error
}

// FSFile is an open file of an FS.
type FSFile interface {
	io.Reader
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

// osFS is the real one.
type osFS struct{}

func (osFS) Create(path string) (io.WriteCloser, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
}

func (osFS) Append(path string) (io.WriteCloser, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

func (osFS) Open(path string) (FSFile, error) {
	f, err := os.Open(path)
	if err != nil { // an interface that holds a nil *os.File is not nil
		return nil, err
	}
	return f, nil
}

func (osFS) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }
func (osFS) MkdirAll(path string) error                 { return os.MkdirAll(path, 0o755) }
func (osFS) Rename(from, to string) error               { return os.Rename(from, to) }
func (osFS) RemoveAll(path string) error                { return os.RemoveAll(path) }

func (osFS) Sync(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	flag := os.O_RDWR // Windows syncs only what may be written
	if st.IsDir() {
		if runtime.GOOS == "windows" { // it cannot sync a folder, and need not
			return nil
		}
		flag = os.O_RDONLY
	}
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func readFile(fsys FS, path string) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, st.Size())
	_, err = io.ReadFull(f, b)
	return b, err
}

// writeFileSync writes a small file so that it is either the old or the new
// one after a crash: temporary name, sync, rename, sync of the folder.
func writeFileSync(fsys FS, path string, data []byte) error {
	tmp := path + ".tmp"
	if err := writeFile(fsys, tmp, data); err != nil {
		return errors.Join(err, fsys.RemoveAll(tmp))
	}
	if err := fsys.Sync(tmp); err != nil {
		return errors.Join(err, fsys.RemoveAll(tmp))
	}
	if err := fsys.Rename(tmp, path); err != nil {
		return errors.Join(err, fsys.RemoveAll(tmp))
	}
	return fsys.Sync(filepath.Dir(path))
}

func writeFile(fsys FS, path string, data []byte) error {
	f, err := fsys.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// makeFolder makes dir, which is below root, and root, so that they outlast a
// power cut, also where a run before made them and was killed.
func makeFolder(fsys FS, root, dir string) error {
	var parents []string
	for p := root; ; p = filepath.Dir(p) {
		if _, err := fsys.ReadDir(p); err == nil || p == filepath.Dir(p) {
			break
		}
		parents = append(parents, filepath.Dir(p))
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	for p := dir; p != root; p = filepath.Dir(p) {
		parents = append(parents, filepath.Dir(p))
	}
	for _, p := range parents {
		if err := fsys.Sync(p); err != nil {
			return err
		}
	}
	return nil
}

// sealFiles syncs every file and folder below dir, and lists the files with
// their checksums.
func sealFiles(fsys FS, dir, prefix string) ([]File, error) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, e := range entries {
		path, name := filepath.Join(dir, e.Name()), prefix+e.Name()
		if e.IsDir() {
			below, err := sealFiles(fsys, path, name+"/")
			if err != nil {
				return nil, err
			}
			files = append(files, below...)
			continue
		}
		if err := fsys.Sync(path); err != nil {
			return nil, fmt.Errorf("sync %s: %w", path, err)
		}
		f, err := checksumFile(fsys, path)
		if err != nil {
			return nil, err
		}
		f.Name = name
		files = append(files, f)
	}
	sort.Slice(files, func(i, j int) bool { return files[i].Name < files[j].Name })
	return files, fsys.Sync(dir)
}

func checksumFile(fsys FS, path string) (File, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	return checksum(f)
}

// checksum reads a file from its beginning to its end.
func checksum(f FSFile) (File, error) {
	st, err := f.Stat()
	if err != nil {
		return File{}, err
	}
	b := make([]byte, min(st.Size()+1, 1<<18))
	var out File
	for {
		n, err := f.ReadAt(b, out.Size)
		out.CRC = crc32.Update(out.CRC, castagnoli, b[:n])
		out.Size += int64(n)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return File{}, err
		}
	}
}

// bufFile is a file that is written through a buffer.
type bufFile struct {
	f io.WriteCloser
	*bufio.Writer
}

func createBuf(fsys FS, path string) (*bufFile, error) {
	f, err := fsys.Create(path)
	if err != nil {
		return nil, err
	}
	return &bufFile{f, bufio.NewWriterSize(f, 1<<16)}, nil
}

func (b *bufFile) close() error {
	if b == nil {
		return nil
	}
	return errors.Join(b.Flush(), b.f.Close())
}
