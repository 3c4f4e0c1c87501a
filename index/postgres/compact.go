package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ragproxy/ragproxy/index/lexical"
)

// Lists are written anew when what is wrong with them is more than leastWaste
// and more than a quarter of the chunks: chunks that were deleted, which still
// count as having their words, and chunks of small runs, each of which begins a
// list of its own for every word. So a chunk is rewritten some four times on
// the average, however it came.
const leastWaste = 1024

// compactPage is about how many rows of lists are in memory.
const compactPage = 20_000

func (r *row) wasteful() bool {
	waste := r.statLoose + int(r.statChunks) - r.chunks
	return waste > max(leastWaste, r.chunks/4)
}

// compact writes the published lists anew, for the generation to come, without
// the chunks that are gone, and what is counted with them. The old ones are
// deleted by publish.
func (r *run) compact(ctx context.Context, next *row) error {
	gone := append([]int{}, r.goneRows()...) // nil would be NULL, which is not unlike anything
	there := make([]bool, next.nextChunk)
	words := int64(0)
	rows, err := r.conn.Query(ctx, in(next.store, "SELECT row, words FROM chunk_# WHERE NOT doc = ANY($1)"), gone)
	if err != nil {
		return fmt.Errorf("read chunks: %w", err)
	}
	var chunk, length int
	_, err = pgx.ForEachRow(rows, []any{&chunk, &length}, func() error {
		if chunk < 0 || chunk >= len(there) {
			return fmt.Errorf("chunk %d of %d: %w", chunk, len(there), errPostings)
		}
		there[chunk] = true
		words += int64(length)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read chunks: %w", err)
	}
	for after, more := "", true; more; {
		var lists termLists
		if lists, after, more, err = r.nextLists(ctx, next.store, after, compactPage); err != nil {
			return err
		}
		if err := r.copy(ctx, lists.rows(next.store, next.generation, there)); err != nil {
			return err
		}
		if err := r.settle(); err != nil { // the connection reads on
			return err
		}
	}
	r.stage.compacted = true
	next.statChunks, next.statTokens, next.statLoose = int64(next.chunks), words, 0
	return nil
}

// termLists are the lists of words, in the words' order.
type termLists struct {
	terms []string
	lists [][]lexical.Occurrence
}

func (l *termLists) add(term string, list []byte) error {
	last := len(l.terms) - 1
	if last < 0 || l.terms[last] != term {
		l.terms, l.lists = append(l.terms, term), append(l.lists, nil)
		last++
	}
	var err error
	if l.lists[last], err = readPostings(list, l.lists[last]); err != nil {
		return fmt.Errorf("postings of %q: %w", term, err)
	}
	return nil
}

// nextLists are the published lists of some words behind one, whole, and the
// last of them. A word that has more rows than a page is read with a larger one.
func (r *run) nextLists(ctx context.Context, store int, after string, page int) (out termLists, last string, more bool, err error) {
	rows, err := r.conn.Query(ctx, in(store, "SELECT term, list FROM posting_# WHERE term > $1 AND born <= $2 ORDER BY term, ctid LIMIT $3"), after, r.prev.generation, page)
	if err != nil {
		return out, after, false, fmt.Errorf("read postings: %w", err)
	}
	n := 0
	var term string
	var list []byte
	if _, err := pgx.ForEachRow(rows, []any{&term, &list}, func() error { n++; return out.add(term, list) }); err != nil {
		return out, after, false, fmt.Errorf("read postings: %w", err)
	}
	if more = n == page; !more || len(out.terms) == 0 {
		return out, term, false, nil
	}
	whole := len(out.terms) - 1 // the page may end within the last word's
	if whole == 0 {
		return r.nextLists(ctx, store, after, 2*page)
	}
	out.terms, out.lists = out.terms[:whole], out.lists[:whole]
	return out, out.terms[whole-1], true, nil
}

// rows are what the table takes, without chunks that are not there.
func (l *termLists) rows(store, born int, there []bool) into {
	out := into{table: in(store, "posting_#"), columns: postingColumns()}
	for i, term := range l.terms {
		out.rows = append(out.rows, listRows(term, born, l.lists[i], func(row int32) bool { return int(row) < len(there) && there[row] })...)
	}
	return out
}
