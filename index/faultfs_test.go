package index_test

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// faultFS is a disk in memory that fails, and that forgets at a power cut what
// was not synced. Each folder has two lists of names: live is what programs
// see, durable what the disk has. Safe for concurrent use.
type faultFS struct {
	root string // a real folder, for the lock only

	mu     sync.Mutex
	tree   *inode
	clock  int64
	ops    []string // what was done
	failAt int      // the operation that fails, from 0; -1 for none
	fault  fault
}

// fault is how operations fail.
type fault struct {
	err  error
	last bool // from then on everything fails: the disk is full, or gone
}

var (
	eio    = fault{err: syscall.EIO}
	enospc = fault{err: syscall.ENOSPC, last: true}
)

type inode struct {
	dir           bool
	live, durable map[string]*inode // of a folder
	data, synced  []byte            // of a file; synced are its bytes when it was synced last
	time          int64
}

func newInode(dir bool) *inode {
	return &inode{dir: dir, live: map[string]*inode{}, durable: map[string]*inode{}}
}

// newFaultFS makes an empty disk.
func newFaultFS(t testing.TB) *faultFS {
	return &faultFS{root: t.TempDir(), tree: newInode(true), failAt: -1}
}

// copied is a sound disk with all that programs see, or with what is there
// after a power cut: with the names that were synced, or with all names, as a
// disk may or may not have written those; of the bytes only those synced.
func (f *faultFS) copied(what string) *faultFS {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &faultFS{root: f.root, tree: f.tree.copied(what), clock: f.clock, failAt: -1}
}

const (
	asItIs      = "as it is"
	syncedNames = "after a power cut, with the names that were synced"
	allNames    = "after a power cut, with all names"
)

func (n *inode) copied(what string) *inode {
	to := newInode(n.dir)
	to.time, to.data = n.time, n.synced
	if what == asItIs {
		to.data = n.data
	}
	to.synced = to.data
	names := n.live
	if what == syncedNames {
		names = n.durable
	}
	for name, child := range names {
		to.live[name] = child.copied(what)
	}
	to.durable = maps.Clone(to.live)
	return to
}

// find gives the inode of a path, nil if there is none, and its folder's.
func (f *faultFS) find(path string) (parent, n *inode, name string) {
	rel, err := filepath.Rel(f.root, path)
	if err != nil || rel == "." || strings.HasPrefix(rel, "..") {
		return newInode(true), f.tree, "" // the root, or above the disk
	}
	n = f.tree
	for part := range strings.SplitSeq(filepath.ToSlash(rel), "/") {
		if n == nil {
			return newInode(true), nil, part
		}
		parent, n, name = n, n.live[part], part
	}
	return parent, n, name
}

// step counts an operation and says whether it fails.
func (f *faultFS) step(op, path string) error {
	rel, _ := filepath.Rel(f.root, path)
	n := len(f.ops)
	f.ops = append(f.ops, op+" "+rel)
	if f.failAt >= 0 && (n == f.failAt || f.fault.last && n > f.failAt) {
		return &fs.PathError{Op: op, Path: path, Err: f.fault.err}
	}
	return nil
}

// existing is the inode of a path that must be there.
func (f *faultFS) existing(op, path string) (*inode, error) {
	if err := f.step(op, path); err != nil {
		return nil, err
	}
	_, n, _ := f.find(path)
	if n == nil {
		return nil, &fs.PathError{Op: op, Path: path, Err: fs.ErrNotExist}
	}
	return n, nil
}

// put and get are for engines, which write and read outside of the FS.
func (f *faultFS) put(path string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	parent, _, name := f.find(path)
	n := newInode(false)
	n.data = data
	parent.live[name] = n
}

func (f *faultFS) get(path string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, n, _ := f.find(path)
	if n == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return slices.Clone(n.data), nil
}

