package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a source has to be quiet before it is indexed again: an
// editor that saves by writing a new file and renaming it makes several events.
const settle = 300 * time.Millisecond

// watch runs and waits in turns until ctx ends. What goes wrong in a run is
// told, and the next change may mend it; a first run that fails altogether ends
// it.
func watch(ctx context.Context, sources []string, every time.Duration, stderr io.Writer, run func() error) error {
	w, err := newSourceWatch(sources, every, stderr)
	if err != nil {
		return err
	}
	defer w.close()
	for first := true; ; first = false {
		if err := run(); err != nil && ctx.Err() == nil && !errors.Is(err, errReported) {
			if first {
				return err
			}
			fmt.Fprintln(stderr, "error:", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		if first {
			fmt.Fprintln(stderr, "watching; interrupt to end")
		}
		if err := w.wait(ctx); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// sourceWatch waits for changes of files and folders, and for the time to look at
// URLs again.
type sourceWatch struct {
	notify *fsnotify.Watcher
	files  map[string]bool // sources that are files: of their folder only they count
	urls   bool
	every  time.Duration
	stderr io.Writer
}

// newSourceWatch begins to watch, so that no change between a run and the next
// wait is missed.
func newSourceWatch(sources []string, every time.Duration, stderr io.Writer) (*sourceWatch, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	w := &sourceWatch{notify: notify, files: map[string]bool{}, every: every, stderr: stderr}
	for _, source := range sources {
		if source == "-" {
			continue
		}
		if webAddress(source) != nil {
			w.urls = true
			continue
		}
		if err := w.add(source); err != nil {
			return nil, fmt.Errorf("watch %s: %w", source, err)
		}
	}
	return w, nil
}

func (w *sourceWatch) close() error { return w.notify.Close() }

// add watches a file by its folder - a watch of the file itself ends when it is
// replaced - and a folder with all below it.
func (w *sourceWatch) add(source string) error {
	path, err := filepath.Abs(source)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		w.files[path] = true
		return w.notify.Add(filepath.Dir(path))
	}
	return w.addFolders(path)
}

// addFolders leaves out hidden folders, which no run indexes.
func (w *sourceWatch) addFolders(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // gone meanwhile, or not ours to read: the run says so
		}
		if !d.IsDir() {
			return nil
		}
		if path != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		return w.notify.Add(path)
	})
}

// wait returns when something changed and is quiet again, or when the URLs are
// due; nil is for the end of ctx.
func (w *sourceWatch) wait(ctx context.Context) error {
	var due, quiet <-chan time.Time
	if w.urls {
		timer := time.NewTimer(w.every)
		defer timer.Stop()
		due = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-due:
			return nil
		case <-quiet:
			return nil
		case event, ok := <-w.notify.Events:
			if !ok {
				return fmt.Errorf("watch: %w", fsnotify.ErrClosed)
			}
			if w.counts(event) {
				quiet = time.After(settle)
			}
		case err, ok := <-w.notify.Errors:
			if !ok {
				return fmt.Errorf("watch: %w", fsnotify.ErrClosed)
			}
			// Events were lost, so anything may have changed.
			fmt.Fprintf(w.stderr, "watch: %v\n", err)
			quiet = time.After(settle)
		}
	}
}

// counts says whether an event may change what is indexed. A new folder is
// watched, too.
func (w *sourceWatch) counts(event fsnotify.Event) bool {
	if event.Op == fsnotify.Chmod || strings.HasPrefix(filepath.Base(event.Name), ".") && !strings.HasSuffix(event.Name, ".gitignore") {
		return false
	}
	if event.Has(fsnotify.Create) {
		if info, err := os.Stat(event.Name); err == nil && info.IsDir() {
			if err := w.addFolders(event.Name); err != nil {
				fmt.Fprintf(w.stderr, "watch %s: %v\n", event.Name, err)
			}
		}
	}
	if w.files[event.Name] || len(w.files) == 0 {
		return true
	}
	for file := range w.files {
		if filepath.Dir(file) == filepath.Dir(event.Name) {
			return false // another file beside one that is watched
		}
	}
	return true
}
