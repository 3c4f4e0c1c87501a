package index_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

// words is a keyword engine on a disk in memory: one file, and a search for a
// text that has all words of the query.
type words struct{ disk *faultFS }

func (words) Name() string { return "words" }

func (w words) Build(_ context.Context, chunks iter.Seq[index.Chunk], dir string) error {
	texts := []string{}
	for c := range chunks {
		texts = append(texts, c.Title+"\n"+c.Text)
	}
	b, err := json.Marshal(texts)
	w.disk.put(filepath.Join(dir, "words.json"), b)
	return err
}

func (w words) Open(dirs []string) (index.KeywordSearcher, error) {
	var all wordSearcher
	for _, dir := range dirs {
		b, err := w.disk.get(filepath.Join(dir, "words.json"))
		if err != nil {
			return nil, err
		}
		var texts []string
		if err := json.Unmarshal(b, &texts); err != nil {
			return nil, err
		}
		all = append(all, texts...)
	}
	return all, nil
}

type wordSearcher []string

func (s wordSearcher) Close() error { return nil }

func (s wordSearcher) Search(_ context.Context, query string, k int, allow index.Allow) ([]index.Match, error) {
	var found []index.Match
	for row, text := range s {
		lacks := func(word string) bool { return !strings.Contains(text, word) }
		if len(found) < k && (allow == nil || allow(row)) && !slices.ContainsFunc(strings.Fields(query), lacks) {
			found = append(found, index.Match{Row: row, Score: 1})
		}
	}
	return found, nil
}

// cosines is a vector engine on a disk in memory.
type cosines struct{ disk *faultFS }

func (cosines) Name() string { return "cosines" }

func (c cosines) Build(_ context.Context, m index.Matrix, dir string) error {
	c.disk.put(filepath.Join(dir, "rows"), fmt.Append(nil, m.Rows()))
	return nil
}

func (c cosines) Open(m index.Matrix, dir string) (index.VectorSearcher, error) {
	b, err := c.disk.get(filepath.Join(dir, "rows"))
	if err == nil && string(b) != fmt.Sprint(m.Rows()) {
		err = fmt.Errorf("got %q rows, want %d", b, m.Rows())
	}
	return cosineSearcher(m), err
}

type cosineSearcher index.Matrix

func (cosineSearcher) Close() error { return nil }

func (s cosineSearcher) Search(_ context.Context, query []float32, k int, allow index.Allow) ([]index.Match, error) {
	m := index.Matrix(s)
	var found []index.Match
	for row := range m.Rows() {
		if allow != nil && !allow(row) {
			continue
		}
		match := index.Match{Row: row}
		for i, x := range m.Row(row) {
			match.Score += float64(x) * float64(query[i])
		}
		found = append(found, match)
	}
	slices.SortStableFunc(found, func(a, b index.Match) int { return cmp.Compare(b.Score, a.Score) })
	return found[:min(k, len(found))], nil
}

// inMemory opens an index on a disk in memory.
func inMemory(t testing.TB, disk *faultFS) *index.Index {
	x := newInMemory(disk)
	t.Cleanup(func() { x.Close() })
	return x
}

func newInMemory(disk *faultFS) *index.Index {
	return index.Open(index.Options{
		Dir: disk.root, FS: disk, Embedder: newEmbedder(), Splitter: wholeText{}, Keyword: words{disk}, Vector: cosines{disk},
		VectorByName: func(string) (index.VectorEngine, error) { return cosines{disk}, nil },
	})
}

// stateOf opens a disk, and closes it.
func stateOf(disk *faultFS) (string, error) {
	x := newInMemory(disk)
	defer x.Close()
	return state(x)
}

type wholeText struct{}

func (wholeText) Name() string                    { return "whole" }
func (wholeText) Split(text string) []index.Piece { return []index.Piece{{Text: text, End: len(text)}} }

