package minilm

import (
	"context"
	"errors"
	"math"
	"slices"
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
	const sentence = "a text that grows by a word and shares its pass with others of any length "
	var texts []string
	for n := range 40 {
		texts = append(texts, strings.Repeat(sentence, n/6)+sentence[:n*5%len(sentence)])
	}
	alone := newEmbedder(t, Options{Workers: 1})
	want := make([][]float32, len(texts))
	for i, text := range texts {
		one, err := alone.EmbedDocuments(t.Context(), []string{text})
		if err != nil {
			t.Fatal(err)
		}
		want[i] = one[0]
	}
	e := newEmbedder(t, Options{Workers: 3})
	var calls sync.WaitGroup
	for c := range 3 {
		calls.Go(func() {
			got, err := e.EmbedDocuments(t.Context(), texts[c:])
			if err != nil {
				t.Error(err)
			}
			if !cmp.Equal(got, want[c:]) {
				t.Error("got other vectors in concurrent batches, want the same")
			}
		})
		calls.Go(func() {
			for i := c; i < len(texts); i += 3 {
				if got, err := e.EmbedQuery(t.Context(), texts[i]); err != nil || !cmp.Equal(got, want[i]) {
					t.Errorf("query %d: got another vector, error %v, want the same", i, err)
				}
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
	const texts = 1000
	for _, times := range []int{2, texts + 2} { // while ids are made, and while vectors are
		ctx := &endsAfter{Context: t.Context(), times: times}
		got, err := newEmbedder(t, Options{Workers: 1}).EmbedDocuments(ctx, slices.Repeat([]string{strings.Repeat("word ", 100)}, texts))
		if got != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("got %d vectors, error %v, want none, %v", len(got), err, context.Canceled)
		}
		if ctx.asked > times+2 {
			t.Errorf("asked the context %d times, want at most %d: it was done after %d", ctx.asked, times+2, times)
		}
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
