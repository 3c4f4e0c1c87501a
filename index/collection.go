package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"sync"
	"time"
)

// Options say where an index lives and what it works with.
type Options struct {
	Dir      string // the data folder; collections are below Dir/collections
	Embedder Embedder
	Splitter Splitter // may be nil where nothing is built
	// Vector is the engine that new segments are built with; VectorByName
	// opens those that were built with another one.
	Vector       VectorEngine
	VectorByName func(name string) (VectorEngine, error)
	// Keyword is the engine that new collections are made with. A collection
	// keeps the one it was made with if KeywordByName, which may be nil, knows
	// it; see also BuildOptions.Keyword.
	Keyword       KeywordEngine
	KeywordByName func(name string) (KeywordEngine, error)
	// Damaged is told when a damaged generation is passed over for the older,
	// whole one that stands in: once for each. It may be nil, and must not call
	// the index.
	Damaged func(collection string, err error)
	FS      FS // nil means the operating system's
}

// Index is a data folder with its collections; safe for concurrent use. It
// follows what is published: a search sees the generation that is current
// when it begins.
type Index struct {
	opts Options

	began time.Time

	mu   sync.Mutex
	open map[string]*opened // by collection
}

// ErrNotFound says that a collection does not exist (nothing was ever
// published under that name).
var ErrNotFound = errors.New("collection not found")

var collectionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Open prepares the index below opts.Dir. It reads nothing yet, so the folder
// need not exist.
func Open(opts Options) *Index {
	if opts.FS == nil {
		opts.FS = osFS{}
	}
	return &Index{opts: opts, began: time.Now(), open: map[string]*opened{}}
}

// Close lets go of all opened generations. Searches that still run finish on
// theirs.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	var err error
	for name, o := range x.open {
		if o.s != nil {
			err = errors.Join(err, o.s.release())
		}
		delete(x.open, name)
	}
	return err
}

// SplitterName names the splitter that documents are cut with; "" without one.
func (x *Index) SplitterName() string {
	if x.opts.Splitter == nil {
		return ""
	}
	return x.opts.Splitter.Name()
}

// CollectionInfo is a published collection.
type CollectionInfo struct {
	Name     string
	Manifest Manifest
}

// Collections lists the published collections by name. The error names those
// that cannot be read; the others are listed all the same, as are the damaged
// ones that an older generation stands in for.
func (x *Index) Collections() ([]CollectionInfo, error) {
	names, err := x.Names()
	if err != nil {
		return nil, err
	}
	var out []CollectionInfo
	var damaged []error
	for _, name := range names {
		home := folder{x.opts.FS, filepath.Join(x.opts.Dir, "collections", name)}
		now, err := home.current()
		if err != nil {
			damaged = append(damaged, err)
			continue
		}
		m, err := home.manifest(now.name)
		if err != nil {
			damaged = append(damaged, err)
			if m, err = home.olderManifest(now.name); err != nil {
				continue
			}
		}
		out = append(out, CollectionInfo{Name: name, Manifest: m})
	}
	return out, errors.Join(damaged...)
}

// Names lists the published collections by name, also those that are damaged.
func (x *Index) Names() ([]string, error) {
	root := filepath.Join(x.opts.Dir, "collections")
	entries, err := x.opts.FS.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list collections: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() || !collectionName.MatchString(e.Name()) {
			continue
		}
		f, err := x.opts.FS.Open(filepath.Join(root, e.Name(), currentFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a first run that has not committed
		}
		if err == nil {
			f.Close() // only looked for
		}
		names = append(names, e.Name())
	}
	return names, nil
}

// olderManifest reads the manifest of the latest generation before name that
// has a whole one.
func (f folder) olderManifest(name string) (Manifest, error) {
	names, err := f.older(name)
	for _, n := range names {
		m, readErr := f.manifest(n)
		if readErr == nil {
			return m, nil
		}
		err = errors.Join(err, readErr)
	}
	return Manifest{}, cmp.Or(err, fs.ErrNotExist)
}

// CheckName says what is wrong with the name of a collection, nil if nothing
// is; whether there is one of that name is another question.
func CheckName(collection string) error {
	if !collectionName.MatchString(collection) {
		return fmt.Errorf("collection %q: a name is 1 to 64 letters, digits, '.', '_' or '-' and begins with a letter or digit", collection)
	}
	return nil
}

// home is the folder of a collection. The name goes into a path, so it is
// checked here, once, for everybody.
func (x *Index) home(collection string) (folder, error) {
	if err := CheckName(collection); err != nil {
		return folder{}, err
	}
	return folder{x.opts.FS, filepath.Join(x.opts.Dir, "collections", collection)}, nil
}

func notFound(collection string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("collection %q: %w", collection, ErrNotFound)
	}
	return fmt.Errorf("open collection %q: %w", collection, err)
}

// engines open what a manifest names.
func (x *Index) engines() engines { return engines{x.opts.VectorByName, x.keywordByName} }

// keywordByName is the engine of that name; where only one is known, that one,
// whose Open says what is wrong.
func (x *Index) keywordByName(name string) (KeywordEngine, error) {
	if x.opts.KeywordByName == nil || x.opts.Keyword != nil && x.opts.Keyword.Name() == name {
		return x.opts.Keyword, nil
	}
	return x.opts.KeywordByName(name)
}

// Exists returns nil if a collection is published and ErrNotFound if not.
func (x *Index) Exists(_ context.Context, collection string) error {
	home, err := x.home(collection)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	f, err := home.fs.Open(home.path(currentFile))
	if err != nil {
		return notFound(collection, err)
	}
	return f.Close()
}
