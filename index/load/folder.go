package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/ragproxy/ragproxy/index"
)

// maxIgnoreBytes is how much of a .gitignore file is read.
const maxIgnoreBytes = 1 << 20

// folder loads the files below a folder, in the order of their names. It
// takes the extensions in the table and names known for text, leaves out what starts with a dot and
// what .gitignore files exclude (those below the folder, and those above it
// up to the root of its repository), and never leaves the folder: a symbolic
// link to a file inside of it is read, any other is passed over.
type folder struct {
	source string // as given
	name   string // what the ids begin with
	opts   Options
}

func newFolder(source string, opts Options) (*folder, error) {
	absolute, err := filepath.Abs(source)
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	return &folder{source: source, name: filepath.Base(absolute), opts: opts}, nil
}

func (f *folder) Load(ctx context.Context) iter.Seq2[index.Document, error] {
	return func(yield func(index.Document, error) bool) {
		opts, end := f.opts.begin(ctx)
		defer end()
		root, err := os.OpenRoot(f.source)
		if err != nil {
			in := f.input(".")
			yield(in.document(), in.failed(err))
			return
		}
		defer root.Close()
		w := walk{folder: f, opts: opts, ctx: ctx, root: root, ignores: f.ignoresAbove(), yield: yield}
		// Every error is yielded where it comes up.
		_ = fs.WalkDir(root.FS(), ".", w.visit)
	}
}

// input is a file of the folder by its path below it, without its body.
func (f *folder) input(name string) input {
	return input{
		id:   path.Join(f.name, name),
		url:  filepath.ToSlash(filepath.Join(f.source, filepath.FromSlash(name))),
		name: path.Base(name),
	}
}

// walk is one walk over a folder.
type walk struct {
	*folder
	opts    Options // of this Load
	ctx     context.Context
	root    *os.Root
	ignores ignores
	yield   func(index.Document, error) bool
}

// visit is called for every file and folder; name is slashed.
func (w *walk) visit(name string, entry fs.DirEntry, err error) error {
	in := w.input(name)
	if err == nil {
		err = w.ctx.Err()
	}
	if err != nil {
		if !w.yield(in.document(), in.failed(err)) || w.ctx.Err() != nil {
			return fs.SkipAll
		}
		return nil
	}
	if reason := w.reason(name, entry); reason != "" {
		w.opts.Skipped(in.url, reason)
		if entry.IsDir() {
			return fs.SkipDir
		}
		return nil
	}
	if entry.IsDir() {
		if err := w.readIgnore(name); err != nil && !w.yield(in.document(), in.failed(err)) {
			return fs.SkipAll
		}
		return nil
	}
	if !utf8.ValidString(name) {
		in.id, in.url = clean(in.id), clean(in.url)
		if !w.yield(in.document(), in.failed(errors.New("the file's name is not valid UTF-8"))) {
			return fs.SkipAll
		}
		return nil
	}
	if !w.load(in, name) {
		return fs.SkipAll
	}
	return nil
}

// reason is why an entry is passed over; "" if it is not.
func (w *walk) reason(name string, entry fs.DirEntry) string {
	if name == "." {
		return ""
	}
	if strings.HasPrefix(entry.Name(), ".") {
		return "hidden"
	}
	if w.ignores.match(name, entry.IsDir()) {
		return "ignored by .gitignore"
	}
	if entry.IsDir() {
		return ""
	}
	return w.fileReason(name, entry)
}

func (w *walk) fileReason(name string, entry fs.DirEntry) string {
	info, err := entry.Info()
	if entry.Type()&fs.ModeSymlink != 0 {
		if info, err = w.root.Stat(name); err != nil {
			return "symbolic link out of the folder, or to nothing"
		}
		if info.IsDir() {
			return "symbolic link to a folder"
		}
	}
	if _, ok := formatOfFile(name); !ok {
		if extension := path.Ext(name); extension != "" {
			return "no loader for " + extension
		}
		return "no loader for a file without extension"
	}
	switch {
	case err != nil: // gone: reading it tells
		return ""
	case !info.Mode().IsRegular():
		return "not a regular file"
	case info.Size() == 0:
		return "empty"
	}
	return ""
}

// load yields a file's documents and says whether to go on.
func (w *walk) load(in input, name string) bool {
	f, _ := formatOfFile(name)
	body, err := w.root.Open(name)
	if err != nil {
		return w.yield(in.document(), in.failed(err))
	}
	in.body = follow(body, w.opts.Read)
	defer in.body.(io.Closer).Close()
	blank, more := drain(w.ctx, f, in, w.opts, w.yield)
	if blank != nil {
		w.opts.Skipped(in.url, blank.Error())
	}
	return more
}

// readIgnore reads the .gitignore of a folder of the walk, if it has one; as
// for git, a symbolic link is none.
func (w *walk) readIgnore(folder string) error {
	name := path.Join(folder, ".gitignore")
	if info, err := w.root.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	file, err := w.root.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxIgnoreBytes))
	if err != nil {
		return err
	}
	if folder == "." {
		folder = ""
	}
	w.ignores = append(w.ignores, parseIgnore(string(text), folder, ""))
	return nil
}

// ignoresAbove reads the .gitignore files of the folders above the source,
// from the root of its repository down. Outside of a repository there are
// none, and one that cannot be read counts as none: it is not the user's
// source.
func (f *folder) ignoresAbove() ignores {
	absolute, err := filepath.Abs(f.source)
	if err != nil {
		return nil
	}
	var above ignores
	for below := ""; ; {
		if _, err := os.Lstat(filepath.Join(absolute, ".git")); err == nil {
			return above
		}
		parent := filepath.Dir(absolute)
		if parent == absolute {
			return nil
		}
		below = path.Join(filepath.Base(absolute), below)
		absolute = parent
		name := filepath.Join(absolute, ".gitignore")
		if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() || info.Size() > maxIgnoreBytes {
			continue
		}
		if text, err := os.ReadFile(name); err == nil {
			above = append(ignores{parseIgnore(string(text), "", below)}, above...)
		}
	}
}