// state is every document with its text, as both legs and the files have it;
// an error where they are not whole or not at one.
func state(x *index.Index) (string, error) {
	ctx := context.Background()
	if x.Exists(ctx, "c") != nil {
		return "nothing", nil
	}
	legs, err := x.Search(ctx, index.Query{Text: "fox", Collection: "c", Depth: 1000})
	if err != nil {
		return "", err
	}
	var both []string
	for _, leg := range []*index.Leg{&legs.Vector, &legs.Keyword} {
		load(leg)
		if leg.Err != nil {
			return "", leg.Err
		}
		var docs []string
		for _, h := range leg.Hits {
			docs = append(docs, h.Chunk.DocumentID+"="+h.Chunk.Text)
		}
		slices.Sort(docs)
		both = append(both, strings.Join(docs, ", "))
	}
	if both[0] != both[1] {
		return "", fmt.Errorf("the legs differ: %s and %s", both[0], both[1])
	}
	return both[0], x.Verify("c")
}

// change is what a test does to a collection, from one state to another.
type change struct {
	name   string
	before func(t testing.TB, x *index.Index)
	run    func(x *index.Index) error
}

func runOnce(x *index.Index, opts index.BuildOptions, prune string, docs ...index.Document) error {
	opts.Collection = "c"
	b, err := x.Build(context.Background(), opts)
	if err != nil {
		return err
	}
	for _, d := range docs {
		if _, err := b.Add(context.Background(), "src", d); err != nil {
			b.Abort() // its error says nothing new
			return err
		}
	}
	b.Prune(prune)
	_, err = b.Commit(context.Background())
	return err
}

func changes() []change {
	three := func(t testing.TB, x *index.Index) { ingest(t, x, "src", foxes(3)...) }
	return []change{
		{"first run", func(testing.TB, *index.Index) {}, func(x *index.Index) error {
			return runOnce(x, index.BuildOptions{}, "", foxes(2)...)
		}},
		{"update, add and prune", func(t testing.TB, x *index.Index) {
			ingest(t, x, "src", foxes(5)...)
			ingest(t, x, "src", doc("more", "one more fox"))
		}, func(x *index.Index) error {
			docs := foxes(3)
			docs[1].Text = "a changed fox"
			return runOnce(x, index.BuildOptions{}, "src", append(docs, doc("new", "a new fox"), doc("more", "one more fox"))...)
		}},
		{"merge", func(t testing.TB, x *index.Index) {
			ingest(t, x, "src", foxes(6)...)
			ingest(t, x, "src", doc("a", "a fox"))
			ingest(t, x, "src", doc("b", "b fox"))
		}, func(x *index.Index) error {
			return runOnce(x, index.BuildOptions{}, "", doc("d", "d fox"), doc("doc01", "a changed fox"))
		}},
		{"delete", three, func(x *index.Index) error {
			_, err := x.Delete(context.Background(), "c", []string{"doc01"})
			return err
		}},
		{"compact", func(t testing.TB, x *index.Index) {
			three(t, x)
			ingest(t, x, "src", doc("doc01", "a changed fox"))
		}, func(x *index.Index) error {
			_, err := x.Compact(context.Background(), "c")
			return err
		}},
		{"embed again", three, func(x *index.Index) error {
			return runOnce(x, index.BuildOptions{Reembed: true}, "", doc("new", "a new fox"))
		}},
		{"after an interrupted run", func(t testing.TB, x *index.Index) {
			three(t, x)
			b := begin(t, x)
			add(t, b, "src", foxes(140)...)
			if err := b.Abort(); err != nil {
				t.Fatal(err)
			}
		}, func(x *index.Index) error {
			return runOnce(x, index.BuildOptions{}, "", append(foxes(20), doc("new", "a new fox"))...)
		}},
	}
}

// TestFaults lets each file operation of each change fail, one after the
// other: by itself, as a read, a short write, a rename or a sync may, and with
// all that follow, as on a full disk or at a power cut. Whatever happens, what
// is there then is the state before or the state after, whole; the latter if
// the change said so; also when the power is cut then. The next run succeeds.
func TestFaults(t *testing.T) {
	for _, c := range changes() {
		t.Run(c.name, func(t *testing.T) {
			base := newFaultFS(t)
			if err := os.MkdirAll(filepath.Join(base.root, "collections", "c"), 0o755); err != nil { // for the lock
				t.Fatal(err)
			}
			c.before(t, inMemory(t, base))
			base = base.copied(asItIs)
			before, err := stateOf(base.copied(asItIs))
			if err != nil {
				t.Fatal(err)
			}
			sound := base.copied(asItIs)
			if err := c.run(inMemory(t, sound)); err != nil {
				t.Fatal(err)
			}
			after, err := stateOf(sound.copied(asItIs))
			if err != nil || after == before && c.name != "compact" {
				t.Fatalf("got %s, error %v, want another state than before", after, err)
			}
			f := faultTest{change: c, base: base, before: before, after: after}
			f.check(t, "no fault", sound, nil)
			t.Logf("%d operations", len(sound.ops))
			for n, op := range sound.ops {
				if race && n%17 > 0 {
					continue // each of them runs without the race detector
				}
				f.fail(t, n, op, eio)
				f.fail(t, n, op, enospc)
			}
		})
	}
}

