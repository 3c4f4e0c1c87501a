package index_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

// large fills a collection with 10,000 documents of some 24,000 chunks with
// vectors of 384 dimensions.
func large(b testing.TB) (dir string, e *fakeEmbedder, docs []index.Document) {
	b.Helper()
	dir, e = b.TempDir(), &fakeEmbedder{space: "random@384"}
	e.documents = func(texts []string) ([][]float32, error) {
		out := make([][]float32, len(texts))
		for i, text := range texts {
			out[i] = randomVector(text)
		}
		return out, nil
	}
	e.query = func(text string) ([]float32, error) { return randomVector(text), nil }
	rng := rand.New(rand.NewPCG(1, 2))
	docs = make([]index.Document, 10000)
	for i := range docs {
		var text strings.Builder
		for range 1 + rng.IntN(4) {
			for range 120 {
				fmt.Fprintf(&text, "w%d ", int(rng.ExpFloat64()*500))
			}
			text.WriteString("\n\n")
		}
		docs[i] = index.Document{ID: fmt.Sprintf("docs/%d.md", i), URL: fmt.Sprintf("/home/me/docs/%d.md", i), Title: fmt.Sprint(i), Text: text.String()}
	}
	ingest(b, large1000(b, dir, e), "src", docs...)
	return dir, e, docs
}

// large1000 has chunks of 650 characters at most.
func large1000(b testing.TB, dir string, e index.Embedder) *index.Index {
	return open(b, dir, e, func(o *index.Options) { o.Splitter, o.FS = paragraphs{}, nil })
}

// paragraphs splits at empty lines.
type paragraphs struct{}

func (paragraphs) Name() string { return "paragraphs" }

func (paragraphs) Split(text string) []index.Piece {
	var out []index.Piece
	for p := range strings.SplitSeq(text, "\n\n") {
		if p != "" {
			out = append(out, index.Piece{Text: p})
		}
	}
	return out
}

func randomVector(text string) []float32 {
	h := fnv.New64a()
	h.Write([]byte(text))
	rng := rand.New(rand.NewPCG(h.Sum64(), 1))
	v := make([]float32, 384)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// BenchmarkOpen is the time from a start to the first answer of both legs.
func BenchmarkOpen(b *testing.B) {
	dir, e, _ := large(b)
	for b.Loop() {
		x := large1000(b, dir, e)
		search(b, x)
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func search(b *testing.B, x *index.Index) {
	legs, err := x.Search(context.Background(), index.Query{Text: "w1 w20 w300", Collection: "c", Depth: 100})
	if err != nil || legs.Vector.Err != nil || len(legs.Keyword.Hits) != 100 {
		b.Fatalf("got %v, error %v", legs.Vector.Err, err)
	}
}

func BenchmarkSearch(b *testing.B) {
	dir, e, docs := large(b)
	for _, segments := range []int{1, 2} {
		if segments == 2 {
			docs[5].Text += "changed"
			ingest(b, large1000(b, dir, e), "src", docs[5])
		}
		b.Run(fmt.Sprintf("%d segments", segments), func(b *testing.B) {
			x := large1000(b, dir, e)
			search(b, x)
			for b.Loop() {
				search(b, x)
			}
		})
	}
}

// BenchmarkUnchanged indexes 10,000 unchanged documents again.
func BenchmarkUnchanged(b *testing.B) {
	dir, e, docs := large(b)
	x := large1000(b, dir, e)
	for b.Loop() {
		ingest(b, x, "src", docs...)
	}
}

// BenchmarkOneChanged indexes 10,000 documents of which one changed, up to
// the first search that finds it in an index that is being served.
func BenchmarkOneChanged(b *testing.B) {
	dir, e, docs := large(b)
	x, served := large1000(b, dir, e), large1000(b, dir, e)
	search(b, served)
	for n := 0; b.Loop(); n++ {
		docs[17].Text = fmt.Sprintf("the text of version%d", n)
		ingest(b, x, "src", docs...)
		legs, err := served.Search(context.Background(), index.Query{Text: fmt.Sprintf("version%d", n), Collection: "c", Depth: 1})
		if err != nil || len(legs.Keyword.Hits) != 1 || legs.Keyword.Hits[0].Chunk.DocumentID != "docs/17.md" {
			b.Fatalf("got %+v, error %v, want the changed document", legs.Keyword, err)
		}
	}
}
