package index

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// The folder of a collection:
//
//	current             the name of the published generation
//	gen-000007/         manifest.json, and deleted.bin if anything is deleted
//	gen-000006/         the one before, for when that one is damaged
//	segments/seg-000007-0/   what one run added; never changed
//	embedded-*.cache    vectors of a run that was not published
//	lock                held by the run that writes
const (
	manifestFile   = "manifest.json"
	deletedFile    = "deleted.bin"
	currentFile    = "current"
	segmentsFolder = "segments"
)

var (
	generationName = regexp.MustCompile(`^gen-[0-9]{6,18}$`)
	segmentName    = regexp.MustCompile(`^seg-[0-9]{6,18}-[0-9]{1,9}$`)
)

func generationDir(n int) string { return fmt.Sprintf("gen-%06d", n) }

func segmentDir(generation, n int) string { return fmt.Sprintf("seg-%06d-%d", generation, n) }

// folder is a collection's folder.
type folder struct {
	fs  FS
	dir string
}

func (f folder) path(parts ...string) string {
	return filepath.Join(append([]string{f.dir}, parts...)...)
}

// segment is the path of a segment of the named generation.
func (f folder) segment(generation, segment string) string {
	if segment == "" { // of format 1
		return f.path(generation)
	}
	return f.path(segmentsFolder, segment)
}

// pointer is what "current" says: the published generation, and when it was
// said, so that a collection that was removed and made anew is told apart.
type pointer struct {
	name string
	time int64
}

// current reads which generation is published; fs.ErrNotExist if none ever was.
func (f folder) current() (pointer, error) {
	path := f.path(currentFile)
	file, err := f.fs.Open(path)
	if err != nil {
		return pointer{}, err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return pointer{}, err
	}
	b := make([]byte, min(st.Size(), 64))
	if _, err := file.ReadAt(b, 0); err != nil {
		return pointer{}, fmt.Errorf("read %s: %w", path, err)
	}
	name := string(b)
	if !generationName.MatchString(name) {
		return pointer{}, fmt.Errorf("read %s: %q names no generation: restore the file or index again", path, name)
	}
	return pointer{name, st.ModTime().UnixNano()}, nil
}

// generations lists the generations that were finished, published or not, the
// latest first.
func (f folder) generations() ([]string, error) {
	entries, err := f.fs.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !generationName.MatchString(e.Name()) {
			continue
		}
		file, err := f.fs.Open(f.path(e.Name(), manifestFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		file.Close()
		names = append(names, e.Name())
	}
	slices.SortFunc(names, func(a, b string) int { return -compareGenerations(a, b) })
	return names, nil
}

// compareGenerations orders names as numbers: the digits are at least six.
func compareGenerations(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// older lists the finished generations before the named one, the latest first.
func (f folder) older(name string) ([]string, error) {
	names, err := f.generations()
	return slices.DeleteFunc(names, func(n string) bool { return compareGenerations(n, name) >= 0 }), err
}

// sweep removes what the generations to keep do not need: other generations,
// among them what runs that were killed have left, and segments. Searches on a
// removed one have its files open and finish.
func (f folder) sweep(keep ...string) error {
	needed := map[string]bool{}
	readable := true
	for _, name := range keep {
		m, err := f.manifest(name)
		readable = readable && err == nil
		for _, s := range m.Segments {
			needed[s.Name] = true
		}
	}
	err := f.remove(f.dir, func(name string) bool { return strings.HasPrefix(name, "gen-") && !slices.Contains(keep, name) })
	if err != nil || !readable { // a manifest that cannot be read may name any segment
		return err
	}
	return f.remove(f.path(segmentsFolder), func(name string) bool { return !needed[name] })
}

// remove removes the folders in dir that are wanted to go.
func (f folder) remove(dir string, gone func(name string) bool) error {
	entries, err := f.fs.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list generations: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && gone(e.Name()) {
			if err := f.fs.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("remove old generation: %w", err)
			}
		}
	}
	return nil
}