func (f *faultFS) open(op, path string, truncate bool) (io.WriteCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.step(op, path); err != nil {
		return nil, err
	}
	parent, n, name := f.find(path)
	if n == nil {
		n = newInode(false)
		parent.live[name] = n
	}
	if truncate {
		n.data = nil
	}
	return faultWriter{f, path, n}, nil
}

func (f *faultFS) Create(path string) (io.WriteCloser, error) { return f.open("create", path, true) }
func (f *faultFS) Append(path string) (io.WriteCloser, error) { return f.open("append", path, false) }

type faultWriter struct {
	f    *faultFS
	path string
	n    *inode
}

// Write that fails is a short one.
func (w faultWriter) Write(b []byte) (int, error) {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	err := w.f.step("write", w.path)
	if err != nil {
		b = b[:len(b)/2]
	}
	w.n.data = append(slices.Clip(w.n.data), b...) // clipped: readers have the old slice
	w.f.clock++
	w.n.time = w.f.clock
	return len(b), err
}

func (w faultWriter) Close() error {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	return w.f.step("close", w.path)
}

func (f *faultFS) Open(path string) (index.FSFile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.existing("open", path)
	if err != nil {
		return nil, err
	}
	return &faultFile{f: f, path: path, n: n}, nil
}

type faultFile struct {
	f    *faultFS
	path string
	n    *inode
	at   int64
}

func (r *faultFile) Read(b []byte) (int, error) {
	n, err := r.ReadAt(b, r.at)
	r.at += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (r *faultFile) ReadAt(b []byte, off int64) (int, error) {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	if err := r.f.step("read", r.path); err != nil {
		return 0, err
	}
	return bytes.NewReader(r.n.data).ReadAt(b, off)
}

func (r *faultFile) Stat() (fs.FileInfo, error) {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	return faultInfo{filepath.Base(r.path), r.n}, r.f.step("stat", r.path)
}

func (r *faultFile) Close() error { return nil }

// faultInfo is a file's FileInfo and DirEntry.
type faultInfo struct {
	name string
	n    *inode
}

func (i faultInfo) Name() string               { return i.name }
func (i faultInfo) Size() int64                { return int64(len(i.n.data)) }
func (i faultInfo) ModTime() time.Time         { return time.Unix(0, i.n.time) }
func (i faultInfo) IsDir() bool                { return i.n.dir }
func (i faultInfo) Sys() any                   { return nil }
func (i faultInfo) Info() (fs.FileInfo, error) { return i, nil }
func (i faultInfo) Type() fs.FileMode          { return i.Mode().Type() }

func (i faultInfo) Mode() fs.FileMode {
	if i.n.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

func (f *faultFS) ReadDir(path string) ([]fs.DirEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.existing("list", path)
	if err != nil {
		return nil, err
	}
	var out []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(n.live)) {
		out = append(out, faultInfo{name, n.live[name]})
	}
	return out, nil
}

func (f *faultFS) MkdirAll(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.step("mkdir", path); err != nil {
		return err
	}
	rel, err := filepath.Rel(f.root, path)
	if err != nil {
		return err
	}
	n := f.tree
	for part := range strings.SplitSeq(filepath.ToSlash(rel), "/") {
		if n.live[part] == nil {
			n.live[part] = newInode(true)
		}
		n = n.live[part]
	}
	return nil
}

func (f *faultFS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.existing("rename", from)
	if err != nil {
		return err
	}
	parent, _, name := f.find(from)
	delete(parent.live, name)
	parent, _, name = f.find(to)
	parent.live[name] = n
	return nil
}

func (f *faultFS) RemoveAll(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.step("remove", path); err != nil {
		return err
	}
	parent, _, name := f.find(path)
	delete(parent.live, name)
	return nil
}

func (f *faultFS) Sync(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.existing("sync", path)
	if err != nil {
		return err
	}
	n.durable, n.synced = maps.Clone(n.live), n.data
	return nil
}
