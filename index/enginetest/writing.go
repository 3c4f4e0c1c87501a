package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

func bytesOf(s string) io.Reader { return bytes.NewReader([]byte(s)) }

// generations: every search while runs go on sees one of them, whole, in both
// legs.
func generations(t *testing.T, b Backend) {
	store := b.New(t)
	x := store(t, newEmbedder())
	const size, runs = 40, 6
	round := func(n int) (docs []index.Document) {
		for i := range size {
			docs = append(docs, doc(fmt.Sprintf("doc%02d", i), fmt.Sprintf("the fox of round%d, number%d", n, i)))
		}
		return docs
	}
	ingest(t, x, "c", round(0)...)
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		reader := store(t, newEmbedder()) // another process
		readers.Go(func() {
			last := 0
			for {
				legs, err := reader.Search(t.Context(), index.Query{Text: "fox", Collection: "c", Depth: 3 * size})
				if err == nil {
					err = whole(t.Context(), legs, size)
				}
				if err == nil && legs.Generation < last {
					err = fmt.Errorf("generation %d after %d", legs.Generation, last)
				}
				if err != nil {
					t.Errorf("during a run: %v", err)
					return
				}
				last = legs.Generation
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for n := 1; n <= runs; n++ {
		m, changes := ingest(t, x, "c", round(n)...)
		if m.Generation != n+1 || m.Documents != size || slices.Contains(changes, index.Unchanged) {
			t.Errorf("run %d: got generation %d of %d documents", n, m.Generation, m.Documents)
		}
	}
	close(stop)
	readers.Wait()
}

// whole says what is wrong with an answer that should have one round of all
// documents in both legs.
func whole(ctx context.Context, legs index.Legs, size int) error {
	for name, leg := range map[string]*index.Leg{"vector": &legs.Vector, "keyword": &legs.Keyword} {
		if leg.Err != nil {
			return fmt.Errorf("%s: %w", name, leg.Err)
		}
		if len(leg.Hits) != size {
			return fmt.Errorf("%s: got %d hits in generation %d, want %d", name, len(leg.Hits), legs.Generation, size)
		}
		if err := Load(ctx, leg.Hits); err != nil {
			return fmt.Errorf("%s: load: %w", name, err)
		}
		for _, h := range leg.Hits {
			if want := fmt.Sprintf("round%d,", legs.Generation-1); !strings.Contains(h.Chunk.Text, want) {
				return fmt.Errorf("%s: got %q in generation %d", name, h.Chunk.Text, legs.Generation)
			}
		}
	}
	return nil
}

func updates(t *testing.T, b Backend) {
	e := newEmbedder()
	x := b.New(t)(t, e)
	ingest(t, x, "c", doc("a", "red fox"), doc("b", "blue fox"))
	e.takeAsked()
	m, changes := ingest(t, x, "c", doc("a", "red fox"), doc("b", "green fox"), doc("c", "red fox"), doc("d", "black fox"))
	if want := []index.Change{index.Unchanged, index.Updated, index.Added, index.Added}; !slices.Equal(changes, want) {
		t.Errorf("got the changes %v, want %v", changes, want)
	}
	// The ids are titles, and embedded with the text, where they are no file's
	// name; here they are the URL's last part.
	same(t, "embedded", e.takeAsked(), []string{"green fox", "black fox"})
	if m.Generation != 2 || m.Documents != 4 || m.Chunks != 4 {
		t.Errorf("got generation %d, %d documents, %d chunks", m.Generation, m.Documents, m.Chunks)
	}
	same(t, "the old text", found(t, ask(t, x, index.Query{Text: "blue"}).Keyword), []string{})
	same(t, "the new text", found(t, ask(t, x, index.Query{Text: "green"}).Keyword), []string{"b"})
	same(t, "all", found(t, ask(t, x, index.Query{Text: "fox"}).Vector), []string{"a", "b", "c", "d"})
	again, changes := ingest(t, x, "c", doc("a", "red fox"))
	if again.Generation != 2 || !slices.Equal(changes, []index.Change{index.Unchanged}) || len(e.takeAsked()) > 0 {
		t.Errorf("a run without changes: got generation %d, %v", again.Generation, changes)
	}
	r := begin(t, x, index.BuildOptions{Collection: "c"})
	add(t, r, doc("z", "one"))
	var bad *index.DocumentError
	if _, err := r.Add(t.Context(), "source", doc("z", "two")); !errors.As(err, &bad) {
		t.Errorf("an id that comes twice: got %v, want a DocumentError", err)
	}
	if _, err := r.Add(t.Context(), "source", doc("", "two")); !errors.As(err, &bad) {
		t.Errorf("no id: got %v, want a DocumentError", err)
	}
	if err := r.Abort(); err != nil {
		t.Error(err)
	}
	same(t, "after an abort", found(t, ask(t, x, index.Query{Text: "one"}).Keyword), []string{})
}

// resume: a run that was not published costs no vector twice, and leaves
// nothing that a search finds.
func resume(t *testing.T, b Backend) {
	e := newEmbedder()
	x := b.New(t)(t, e)
	ingest(t, x, "c", foxes(0, 5)...)
	e.takeAsked()
	r := begin(t, x, index.BuildOptions{Collection: "c"})
	add(t, r, foxes(5, 300)...)
	if err := r.Abort(); err != nil {
		t.Fatal(err)
	}
	first := e.takeAsked()
	same(t, "after the abort", found(t, ask(t, x, index.Query{Text: "fox", Depth: 400}).Vector), []string{"doc000", "doc001", "doc002", "doc003", "doc004"})
	m, _ := ingest(t, x, "c", foxes(0, 300)...)
	if m.Documents != 300 || m.Generation != 2 {
		t.Errorf("got %d documents in generation %d, want 300 in 2", m.Documents, m.Generation)
	}
	for _, text := range e.takeAsked() {
		if slices.Contains(first, text) {
			t.Fatalf("%q was embedded twice", text)
		}
	}
	legs := ask(t, x, index.Query{Text: "fox", Depth: 400})
	if len(legs.Vector.Hits) != 300 || len(legs.Keyword.Hits) != 300 {
		t.Errorf("got %d and %d hits, want 300", len(legs.Vector.Hits), len(legs.Keyword.Hits))
	}
}

func prune(t *testing.T, b Backend) {
	x := b.New(t)(t, newEmbedder())
	ingest(t, x, "c", foxes(0, 4)...)
	r := begin(t, x, index.BuildOptions{Collection: "c"})
	if !r.Has("doc001") || r.Has("doc009") {
		t.Error("Has does not tell what was there")
	}
	add(t, r, foxes(0, 1)...)
	if _, err := r.Add(t.Context(), "elsewhere", foxes(1, 2)[0]); err != nil {
		t.Fatal(err)
	}
	r.Keep("doc002")
	if n := r.Prune("source"); n != 1 {
		t.Errorf("got %d pruned, want 1", n)
	}
	if m := commit(t, r); m.Documents != 3 {
		t.Errorf("got %d documents, want 3", m.Documents)
	}
	same(t, "kept", found(t, ask(t, x, index.Query{Text: "fox"}).Keyword), []string{"doc000", "doc001", "doc002"})
	r = begin(t, x, index.BuildOptions{Collection: "c"})
	if n := r.Prune("elsewhere"); n != 1 {
		t.Errorf("got %d pruned of the source that it moved to, want 1", n)
	}
	commit(t, r)
}

func remove(t *testing.T, b Backend) {
	store := b.New(t)
	x := store(t, newEmbedder())
	other := store(t, newEmbedder())
	ingest(t, x, "c", foxes(0, 4)...)
	ask(t, other, index.Query{Text: "fox"})
	deleted, err := x.Delete(t.Context(), "c", []string{"doc001", "https://example.com/doc002", "nothing"})
	if err != nil || len(deleted) != 2 || deleted[0].ID != "doc001" || deleted[1].ID != "doc002" {
		t.Errorf("got %v, %v, want two deleted", deleted, err)
	}
	for name, e := range map[string]index.Engine{"the same": x, "another": other} {
		legs := ask(t, e, index.Query{Text: "fox"})
		same(t, name+" process, vectors", found(t, legs.Vector), []string{"doc000", "doc003"})
		same(t, name+" process, keywords", found(t, legs.Keyword), []string{"doc000", "doc003"})
	}
	m, err := x.DeleteDocument(t.Context(), "c", "doc003")
	if err != nil || m.Documents != 1 || m.Generation != 3 {
		t.Errorf("got %+v, %v, want one document in generation 3", m, err)
	}
	if _, err := x.DeleteDocument(t.Context(), "c", "doc003"); !errors.Is(err, index.ErrNoDocument) {
		t.Errorf("again: got %v, want ErrNoDocument", err)
	}
	if _, err := x.Delete(t.Context(), "nothing", []string{"a"}); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("of no collection: got %v, want ErrNotFound", err)
	}
	if deleted, err := x.Delete(t.Context(), "c", []string{"nothing"}); err != nil || len(deleted) != 0 {
		t.Errorf("nothing: got %v, %v", deleted, err)
	}
	x.Delete(t.Context(), "c", []string{"doc000"})
	legs := ask(t, x, index.Query{Text: "fox"})
	same(t, "all deleted", append(found(t, legs.Vector), found(t, legs.Keyword)...), []string{})
	same(t, "and back", func() []string {
		ingest(t, x, "c", foxes(1, 2)...)
		return found(t, ask(t, x, index.Query{Text: "fox"}).Vector)
	}(), []string{"doc001"})
}

func space(t *testing.T, b Backend) {
	store := b.New(t)
	x := store(t, newEmbedder())
	ingest(t, x, "c", foxes(0, 2)...)
	other := store(t, &Embedder{Name: "others@32"})
	if _, err := other.Begin(t.Context(), index.BuildOptions{Collection: "c"}); !errors.Is(err, index.ErrSpace) {
		t.Errorf("begin: got %v, want ErrSpace", err)
	}
	legs := ask(t, other, index.Query{Text: "fox"})
	if !errors.Is(legs.Vector.Err, index.ErrSpace) || len(legs.Keyword.Hits) != 2 {
		t.Errorf("got %v and %v, want ErrSpace and keywords", legs.Vector, legs.Keyword)
	}
	// Nothing that was refused holds the lease.
	ingest(t, x, "c", foxes(2, 3)...)
}

func reembed(t *testing.T, b Backend) {
	store := b.New(t)
	x := store(t, newEmbedder())
	ingest(t, x, "c", foxes(0, 3)...)
	ask(t, x, index.Query{Text: "fox"})
	e := &Embedder{Name: "others@32"}
	other := store(t, e)
	m := commit(t, begin(t, other, index.BuildOptions{Collection: "c", Reembed: true}))
	if m.Space != "others@32" || m.Documents != 3 || m.Generation != 2 {
		t.Errorf("got %+v, want three documents in the new space", m)
	}
	if n := len(e.takeAsked()); n != 3 {
		t.Errorf("got %d texts embedded, want 3", n)
	}
	legs := ask(t, other, index.Query{Text: "fox"})
	same(t, "vectors", found(t, legs.Vector), []string{"doc000", "doc001", "doc002"})
	same(t, "keywords", found(t, legs.Keyword), []string{"doc000", "doc001", "doc002"})
	legs = ask(t, x, index.Query{Text: "fox"})
	if !errors.Is(legs.Vector.Err, index.ErrSpace) || len(legs.Keyword.Hits) != 3 {
		t.Errorf("a reader of the old space: got %v and %v, want ErrSpace and keywords", legs.Vector, legs.Keyword)
	}
	_, changes := ingest(t, other, "c", foxes(0, 3)...)
	if slices.ContainsFunc(changes, func(c index.Change) bool { return c != index.Unchanged }) {
		t.Errorf("got the changes %v after a reembed, want none", changes)
	}
}

func lease(t *testing.T, b Backend) {
	store := b.New(t)
	x, other := store(t, newEmbedder()), store(t, newEmbedder())
	r := begin(t, x, index.BuildOptions{Collection: "c"})
	for name, e := range map[string]index.Engine{"the same": x, "another": other} {
		if _, err := e.Begin(t.Context(), index.BuildOptions{Collection: "c"}); !errors.Is(err, index.ErrBusy) || !strings.Contains(err.Error(), "process ") {
			t.Errorf("a second run of %s process: got %v, want ErrBusy and who has it", name, err)
		}
	}
	ingest(t, other, "d", doc("a", "fox")) // another collection
	add(t, r, foxes(0, 1)...)
	commit(t, r)
	ingest(t, other, "c", foxes(1, 2)...)
	r = begin(t, x, index.BuildOptions{Collection: "c"})
	r.Abort()
	r.Abort()
	ingest(t, other, "c", foxes(2, 3)...)
}

func empty(t *testing.T, b Backend) {
	x := b.New(t)(t, newEmbedder())
	if m := commit(t, begin(t, x, index.BuildOptions{Collection: "c"})); m.Documents != 0 {
		t.Errorf("a run of nothing: got %+v", m)
	}
	if err := x.Exists(t.Context(), "c"); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("after a run of nothing: got %v, want ErrNotFound", err)
	}
	m, _ := ingest(t, x, "c", doc("a", " \n"))
	if m.Documents != 1 || m.Chunks != 0 || m.Generation != 1 {
		t.Errorf("a document of no text: got %+v", m)
	}
	legs := ask(t, x, index.Query{Text: "fox"})
	same(t, "found", append(found(t, legs.Vector), found(t, legs.Keyword)...), []string{})
	ingest(t, x, "c", doc("b", "fox"))
	legs = ask(t, x, index.Query{Text: "fox"})
	same(t, "vectors", found(t, legs.Vector), []string{"b"})
	same(t, "keywords", found(t, legs.Keyword), []string{"b"})
}

func unicodeTexts(t *testing.T, b Backend) {
	x := b.New(t)(t, newEmbedder())
	texts := map[string]string{
		"größe/ümläut": "Die Straße führt über Äcker", "日本語": "東京は日本の首都です", "emoji 🦊": "a 🦊 jumps over 👩‍👩‍👧", "zero": "a fox\x00 with a zero",
		"rtl": "שלום עולם", "quote": `it's "quoted" \ back $1 {a,b} NULL`,
	}
	var docs []index.Document
	for id, text := range texts {
		d := doc(id, text)
		d.Meta = map[string]any{"k": "v\x00é", "schlüssel": id}
		docs = append(docs, d)
	}
	m, _ := ingest(t, x, "c", docs...)
	if m.Documents != len(texts) {
		t.Errorf("got %d documents, want %d", m.Documents, len(texts))
	}
	for query, want := range map[string]string{"Straße": "größe/ümläut", "東京": "日本語", "京": "日本語", "zero": "zero", "עולם": "rtl", "quoted null": "quote"} {
		legs := ask(t, x, index.Query{Text: query})
		if h := legs.Keyword.Hits; legs.Keyword.Err != nil || len(h) == 0 || h[0].Chunk.DocumentID != want {
			t.Errorf("%q: got %v, %v, want %s first", query, found(t, legs.Keyword), legs.Keyword.Err, want)
		}
	}
	for _, h := range ask(t, x, index.Query{Text: "fox", SkipKeyword: true}).Vector.Hits {
		want := texts[h.Chunk.DocumentID]
		if got := h.Chunk.Text; got != want && got != strings.ReplaceAll(want, "\x00", "\uFFFD") {
			t.Errorf("got the text %q, want %q", got, want)
		}
	}
	same(t, "by metadata", found(t, ask(t, x, index.Query{Text: "fox", Filters: map[string]any{"schlüssel": "日本語"}}).Vector), []string{"日本語"})
	if report, err := x.Inspect(t.Context(), "c"); err != nil || len(report.Problems) > 0 {
		t.Errorf("inspect: got %v, %v, want no problem", report.Problems, err)
	}
	_, changes := ingest(t, x, "c", docs...)
	if slices.ContainsFunc(changes, func(c index.Change) bool { return c != index.Unchanged }) {
		t.Errorf("got the changes %v of the same documents, want none", changes)
	}
	if deleted, err := x.Delete(t.Context(), "c", []string{"日本語"}); err != nil || len(deleted) != 1 {
		t.Errorf("delete: got %v, %v", deleted, err)
	}
}

func marks(t *testing.T, b Backend) {
	x := b.New(t)(t, newEmbedder())
	d := doc("a", strings.Repeat("first words of it. ", 3)+"\n\n"+strings.Repeat("second words of it. ", 3))
	d.Meta = map[string]any{"lang": "en"}
	d.Marks = []index.Mark{{Start: 50, Meta: map[string]any{"page": 2}}}
	ingest(t, x, "c", d)
	_, chunks, err := x.Document(t.Context(), "c", "a", nil)
	if err != nil || len(chunks) < 2 {
		t.Fatalf("got %d chunks, %v", len(chunks), err)
	}
	for _, c := range chunks {
		_, paged := c.Meta["page"]
		if c.Meta["lang"] != "en" || paged != (c.Start >= 50) {
			t.Errorf("chunk from %d: got the metadata %v", c.Start, c.Meta)
		}
	}
}

func dryRun(t *testing.T, b Backend) {
	e := newEmbedder()
	x := b.New(t)(t, e)
	r := begin(t, x, index.BuildOptions{Collection: "c", DryRun: true})
	if c := add(t, r, doc("a", "fox")); c[0] != index.Added {
		t.Errorf("got %v, want Added", c)
	}
	commit(t, r)
	if err := x.Exists(t.Context(), "c"); !errors.Is(err, index.ErrNotFound) || len(e.takeAsked()) > 0 {
		t.Errorf("got %v after a dry run, want ErrNotFound and nothing embedded", err)
	}
	ingest(t, x, "c", doc("a", "fox"))
	r = begin(t, x, index.BuildOptions{Collection: "c", DryRun: true})
	if c := add(t, r, doc("a", "bear"), doc("b", "fox")); !slices.Equal(c, []index.Change{index.Updated, index.Added}) {
		t.Errorf("got %v, want Updated, Added", c)
	}
	if m := commit(t, r); m.Generation != 1 {
		t.Errorf("got generation %d after a dry run, want 1", m.Generation)
	}
}

func inspect(t *testing.T, b Backend) {
	x := b.New(t)(t, newEmbedder())
	ingest(t, x, "c", foxes(0, 20)...)
	ingest(t, x, "c", append(foxes(10, 12), doc("doc001", "another fox"))...)
	if _, err := x.Delete(t.Context(), "c", []string{"doc003"}); err != nil {
		t.Fatal(err)
	}
	report, err := x.Inspect(t.Context(), "c")
	if err != nil || len(report.Problems) > 0 || report.Manifest.Documents != 19 {
		t.Errorf("got %+v, %v, want 19 documents and no problem", report, err)
	}
	if _, err := x.Inspect(t.Context(), "nothing"); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("of no collection: got %v, want ErrNotFound", err)
	}
}
