package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/postgres"
	"github.com/ragproxy/ragproxy/index/split"
	"github.com/ragproxy/ragproxy/internal/pgtest"
)

// TestInspectNamesDamage: each kind of damage is told, and by what it is about.
func TestInspectNamesDamage(t *testing.T) {
	server := pgtest.Start(t)
	for damage, want := range map[string]string{
		"DELETE FROM chunk_1 WHERE row = 2":                                           "chunks: got 2, want 3",
		"DELETE FROM document_1 WHERE row = 1":                                        "documents: got 2, want 3",
		"UPDATE document_1 SET id = '2' WHERE row = 1":                                "documents that came twice",
		"UPDATE chunk_1 SET embedding = embedding + embedding WHERE row = 1":          "neither unit vectors nor zero",
		"UPDATE chunk_1 SET text = 'bears' WHERE row = 1":                             "not those of the chunks' words",
		"DELETE FROM posting_1 WHERE term = 'fox'":                                    "not those of the chunks' words",
		`UPDATE posting_1 SET list = '\xff' WHERE term = 'fox'`:                       `postings of "fox"`,
		"UPDATE posting_1 SET chunks = chunks + 1 WHERE term = 'fox'":                 `postings of "fox"`,
		`UPDATE posting_1 SET list = '\x010101ff7f0101', chunks = 2 WHERE term='fox'`: "of 4: ",
		"DROP TABLE posting_1":                                                        "posting_1",
	} {
		url := server.Database(t)
		x := open(t, postgres.Options{URL: url, Embedder: letters{}})
		publish(t, x, docs("1 fox", "2 the fox sleeps", "3 a fox")...)
		if r, err := x.Inspect(t.Context(), "c"); err != nil || len(r.Problems) > 0 {
			t.Fatalf("got %v, %v before any damage", r.Problems, err)
		}
		execute(t, url, damage)
		r, err := x.Inspect(t.Context(), "c")
		var told []string
		for _, p := range r.Problems {
			told = append(told, p.Error())
		}
		if text := strings.Join(told, "\n"); err != nil || !strings.Contains(text, want) {
			t.Errorf("%s: got %q, %v, want a problem with %q", damage, text, err, want)
		}
	}
}

// letters embeds a text by its letters.
type letters struct{}

func (letters) Space(context.Context) (string, error) { return "letters@26", nil }

func (e letters) EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, text := range texts {
		out[i], _ = e.EmbedQuery(ctx, text) // never fails
	}
	return out, nil
}

func (letters) EmbedQuery(_ context.Context, text string) ([]float32, error) {
	v := make([]float32, 26)
	for _, r := range text {
		if r >= 'a' && r <= 'z' {
			v[r-'a']++
		}
	}
	return v, nil
}

// docs are documents "ID TEXT".
func docs(list ...string) (out []index.Document) {
	for _, d := range list {
		id, text, _ := strings.Cut(d, " ")
		out = append(out, index.Document{ID: id, Text: text})
	}
	return out
}

func open(t testing.TB, o postgres.Options) *postgres.Engine {
	t.Helper()
	splitter, err := split.NewRecursive(split.Options{Size: 350, Overlap: 70})
	if err != nil {
		t.Fatal(err)
	}
	o.Splitter = splitter
	x, err := postgres.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func publish(t testing.TB, x index.Engine, docs ...index.Document) index.Manifest {
	t.Helper()
	r, err := x.Begin(t.Context(), index.BuildOptions{Collection: "c"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Abort()
	for _, d := range docs {
		if _, err := r.Add(t.Context(), "source", d); err != nil {
			t.Fatal(err)
		}
	}
	m, err := r.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func execute(t testing.TB, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "SET search_path = ragproxy, public; "+sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}
