package index_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// moodyFS refuses to open the files whose path ends in name for some times, or
// holds them up.
type moodyFS struct {
	index.FS
	name string

	mu     sync.Mutex
	err    error
	times  int
	hold   chan struct{}
	opened int
}

func (f *moodyFS) Open(path string) (index.FSFile, error) {
	f.mu.Lock()
	if !strings.HasSuffix(path, f.name) {
		f.mu.Unlock()
		return f.FS.Open(path)
	}
	f.opened++
	hold, err := f.hold, error(nil)
	if f.times > 0 {
		f.times--
		err = &fs.PathError{Op: "open", Path: path, Err: f.err}
	}
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if err != nil {
		return nil, err
	}
	return f.FS.Open(path)
}

func (f *moodyFS) tries() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.opened
}

// moody is an index of one document whose files are opened through fs.
func moody(t *testing.T, fs *moodyFS) *index.Index {
	t.Helper()
	disk := newFaultFS(t)
	if err := os.MkdirAll(filepath.Join(disk.root, "collections", "c"), 0o700); err != nil { // for the lock
		t.Fatal(err)
	}
	writer := newInMemory(disk)
	ingest(t, writer, "src", doc("a", "a fox"))
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	fs.FS = disk
	return index.Open(index.Options{
		Dir: disk.root, FS: fs, Embedder: newEmbedder(), Splitter: wholeText{}, Keyword: words{disk}, Vector: cosines{disk},
		VectorByName: func(string) (index.VectorEngine, error) { return cosines{disk}, nil },
	})
}

// TestTransientOpenErrorIsTriedAgain: what did not open once, because there
// were too many files open or the disk hiccupped, is opened a little later, and
// not with every question.
func TestTransientOpenErrorIsTriedAgain(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		err        error
		keyword    bool // the keyword leg answers all the same
	}{
		{"too many files, vectors", "vectors.f32", syscall.EMFILE, true},
		{"disk error, vectors", "vectors.f32", syscall.EIO, true},
		{"disk error, index of chunks", "chunks.idx", syscall.EIO, false},
		{"too many files, manifest", "manifest.json", syscall.EMFILE, false},
		{"missing for a moment, vectors", "vectors.f32", syscall.ENOENT, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := &moodyFS{name: tt.file, err: tt.err, times: 2}
				x := moody(t, disk)
				defer x.Close()
				for range 20 { // at one moment
					legs := ask(t, x, "fox")
					if !errors.Is(legs.Vector.Err, tt.err) || errors.Is(legs.Keyword.Err, tt.err) == tt.keyword {
						t.Fatalf("got errors %v, %v, want %v", legs.Vector.Err, legs.Keyword.Err, tt.err)
					}
				}
				if n := disk.tries(); n > 2 {
					t.Errorf("the file was opened %d times for 20 searches, want no more than twice", n)
				}
				time.Sleep(5 * time.Second)
				ask(t, x, "fox") // may be the second that fails
				time.Sleep(5 * time.Second)
				holds(t, x, "a")
			})
		})
	}
}

// TestDeadFileIsNotOpenedAllTheTime counts what an hour of searches costs where
// a file stays away.
func TestDeadFileIsNotOpenedAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &moodyFS{name: "vectors.f32", err: syscall.EIO, times: 1 << 30}
		x := moody(t, disk)
		defer x.Close()
		for range 3600 {
			ask(t, x, "fox")
			time.Sleep(time.Second)
		}
		if n := disk.tries(); n < 60 || n > 400 {
			t.Errorf("the file was opened %d times in an hour, want every half minute or so", n)
		}
	})
}

// TestSlowOpen: a disk that hangs holds up no search beyond its deadline, and
// no other collection; it is asked once.
func TestSlowOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		disk := &moodyFS{name: "chunks.idx", hold: hold}
		x := moody(t, disk)
		defer x.Close()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				legs, err := x.Search(ctx, index.Query{Text: "fox", Collection: "c", Depth: 1})
				if err != nil || !errors.Is(legs.Vector.Err, context.DeadlineExceeded) || !errors.Is(legs.Keyword.Err, context.DeadlineExceeded) || !errors.Is(legs.Vector.Err, index.ErrOpen) {
					t.Errorf("got %v, %v, %v, want both legs past their deadline", legs.Vector.Err, legs.Keyword.Err, err)
				}
			})
		}
		wg.Wait()
		if _, err := x.Search(t.Context(), index.Query{Text: "fox", Collection: "other", Depth: 1}); !errors.Is(err, index.ErrNotFound) {
			t.Errorf("another collection: got %v, want index.ErrNotFound", err)
		}
		if n := disk.tries(); n != 1 {
			t.Errorf("the file was opened %d times, want once", n)
		}
		close(hold)
		holds(t, x, "a")
	})
}

// TestCloseWhileOpening: what opens too late is closed again.
func TestCloseWhileOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		x := moody(t, &moodyFS{name: "chunks.idx", hold: hold})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if legs, err := x.Search(ctx, index.Query{Text: "fox", Collection: "c", Depth: 1}); err != nil || legs.Vector.Err == nil {
			t.Errorf("got %v, %v, want a failed leg", legs.Vector.Err, err)
		}
		if err := x.Close(); err != nil {
			t.Error(err)
		}
		close(hold)
		synctest.Wait()
		holds(t, x, "a")
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
}

// hangingKeyword opens searchers that do not look at their context.
type hangingKeyword struct {
	index.KeywordEngine
	hold chan struct{}
}

func (e hangingKeyword) Open([]string) (index.KeywordSearcher, error) {
	return hangingSearcher{e.hold}, nil
}

type hangingSearcher struct{ hold chan struct{} }

func (s hangingSearcher) Search(context.Context, string, int, index.Allow) ([]index.Match, error) {
	<-s.hold
	return nil, nil
}
func (hangingSearcher) Close() error { return nil }

// TestHangingLeg: the other leg's answer is there a moment after the deadline.
func TestHangingLeg(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, hold := t.TempDir(), make(chan struct{})
		x := open(t, dir, newEmbedder(), func(o *index.Options) { o.Keyword = hangingKeyword{o.Keyword, hold} })
		ingest(t, x, "src", doc("a", "a fox"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		legs, err := x.Search(ctx, index.Query{Text: "fox", Collection: "c", Depth: 1})
		if err != nil || !errors.Is(legs.Keyword.Err, context.DeadlineExceeded) || len(ids(t, legs.Vector)) != 1 {
			t.Errorf("got %+v, %v, want the vector leg's hit and a keyword leg past its deadline", legs, err)
		}
		close(hold)
	})
}
