package index_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/split"
	"github.com/ragproxy/ragproxy/index/vector"
)

// deed is one thing that a torture run does to its collection.
type deed struct {
	Kind   string            `json:"kind"` // index, prune, delete, compact, reembed
	Docs   map[string]string `json:"docs,omitempty"`
	Delete []string          `json:"delete,omitempty"`
	Done   bool              `json:"done,omitempty"`
}

// apply gives the documents after a deed.
func (d deed) apply(docs map[string]string) map[string]string {
	after := maps.Clone(docs)
	if d.Kind == "prune" {
		after = map[string]string{}
	}
	maps.Copy(after, d.Docs)
	for _, id := range d.Delete {
		delete(after, id)
	}
	return after
}

func randomDeed(rng *rand.Rand) deed {
	id := func() string { return fmt.Sprintf("doc%d", rng.IntN(60)) }
	d := deed{Kind: []string{"index", "index", "index", "prune", "delete", "delete", "compact", "reembed"}[rng.IntN(8)], Docs: map[string]string{}}
	switch d.Kind {
	case "index", "prune", "reembed":
		for range 1 + rng.IntN(1+rng.IntN(40)) {
			d.Docs[id()] = fmt.Sprintf("fox of version%d", rng.IntN(1000))
		}
	case "delete":
		for range 1 + rng.IntN(5) {
			d.Delete = append(d.Delete, id())
		}
	}
	return d
}

func (d deed) do(x *index.Index) error {
	ctx := context.Background()
	switch d.Kind {
	case "delete":
		_, err := x.Delete(ctx, "c", d.Delete)
		return ignoreNotFound(err)
	case "compact":
		_, err := x.Compact(ctx, "c")
		return ignoreNotFound(err)
	}
	var docs []index.Document
	for _, id := range slices.Sorted(maps.Keys(d.Docs)) {
		docs = append(docs, index.Document{ID: id, Text: d.Docs[id]})
	}
	prune := ""
	if d.Kind == "prune" {
		prune = "src"
	}
	return runOnce(x, index.BuildOptions{Reembed: d.Kind == "reembed"}, prune, docs...)
}

func ignoreNotFound(err error) error {
	if errors.Is(err, index.ErrNotFound) {
		return nil
	}
	return err
}

// tortured opens an index with the engines of a real one.
func tortured(dir string) (*index.Index, error) {
	splitter, err := split.NewRecursive(split.Options{Size: 40})
	if err != nil {
		return nil, err
	}
	keyword, err := lexical.New(lexical.Options{})
	if err != nil {
		return nil, err
	}
	graph, err := vector.New("hnsw")
	if err != nil {
		return nil, err
	}
	return index.Open(index.Options{
		Dir: dir, Embedder: newEmbedder(), Splitter: splitter, Vector: graph, VectorByName: vector.New, Keyword: keyword,
	}), nil
}

// torture is the process that is killed: it does one deed after the other, and
// says so before and after, until its end.
func torture(dir, seed string) error {
	n, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		return err
	}
	x, err := tortured(dir)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(n, 1))
	out := json.NewEncoder(os.Stdout)
	for {
		d := randomDeed(rng)
		if err := out.Encode(d); err != nil {
			return err
		}
		if err := d.do(x); err != nil {
			return err
		}
		if err := out.Encode(deed{Done: true}); err != nil {
			return err
		}
	}
}

// TestTorture kills runs of index, prune, delete, compact and reembed at
// random moments, RAGPROXY_KILLS times (10 by itself), two at a time. After
// each kill the collection opens at once, with every acknowledged document in
// both legs, none that was deleted, and what was under way done whole or not
// at all. RAGPROXY_SEED makes the deeds the same again; the moments are the
// machine's.
func TestTorture(t *testing.T) {
	kills, seed := 10, uint64(1)
	if s := os.Getenv("RAGPROXY_KILLS"); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatalf("RAGPROXY_KILLS: %v", err)
		}
	}
	if s := os.Getenv("RAGPROXY_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("RAGPROXY_SEED: %v", err)
		}
	}
	for lane := range uint64(2) {
		t.Run(fmt.Sprintf("lane %d", lane), func(t *testing.T) {
			t.Parallel()
			v := victim{dir: t.TempDir(), docs: map[string]string{}, rng: rand.New(rand.NewPCG(seed, lane))}
			for n := range (kills + int(lane)) / 2 {
				if err := v.kill(t.Context()); err != nil {
					t.Fatalf("kill %d: %v", n, err)
				}
			}
			t.Logf("%d deeds done, %d cut short of which %d count", v.done, v.cut, v.counted)
		})
	}
}

// victim is a collection whose writers are killed.
type victim struct {
	dir  string
	docs map[string]string // acknowledged
	rng  *rand.Rand

	done, cut, counted int
}

// kill lets a process work on the collection for a while, kills it, and looks
// at what is left.
func (v *victim) kill(ctx context.Context) error {
	after := time.Duration(v.rng.ExpFloat64() * 150 * float64(time.Millisecond))
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "RAGPROXY_TORTURE="+v.dir, fmt.Sprintf("RAGPROXY_TORTURE_SEED=%d", v.rng.Uint64()))
	var said errBuffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var timer *time.Timer
	under := deed{Done: true}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if timer == nil { // the first deed has begun
			timer = time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may have ended
		}
		var d deed
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			break // half a line
		}
		if d.Done {
			v.docs = under.apply(v.docs)
			v.done++
		}
		under = d
	}
	if timer != nil {
		timer.Stop()
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		return fmt.Errorf("the process ended by itself: %w: %s", err, said.b)
	}
	return v.check(ctx, under)
}

// check compares what is there with what was acknowledged.
func (v *victim) check(ctx context.Context, under deed) error {
	x, err := tortured(v.dir)
	if err != nil {
		return err
	}
	defer x.Close()
	legs, err := x.Search(ctx, index.Query{Text: "fox", Collection: "c", Depth: 1000})
	if err := ignoreNotFound(err); err != nil {
		return err
	}
	var found []map[string]string
	for _, leg := range []*index.Leg{&legs.Vector, &legs.Keyword} {
		if load(leg); leg.Err != nil {
			return leg.Err
		}
		docs := map[string]string{}
		for _, h := range leg.Hits {
			docs[h.Chunk.DocumentID] += h.Chunk.Text
		}
		found = append(found, docs)
	}
	got := found[0]
	if !maps.Equal(got, found[1]) {
		return fmt.Errorf("the vector leg has %v, the keyword leg %v", got, found[1])
	}
	if !under.Done {
		v.cut++
		if after := under.apply(v.docs); !maps.Equal(got, v.docs) && maps.Equal(got, after) {
			v.counted++
			v.docs = after
		}
	}
	if !maps.Equal(got, v.docs) {
		return fmt.Errorf("got %v, want %v, or that after %+v", got, v.docs, under)
	}
	return ignoreNotFound(x.Verify("c"))
}

// errBuffer keeps the beginning of what a process complains of.
type errBuffer struct{ b []byte }

func (e *errBuffer) Write(b []byte) (int, error) {
	e.b = append(e.b, b[:min(len(b), 4096-len(e.b))]...)
	return len(b), nil
}
