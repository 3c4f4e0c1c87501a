package index_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/vector"
)

// TestScale says what an index of RAGPROXY_SCALE_CHUNKS chunks costs, with
// vectors of 384 dimensions that lie in clusters, by an embedder that costs
// nothing: docs/scale.md has its figures. Linux only.
func TestScale(t *testing.T) {
	chunks, err := strconv.Atoi(os.Getenv("RAGPROXY_SCALE_CHUNKS"))
	if err != nil {
		t.Skip("RAGPROXY_SCALE_CHUNKS is no number of chunks")
	}
	if resident(t) == 0 {
		t.Skip("this system does not tell the memory of a process")
	}
	dir, e := t.TempDir(), &fakeEmbedder{space: "clusters@384"}
	e.documents = func(texts []string) ([][]float32, error) {
		e.takeAsked() // else it remembers all of them
		out := make([][]float32, len(texts))
		for i, text := range texts {
			out[i] = clustered(text)
		}
		return out, nil
	}
	e.query = func(text string) ([]float32, error) { return clustered(text), nil }
	served := func() *index.Index {
		return open(t, dir, e, func(o *index.Options) {
			o.Splitter, o.FS = paragraphs{}, nil
			if o.Vector, err = vector.New("auto"); err != nil {
				t.Fatal(err)
			}
		})
	}
	begun := time.Now()
	b := begin(t, served())
	rng := rand.New(rand.NewPCG(1, 2))
	const each = 5 // chunks of a document
	for n := range chunks / each {
		add(t, b, "src", index.Document{ID: fmt.Sprintf("docs/%d.md", n), Text: manyWords(rng, each)})
	}
	m := commit(t, b)
	took := time.Since(begun)
	debug.FreeOSMemory()
	before := resident(t)

	begun = time.Now()
	x := served()
	askBoth(t, x, "w1 w20 w300")
	opened := time.Since(begun)
	alone := timed(1, func(n int) { askBoth(t, x, questionOf(n)) })
	both := timed(2, func(n int) { askBoth(t, x, questionOf(n)) })
	debug.FreeOSMemory()
	memory := resident(t) - before

	begun = time.Now()
	ingest(t, served(), "src2", index.Document{ID: "new.md", Text: "the text of version1"})
	for {
		legs := askBoth(t, x, "version1")
		if len(legs.Keyword.Hits) > 0 && legs.Keyword.Hits[0].Chunk.DocumentID == "new.md" {
			break
		}
	}
	t.Logf("%d chunks in %d segments, %d MB on disk: built in %s, opened in %s, %d MB of memory; a search takes %s (95 %%: %s), %.0f a second by two; a new document is found after %s",
		m.Chunks, len(m.Segments), m.Size()>>20, took.Round(time.Second), opened.Round(time.Millisecond), memory>>20,
		alone.median().Round(10*time.Microsecond), alone.p95().Round(10*time.Microsecond), both.rate(), time.Since(begun).Round(time.Millisecond))
}

func manyWords(rng *rand.Rand, chunks int) string {
	var text strings.Builder
	for range chunks {
		for range 120 {
			fmt.Fprintf(&text, "w%d ", int(rng.ExpFloat64()*3000))
		}
		text.WriteString("\n\n")
	}
	return text.String()
}

// clustered is a vector near one of a thousand others.
func clustered(text string) []float32 {
	h := fnv.New64a()
	h.Write([]byte(text))
	v, noise := randomVector(fmt.Sprint("cluster", h.Sum64()%1000)), randomVector(text)
	for i := range v {
		v[i] += noise[i] / 2
	}
	return v
}

func questionOf(n int) string {
	rng := rand.New(rand.NewPCG(uint64(n), 3))
	return fmt.Sprintf("w%d w%d w%d w%d w%d", int(rng.ExpFloat64()*3000), int(rng.ExpFloat64()*3000), rng.IntN(3000), rng.IntN(3000), n)
}

func askBoth(t testing.TB, x *index.Index, text string) index.Legs {
	t.Helper()
	legs, err := x.Search(t.Context(), index.Query{Text: text, Collection: "c", Depth: 100})
	if err != nil || legs.Vector.Err != nil || legs.Keyword.Err != nil {
		t.Fatalf("search: %v, %v, %v", err, legs.Vector.Err, legs.Keyword.Err)
	}
	return legs
}

// times of calls, and how long all of them took.
type times struct {
	each []time.Duration // ascending
	all  time.Duration
}

// timed makes 400 calls from some goroutines, after 50 that do not count.
func timed(goroutines int, f func(n int)) times {
	for n := range 50 {
		f(-n)
	}
	var out times
	var mu sync.Mutex
	var wg sync.WaitGroup
	begun := time.Now()
	for g := range goroutines {
		wg.Go(func() {
			for n := g; n < 400; n += goroutines {
				at := time.Now()
				f(n)
				took := time.Since(at)
				mu.Lock()
				out.each = append(out.each, took)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	out.all = time.Since(begun)
	slices.Sort(out.each)
	return out
}

func (t times) median() time.Duration { return t.each[len(t.each)/2] }
func (t times) p95() time.Duration    { return t.each[len(t.each)*95/100] }
func (t times) rate() float64         { return float64(len(t.each)) / t.all.Seconds() }

// resident is the memory in bytes that this process has; 0 if unknown.
func resident(t testing.TB) int { return status(t, "VmRSS") }

// status reads a size that Linux tells of this process; 0 if unknown.
func status(t testing.TB, name string) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	kb := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(b)
	if kb == nil {
		return 0
	}
	n, err := strconv.Atoi(string(kb[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}
