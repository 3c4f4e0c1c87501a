package load

import (
	"context"
	"io"
	"io/fs"
	"os"
)

// Size is how many bytes a Load of a source would read of files; false where
// that cannot be known before, as for a URL. It lists a folder as Load would and
// reads no file but .gitignore.
func Size(ctx context.Context, source string, opts Options) (bytes int64, known bool) {
	loader, err := Open(source, opts)
	if err != nil {
		return 0, true // it will not be read
	}
	switch l := loader.(type) {
	case *folder:
		return l.size(ctx), true
	case *file:
		info, err := os.Stat(source)
		return sizeOf(info, err), err == nil && info.Mode().IsRegular()
	}
	return 0, false
}

func sizeOf(info fs.FileInfo, err error) int64 {
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

func (f *folder) size(ctx context.Context) (bytes int64) {
	root, err := os.OpenRoot(f.source)
	if err != nil {
		return 0
	}
	defer root.Close()
	w := walk{folder: f, opts: f.opts, ctx: ctx, root: root, ignores: f.ignoresAbove()}
	// What cannot be read counts nothing; Load tells of it.
	_ = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return fs.SkipAll
		case err != nil:
		case w.reason(name, entry) != "":
			if entry.IsDir() {
				return fs.SkipDir
			}
		case entry.IsDir():
			_ = w.readIgnore(name)
		default:
			bytes += sizeOf(root.Stat(name))
		}
		return nil
	})
	return bytes
}

// followed tells of what is read of a file and, when it is closed, of what was
// not, so that all files together give their whole size.
type followed struct {
	io.ReadCloser
	left int64
	told func(bytes int64)
}

// follow wraps a file; told may be nil.
func follow(body io.ReadCloser, told func(bytes int64)) io.ReadCloser {
	f, ok := body.(fs.File)
	if !ok || told == nil {
		return body
	}
	return &followed{body, sizeOf(f.Stat()), told}
}

func (c *followed) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.tell(int64(n))
	return n, err
}

func (c *followed) Close() error {
	c.tell(c.left)
	return c.ReadCloser.Close()
}

func (c *followed) tell(n int64) {
	if n = min(n, c.left); n > 0 {
		c.left -= n
		c.told(n)
	}
}