type faultTest struct {
	change
	base          *faultFS
	before, after string
}

// fail runs the change on a disk whose operation n fails.
func (f faultTest) fail(t *testing.T, n int, op string, how fault) {
	disk := f.base.copied(asItIs)
	disk.failAt, disk.fault = n, how
	x := newInMemory(disk)
	err := f.run(x)
	x.Close() // of a disk that failed
	what := fmt.Sprintf("%v at operation %d, %s", how.err, n, op)
	f.check(t, what, disk, err)
	if !how.last { // the disk works again: what the next run clears up is not needed, also if it ends early
		disk.failAt = -1
		if b, err := newInMemory(disk).Build(context.Background(), index.BuildOptions{Collection: "c"}); err != nil {
			t.Errorf("%s: begin the next run: %v", what, err)
		} else if err := b.Abort(); err != nil {
			t.Errorf("%s: abort the next run: %v", what, err)
		}
		f.check(t, what+", and a run that was aborted", disk, err)
	}
	for _, then := range []string{asItIs, syncedNames} {
		x := newInMemory(disk.copied(then))
		if err := f.run(x); err != nil {
			t.Errorf("%s: the next run, %s: %v", what, then, err)
		}
		if got, err := state(x); err != nil || got != f.after {
			t.Errorf("%s: after the next run, %s: got %s, error %v, want %s", what, then, got, err, f.after)
		}
		x.Close() // its searches have ended well
	}
}

// check wants the disk, as it is and after a power cut, to have the state
// before or after, whole.
func (f faultTest) check(t *testing.T, what string, disk *faultFS, runErr error) {
	t.Helper()
	if t.Failed() {
		t.FailNow() // the others would fill pages
	}
	for _, then := range []string{asItIs, syncedNames, allNames} {
		got, err := stateOf(disk.copied(then))
		switch {
		case err != nil:
			t.Errorf("%s, %s: %v", what, then, err)
		case got != f.after && (got != f.before || runErr == nil):
			t.Errorf("%s, %s: got %s, want %s (or %s, if the run failed; its error: %v)", what, then, got, f.after, f.before, runErr)
		}
	}
}

// writes says whether an operation changes anything.
func writes(op string) bool {
	return !slices.Contains([]string{"read", "open", "stat", "list"}, strings.Fields(op)[0])
}

// TestRunAfterAFailedWrite goes on where Add had failed, which it must not:
// half of what waited may be written.
func TestRunAfterAFailedWrite(t *testing.T) {
	run := func(x *index.Index) error {
		b, err := x.Build(context.Background(), index.BuildOptions{Collection: "c"})
		if err != nil {
			return err
		}
		for _, d := range foxes(130) {
			_, _ = b.Add(context.Background(), "src", d) // Commit says it again
		}
		_, err = b.Commit(context.Background())
		return err
	}
	base := newFaultFS(t)
	if err := os.MkdirAll(filepath.Join(base.root, "collections", "c"), 0o755); err != nil { // for the lock
		t.Fatal(err)
	}
	sound := base.copied(asItIs)
	if err := run(inMemory(t, sound)); err != nil {
		t.Fatal(err)
	}
	after, err := stateOf(sound)
	if err != nil {
		t.Fatal(err)
	}
	for n, op := range sound.ops {
		if !writes(op) || race && n%7 > 0 {
			continue
		}
		disk := base.copied(asItIs)
		disk.failAt, disk.fault = n, eio
		x := newInMemory(disk)
		runErr := run(x)
		x.Close() // of a disk that failed
		got, err := stateOf(disk.copied(asItIs))
		if err != nil || got != after && (got != "nothing" || runErr == nil) {
			t.Fatalf("EIO at %s: got %.200s, error %v, after a run that gave %v", op, got, err, runErr)
		}
	}
}
