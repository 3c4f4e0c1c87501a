package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
)

// Options say where an index lives and what it works with.
type Options struct {
	Dir      string // the data folder; collections are below Dir/collections
	Embedder Embedder
	Splitter Splitter // may be nil where nothing is built
	// Vector is the engine that new generations are built with;
	// VectorByName opens those that were built with another one.
	Vector       VectorEngine
	VectorByName func(name string) (VectorEngine, error)
	Keyword      KeywordEngine
}

// Index is a data folder with its collections; safe for concurrent use. It
// follows what is published: a search sees the generation that is current
// when it begins.
type Index struct {
	opts Options

	mu   sync.Mutex
	open map[string]*snapshot // by collection
}

// ErrNotFound says that a collection does not exist (nothing was ever
// published under that name).
var ErrNotFound = errors.New("collection not found")

var (
	collectionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	generationName = regexp.MustCompile(`^gen-[0-9]{6,}$`)
)

// Open prepares the index below opts.Dir. It reads nothing yet, so the folder
// need not exist.
func Open(opts Options) *Index {
	return &Index{opts: opts, open: map[string]*snapshot{}}
}

// Close lets go of all opened generations. Searches that still run finish on
// theirs.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	var err error
	for name, s := range x.open {
		err = errors.Join(err, s.release())
		delete(x.open, name)
	}
	return err
}

// CollectionInfo is a published collection.
type CollectionInfo struct {
	Name     string
	Manifest Manifest
}

// Collections lists the published collections by name. The error names those
// that cannot be read; the others are listed all the same.
func (x *Index) Collections() ([]CollectionInfo, error) {
	root := filepath.Join(x.opts.Dir, "collections")
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list collections: %w", err)
	}
	var out []CollectionInfo
	var damaged []error
	for _, e := range entries {
		if !e.IsDir() || !collectionName.MatchString(e.Name()) {
			continue
		}
		dir := filepath.Join(root, e.Name())
		gen, err := readCurrent(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a first run that has not committed
		}
		var m Manifest
		if err == nil {
			m, err = readManifest(filepath.Join(dir, gen))
		}
		if err != nil {
			damaged = append(damaged, err)
			continue
		}
		out = append(out, CollectionInfo{Name: e.Name(), Manifest: m})
	}
	return out, errors.Join(damaged...)
}

// dir is the folder of a collection. The name goes into a path, so it is
// checked here, once, for everybody.
func (x *Index) dir(collection string) (string, error) {
	if !collectionName.MatchString(collection) {
		return "", fmt.Errorf("collection %q: a name is 1 to 64 letters, digits, '.', '_' or '-' and begins with a letter or digit", collection)
	}
	return filepath.Join(x.opts.Dir, "collections", collection), nil
}

func notFound(collection string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("collection %q: %w", collection, ErrNotFound)
	}
	return fmt.Errorf("open collection %q: %w", collection, err)
}

// snapshot returns the current generation of a collection with a reference
// taken for the caller.
func (x *Index) snapshot(collection string) (*snapshot, error) {
	dir, err := x.dir(collection)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	// A writer may replace the generation, and remove the old one, between
	// the reading of its name and its opening; then the name has changed, and
	// what did open may lack a leg.
	for {
		name, err := readCurrent(dir)
		if err != nil {
			return nil, notFound(collection, err)
		}
		s, err := x.openNamed(collection, dir, name)
		if err == nil && s.vectorErr == nil && s.keywordErr == nil {
			return s, nil
		}
		again, errAgain := readCurrent(dir)
		replaced := errAgain == nil && again != name
		switch {
		case replaced && err == nil:
			_ = s.release() // a generation that is gone: nobody needs its error
			continue
		case replaced:
			continue
		case err == nil:
			return s, nil
		}
		return nil, fmt.Errorf("open collection %q: %w", collection, err)
	}
}

func (x *Index) openNamed(collection, dir, name string) (*snapshot, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	old := x.open[collection]
	if old != nil && old.name == name && old.acquire() {
		return old, nil
	}
	s, err := openSnapshot(dir, name, engines{x.opts.VectorByName, x.opts.Keyword})
	if err != nil {
		return nil, err
	}
	x.open[collection] = s
	s.refs.Add(1)
	if old != nil {
		err = old.release()
	}
	return s, err
}

// Exists returns nil if a collection is published and ErrNotFound if not.
func (x *Index) Exists(_ context.Context, collection string) error {
	dir, err := x.dir(collection)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if _, err := os.Stat(filepath.Join(dir, currentFile)); err != nil {
		return notFound(collection, err)
	}
	return nil
}
