package index_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

// listed pages through a collection.
func listed(t testing.TB, x *index.Index, limit int, filters map[string]any) []string {
	t.Helper()
	out, after := []string{}, ""
	for range 1000 {
		list, more, err := x.Documents(t.Context(), "c", index.DocumentsQuery{After: after, Limit: limit, Filters: filters})
		if err != nil {
			t.Fatal(err)
		}
		if more && len(list) != limit || len(list) > limit {
			t.Fatalf("got %d documents and more=%t, want %d on a page", len(list), more, limit)
		}
		for _, d := range list {
			out = append(out, d.ID)
		}
		if !more {
			return out
		}
		after = list[len(list)-1].ID
	}
	t.Fatal("the pages never end")
	return nil
}

func TestDocumentsAreListedById(t *testing.T) {
	x := open(t, t.TempDir(), newEmbedder())
	var want []string
	for i := range 7 { // several segments
		b := doc(fmt.Sprintf("b%d", i), "a fox")
		b.Meta = map[string]any{"odd": i%2 == 1}
		ingest(t, x, "src", b, doc(fmt.Sprintf("a%d", i), "a fox"))
		want = append(want, fmt.Sprintf("a%d", i))
	}
	for i := range 7 {
		want = append(want, fmt.Sprintf("b%d", i))
	}
	for _, limit := range []int{1, 2, 7, 13, 14, 15} {
		if diff := cmp.Diff(want, listed(t, x, limit, nil)); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}
	for _, limit := range []int{1, 2, 3, 4} {
		if diff := cmp.Diff([]string{"b1", "b3", "b5"}, listed(t, x, limit, map[string]any{"odd": true})); diff != "" {
			t.Errorf("filtered, pages of %d (-want +got):\n%s", limit, diff)
		}
	}
	// What is published later is listed, what is deleted is not.
	ingest(t, x, "src", doc("a", "a fox"), doc("b0", "another fox"))
	if _, err := x.DeleteDocument(t.Context(), "c", "a3"); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(listed(t, x, 3, nil), " ")
	if want := "a a0 a1 a2 a4 a5 a6 b0 b1 b2 b3 b4 b5 b6"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if list, more, err := x.Documents(t.Context(), "c", index.DocumentsQuery{After: "zzz", Limit: 3}); len(list) > 0 || more || err != nil {
		t.Errorf("got %v, %t, %v behind the last one, want nothing", list, more, err)
	}
	if _, _, err := x.Documents(t.Context(), "nope", index.DocumentsQuery{Limit: 3}); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
	if _, _, err := x.Documents(t.Context(), "c", index.DocumentsQuery{Limit: 3, Filters: map[string]any{"type": "no", "key": "x"}}); err == nil {
		t.Error("got no error for filters that cannot be read")
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := x.Documents(stopped, "c", index.DocumentsQuery{Limit: 3}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want the context's", err)
	}
}

func TestDocumentWithItsChunks(t *testing.T) {
	x := open(t, t.TempDir(), newEmbedder())
	d := doc("https://example.com/a?b#c", twoChunks)
	d.Meta = map[string]any{"lang": "en"}
	ingest(t, x, "src", doc("other", "a fox"), d)
	info, chunks, err := x.Document(t.Context(), "c", d.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := (index.DocumentInfo{ID: d.ID, URL: d.URL, Title: d.Title, Meta: d.Meta, Chunks: 2}); !cmp.Equal(info, want) {
		t.Errorf("got %+v, want %+v", info, want)
	}
	if len(chunks) != 2 || chunks[0].Ordinal != 0 || chunks[1].ID != d.ID+"#chunk-1" || !strings.HasPrefix(twoChunks, chunks[0].Text) {
		t.Errorf("got %+v, want both chunks of %q", chunks, twoChunks)
	}
	if _, _, err := x.Document(t.Context(), "c", d.ID, map[string]any{"lang": "de"}); !errors.Is(err, index.ErrNoDocument) {
		t.Errorf("got error %v for a document that the filters hide, want ErrNoDocument", err)
	}
	if _, _, err := x.Document(t.Context(), "c", d.ID, map[string]any{"lang": "en"}); err != nil {
		t.Errorf("got error %v for one that they show, want none", err)
	}
	for _, id := range []string{"", "nope", d.URL, "src"} {
		if _, _, err := x.Document(t.Context(), "c", id, nil); !errors.Is(err, index.ErrNoDocument) {
			t.Errorf("got error %v for %q, want ErrNoDocument", err, id)
		}
	}
	if _, _, err := x.Document(t.Context(), "nope", d.ID, nil); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
}

// TestDeleteDocument takes ids only, so that one document is never deleted for
// another one's address.
func TestDeleteDocument(t *testing.T) {
	x := open(t, t.TempDir(), newEmbedder())
	page := doc("https://example.com/a", "a fox")
	ingest(t, x, "src", doc("a", "a fox"), page, doc("b", "a fox")) // a has the page's id for its address
	m, err := x.DeleteDocument(t.Context(), "c", page.ID)
	if err != nil || m.Documents != 2 || m.Generation != 2 {
		t.Errorf("got %d documents in generation %d, error %v, want 2 in 2", m.Documents, m.Generation, err)
	}
	holds(t, x, "a", "b")
	if _, err := x.DeleteDocument(t.Context(), "c", page.ID); !errors.Is(err, index.ErrNoDocument) {
		t.Errorf("got error %v, want ErrNoDocument", err)
	}
	if _, err := x.DeleteDocument(t.Context(), "nope", "a"); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
	begin(t, x)
	if _, err := x.DeleteDocument(t.Context(), "c", "a"); !errors.Is(err, index.ErrBusy) {
		t.Errorf("got error %v while a run goes on, want ErrBusy", err)
	}
}

func TestWhoseFaultARunsErrorIs(t *testing.T) {
	e := newEmbedder()
	e.documents = func([]string) ([][]float32, error) { return nil, errors.New("refused") }
	x := open(t, t.TempDir(), e)
	b := begin(t, x)
	add(t, b, "src", doc("a", twoChunks))
	if b.Chunks() != 2 {
		t.Errorf("got %d chunks, want 2 that wait", b.Chunks())
	}
	var dead *index.EmbedderError
	if err := b.Flush(t.Context()); !errors.As(err, &dead) {
		t.Errorf("got error %v, want an EmbedderError", err)
	}
	if _, err := b.Commit(t.Context()); !errors.As(err, &dead) {
		t.Errorf("got error %v of the commit, want that of before", err)
	}
	if err := index.CheckName("../x"); err == nil {
		t.Error("got no error for a collection's name that is a path")
	}
}

// TestListingWhileWriting is for the race detector.
func TestListingWhileWriting(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	x := open(t, dir, newEmbedder())
	ingest(t, x, "src", doc("a", "a fox"))
	done := make(chan error)
	for range 3 {
		go func() {
			var err error
			for i := 0; i < 50 && err == nil; i++ {
				if _, _, err = x.Documents(context.Background(), "c", index.DocumentsQuery{Limit: 5}); err == nil {
					_, _, err = x.Document(context.Background(), "c", "a", nil)
				}
			}
			done <- err
		}()
	}
	for i := range 10 {
		ingest(t, x, "src", doc(fmt.Sprintf("d%d", i), "a fox"))
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
