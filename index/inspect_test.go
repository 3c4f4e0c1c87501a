package index_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/index"
)

// forgetful is a keyword engine that loses the text of one chunk.
type forgetful struct{ index.KeywordEngine }

func (f forgetful) Build(ctx context.Context, chunks iter.Seq[index.Chunk], dir string) error {
	return f.KeywordEngine.Build(ctx, func(yield func(index.Chunk) bool) {
		for c := range chunks {
			if c.DocumentID == "doc04" {
				c.Title, c.Text = "", "other"
			}
			if !yield(c) {
				return
			}
		}
	}, dir)
}

// blind is a vector engine that never finds row 3.
type blind struct{ index.VectorEngine }

func (b blind) Open(m index.Matrix, dir string) (index.VectorSearcher, error) {
	s, err := b.VectorEngine.Open(m, dir)
	return blindSearcher{s}, err
}

type blindSearcher struct{ index.VectorSearcher }

func (s blindSearcher) Search(ctx context.Context, query []float32, k int, allow index.Allow) ([]index.Match, error) {
	return s.VectorSearcher.Search(ctx, query, k, func(row int) bool { return row != 3 && (allow == nil || allow(row)) })
}

// torn is a vector engine whose searchers say that they are not sound.
type torn struct{ index.VectorEngine }

func (e torn) Open(m index.Matrix, dir string) (index.VectorSearcher, error) {
	s, err := e.VectorEngine.Open(m, dir)
	return tornSearcher{s}, err
}

type tornSearcher struct{ index.VectorSearcher }

func (tornSearcher) Verify(_ context.Context, rows int) error {
	if rows != 9 {
		return errors.New("wrong rows")
	}
	return errors.New("two parts")
}

// TestVerifyAsksTheLegs: every checksum is right, and still something is wrong.
func TestVerifyAsksTheLegs(t *testing.T) {
	by := func(e index.VectorEngine) func(string) (index.VectorEngine, error) {
		return func(string) (index.VectorEngine, error) { return e, nil }
	}
	tests := map[string]struct {
		change func(o *index.Options)
		want   string
	}{
		"keyword": {func(o *index.Options) { o.Keyword = forgetful{o.Keyword} }, "does not find chunk doc04#chunk-0"},
		"vector":  {func(o *index.Options) { o.VectorByName = by(blind{o.Vector}) }, "does not find chunk doc03#chunk-0"},
		"graph":   {func(o *index.Options) { o.VectorByName = by(torn{o.Vector}) }, "two parts"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x := open(t, t.TempDir(), newEmbedder(), tt.change)
			ingest(t, x, "src", foxes(9)...)
			if err := x.Verify("c"); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "again") {
				t.Errorf("got %v, want %q and what to do", err, tt.want)
			}
		})
	}
	// What an engine wrote wrongly, compact makes again.
	dir := t.TempDir()
	ingest(t, open(t, dir, newEmbedder(), tests["keyword"].change), "src", foxes(9)...)
	sound := open(t, dir, newEmbedder())
	if m, err := sound.Compact(t.Context(), "c"); err != nil || m.Generation != 2 {
		t.Errorf("got generation %d, error %v from compact, want generation 2", m.Generation, err)
	}
	if err := sound.Verify("c"); err != nil {
		t.Errorf("got %v after compact, want nothing", err)
	}
	// Chunks that no query finds: no words, no direction, no text at all.
	e := newEmbedder()
	e.documents = func(texts []string) ([][]float32, error) {
		out := embedAll(texts)
		clear(out[0])
		return out, nil
	}
	x := open(t, t.TempDir(), e)
	ingest(t, x, "src", index.Document{ID: "a", Text: "!?"}, index.Document{ID: "b", Text: "the"}, index.Document{ID: "d"}, doc("e", "a fox"))
	if err := x.Verify("c"); err != nil {
		t.Errorf("got %v for what cannot be found, want nothing", err)
	}
}
