package postgres_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/postgres"
	"github.com/ragproxy/ragproxy/internal/pgtest"
)

// TestCompact: many small runs and many deletions leave lists as short and
// scores as right as those of a collection that was made at once.
func TestCompact(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t)
	x := open(t, postgres.Options{URL: url, Embedder: letters{}})
	all := func(from, to, version int) (out []index.Document) {
		for i := from; i < to; i++ {
			out = append(out, docs(fmt.Sprintf("d%04d the fox number%d version%d", i, i, version))...)
		}
		return out
	}
	for i := 0; i < 1500; i += 50 { // small runs
		publish(t, x, all(i, i+50, 1)...)
	}
	if n := count(t, url, "SELECT count(*) FROM posting_1 WHERE term = 'fox'"); n > 20 {
		t.Errorf("got %d rows for a word after 30 small runs, want the lists written anew once", n)
	}
	publish(t, x, all(0, 1500, 2)...) // all are replaced
	publish(t, x, all(0, 100, 3)...)
	if n := count(t, url, "SELECT stat_chunks FROM collection"); n > 1500+1024+100 {
		t.Errorf("got %d chunks counted, want those that are gone left out", n)
	}
	if n := count(t, url, "SELECT count(*) FROM posting_1 WHERE term = 'version1'"); n != 0 {
		t.Errorf("got %d rows for a word that no chunk has any more, want none", n)
	}
	if r, err := x.Inspect(t.Context(), "c"); err != nil || len(r.Problems) > 0 || r.Manifest.Documents != 1500 {
		t.Errorf("got %d documents, %v, %v, want 1500 and no problem", r.Manifest.Documents, r.Problems, err)
	}
	for query, want := range map[string]string{"number77": "d0077", "number1234": "d1234"} {
		legs, err := x.Search(t.Context(), index.Query{Text: query, Collection: "c", Depth: 3})
		if err != nil || len(legs.Keyword.Hits) == 0 || legs.Keyword.Hits[0].Chunk.DocumentID != want {
			t.Errorf("%s: got %v, %v, want %s", query, legs.Keyword, err, want)
		}
	}

	// What is left is scored as in a collection that never had anything else.
	var gone []string
	for i := 10; i < 1500; i++ {
		gone = append(gone, fmt.Sprintf("d%04d", i))
	}
	if _, err := x.Delete(t.Context(), "c", gone); err != nil {
		t.Fatal(err)
	}
	fresh := open(t, postgres.Options{URL: server.Database(t), Embedder: letters{}})
	publish(t, fresh, all(0, 10, 3)...)
	for _, query := range []string{"number7", "the fox", "version3"} {
		got, err := x.Search(t.Context(), index.Query{Text: query, Collection: "c", Depth: 20})
		want, errWant := fresh.Search(t.Context(), index.Query{Text: query, Collection: "c", Depth: 20})
		if err != nil || errWant != nil || len(got.Keyword.Hits) != len(want.Keyword.Hits) || got.Keyword.Ceiling != want.Keyword.Ceiling {
			t.Fatalf("%s: got %d hits below %v, %v, want %d below %v, %v", query, len(got.Keyword.Hits), got.Keyword.Ceiling, err, len(want.Keyword.Hits), want.Keyword.Ceiling, errWant)
		}
		for i, h := range got.Keyword.Hits {
			if w := want.Keyword.Hits[i]; h.Score != w.Score || h.Chunk.DocumentID != w.Chunk.DocumentID {
				t.Errorf("%s, hit %d: got %s with %v, want %s with %v", query, i, h.Chunk.DocumentID, h.Score, w.Chunk.DocumentID, w.Score)
			}
		}
	}
}

// TestCompactIsCutOff: a run that ends in the middle of writing the lists anew
// leaves those that are published.
func TestCompactIsCutOff(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t)
	x := open(t, postgres.Options{URL: url, Embedder: letters{}})
	var list []index.Document
	for i := range 1200 {
		list = append(list, docs(fmt.Sprintf("d%d the fox number%d", i, i))...)
	}
	publish(t, x, list...)
	execute(t, url, `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'`)
	execute(t, url, "CREATE TRIGGER no BEFORE DELETE ON posting_1 EXECUTE FUNCTION no()")
	var gone []string
	for _, d := range list[1:] {
		gone = append(gone, d.ID)
	}
	if _, err := x.Delete(t.Context(), "c", gone); err == nil {
		t.Fatal("got no error of a delete that cannot drop the old lists")
	}
	legs, err := x.Search(t.Context(), index.Query{Text: "number7", Collection: "c", Depth: 3})
	if err != nil || len(legs.Keyword.Hits) == 0 || legs.Keyword.Hits[0].Chunk.DocumentID != "d7" {
		t.Errorf("got %v, %v, want d7 as before", legs.Keyword, err)
	}
	execute(t, url, "DROP TRIGGER no ON posting_1")
	if deleted, err := x.Delete(t.Context(), "c", gone); err != nil || len(deleted) != len(gone) {
		t.Errorf("got %d deleted, %v, want %d", len(deleted), err, len(gone))
	}
	if r, err := x.Inspect(t.Context(), "c"); err != nil || len(r.Problems) > 0 || r.Manifest.Documents != 1 {
		t.Errorf("got %d documents, %v, %v, want 1 and no problem", r.Manifest.Documents, r.Problems, err)
	}
}

func count(t testing.TB, url, sql string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "SET search_path = ragproxy, public"); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}
