package minilm

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/ragproxy/ragproxy/index"
)

var _ index.Embedder = (*Embedder)(nil)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newEmbedder(t testing.TB, o Options) *Embedder {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func cosine[A, B float32 | float64](a []A, b []B) float64 {
	var dot, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		dot, aa, bb = dot+x*y, aa+x*x, bb+y*y
	}
	return dot / math.Sqrt(aa*bb)
}

func TestNewRejectsNegativeWorkers(t *testing.T) {
	if _, err := New(Options{Workers: -1}); err == nil || !strings.Contains(err.Error(), "workers is -1") {
		t.Errorf("got error %v, want one that names workers", err)
	}
}

func TestSpace(t *testing.T) {
	got, err := newEmbedder(t, Options{}).Space(t.Context())
	if want := "all-MiniLM-L6-v2@384"; got != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestAnyTextHasAUnitVector(t *testing.T) {
	texts := []string{"", " \n", "\x00", "\xff\xfe\xe4", "[CLS]", strings.Repeat("long ", 5000), strings.Repeat("x", 100_000)}
	vectors, err := newEmbedder(t, Options{}).EmbedDocuments(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range vectors {
		var length float64
		for _, x := range v {
			length += float64(x) * float64(x)
		}
		if len(v) != 384 || !(math.Abs(length-1) < 1e-5) {
			t.Errorf("vector of %.20q: got %d dimensions, squared length %f, want 384, 1", texts[i], len(v), length)
		}
	}
}

func TestNoTexts(t *testing.T) {
	got, err := newEmbedder(t, Options{}).EmbedDocuments(t.Context(), nil)
	if got == nil || len(got) != 0 || err != nil {
		t.Errorf("got %v, %v, want an empty slice", got, err)
	}
}

func TestMeaning(t *testing.T) {
	e := newEmbedder(t, Options{})
	vectors, err := e.EmbedDocuments(t.Context(), []string{
		"The cat sleeps on the sofa.", "A kitten naps on the couch.", "Interest rates rose by half a percent.",
	})
	if err != nil {
		t.Fatal(err)
	}
	if near, far := cosine(vectors[0], vectors[1]), cosine(vectors[0], vectors[2]); near < far+0.4 {
		t.Errorf("got cosine %f for the same meaning, %f for another, want a clear difference", near, far)
	}
}

// A vector must not depend on the batch, the number of workers, what else runs,
// or whether it is a query.
func TestSameTextSameVector(t *testing.T) {
	texts := []string{"one", "two words", "", "a third and longer text about nothing much", "one", strings.Repeat("many words ", 40)}
	want, err := newEmbedder(t, Options{Workers: 1}).EmbedDocuments(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	e := newEmbedder(t, Options{Workers: 3})
	var calls sync.WaitGroup
	for range 3 {
		calls.Go(func() {
			got, err := e.EmbedDocuments(t.Context(), texts)
			if err != nil {
				t.Error(err)
			}
			if !cmp.Equal(got, want) {
				t.Error("got other vectors in concurrent batches, want the same")
			}
		})
		calls.Go(func() {
			got, err := e.EmbedQuery(t.Context(), texts[3])
			if err != nil {
				t.Error(err)
			}
			if !cmp.Equal(got, want[3]) {
				t.Error("got another vector for a query, want the same")
			}
		})
	}
	calls.Wait()
}

// endsAfter is a context that is done once it was asked so many times.
type endsAfter struct {
	context.Context
	asked, times int
}

func (c *endsAfter) Err() error {
	if c.asked++; c.asked > c.times {
		return context.Canceled
	}
	return nil
}

func TestCancelBetweenTexts(t *testing.T) {
	ctx := &endsAfter{Context: t.Context(), times: 2}
	got, err := newEmbedder(t, Options{Workers: 1}).EmbedDocuments(ctx, make([]string, 1000))
	if got != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %d vectors, error %v, want none, %v", len(got), err, context.Canceled)
	}
	if ctx.asked != 3 {
		t.Errorf("asked the context %d times, want 3: once for each text until it is done", ctx.asked)
	}
}

func TestQueryDoesNotWaitForDocuments(t *testing.T) {
	e := newEmbedder(t, Options{Workers: 1})
	busy := <-e.documents
	if _, err := e.EmbedQuery(t.Context(), "hello"); err != nil {
		t.Errorf("got error %v for a query while documents are embedded, want none", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := e.EmbedDocuments(ctx, []string{"waits for its turn"})
		failed <- err
	}()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v while waiting, want %v", err, context.Canceled)
	}
	e.documents <- busy
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := load(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkQuery(b *testing.B) {
	benchmarkText(b, "how do I rotate the signing key without logging everybody out")
}

func BenchmarkChunk(b *testing.B) {
	sentence := "Glaciers carve valleys in the shape of a U, while rivers tend to cut them into the shape of a V. "
	benchmarkText(b, strings.Repeat(sentence, 11)[:1000])
}

func benchmarkText(b *testing.B, text string) {
	e := newEmbedder(b, Options{Workers: 1})
	l, err := e.load()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.EmbedQuery(b.Context(), text); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(l.tokenizer.encode(text))), "tokens")
}
