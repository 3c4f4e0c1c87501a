package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/remote"
)

const (
	// writeAhead is how many chunks are written together, unless the last ones
	// were longer than writeEvery ago: as an embedder is slow, so that a run that
	// is killed loses no more than that.
	writeAhead = 1024
	writeEvery = time.Second
	// listAhead is how many chunks' postings are written together.
	listAhead = 4096
)

// staged is what a run has written and not published.
type staged struct {
	store     int // 0 until something is written
	born      int
	anew      bool // a store of its own, for all documents
	compacted bool // all lists of postings are written anew
	document  int  // the next rows
	chunk     int
	documents int // written by this run
	chunks    int
	tokens    int64

	documentRows, chunkRows [][]any // to be written
	wrote                   time.Time

	lists   map[string][]lexical.Occurrence
	inLists int
}

func newStaged(r *run) staged {
	return staged{
		born: r.prev.generation + 1, document: max(r.prev.nextDocument, 1), chunk: max(r.prev.nextChunk, 1),
		lists: map[string][]lexical.Occurrence{},
	}
}

func (r *run) enqueue(ctx context.Context, p index.Stored) error {
	r.pending = append(r.pending, p)
	r.ahead += len(p.Cut.Chunks)
	if r.ahead < remote.EmbedAhead && len(r.pending) < 8*remote.EmbedAhead {
		return nil
	}
	return r.flush(ctx)
}

// Flush implements [index.Run].
func (r *run) Flush(ctx context.Context) error {
	if r.opts.DryRun {
		return nil
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	r.failed = told(errors.Join(r.writeRows(ctx), r.settle()))
	return r.failed
}

func (r *run) flush(ctx context.Context) error {
	if r.failed == nil {
		r.failed = told(r.flushPending(ctx))
	}
	return r.failed
}

func (r *run) flushPending(ctx context.Context) error {
	if len(r.pending) == 0 {
		return nil
	}
	vectors, keys, err := r.vectors.Of(ctx, r.pending)
	if err != nil {
		return err
	}
	if err := r.openStore(ctx); err != nil {
		return fmt.Errorf("make tables: %w", err)
	}
	if err := r.addRows(vectors, keys); err != nil {
		return err
	}
	r.embedded += r.ahead
	r.pending, r.ahead = nil, 0
	if len(r.stage.chunkRows) >= writeAhead || time.Since(r.stage.wrote) > writeEvery {
		if err := r.writeRows(ctx); err != nil {
			return err
		}
	}
	if r.stage.inLists >= listAhead {
		return r.writeLists(ctx)
	}
	return nil
}

func (r *run) tell(embedded int) {
	if r.opts.Embedded != nil {
		r.opts.Embedded(embedded)
	}
}

// known gives the vectors of texts that were embedded before in this space.
func (r *run) known(ctx context.Context, keys []index.Key) (map[index.Key][]float32, error) {
	known, list := map[index.Key][]float32{}, make([][]byte, len(keys))
	if !r.recall {
		return known, nil
	}
	if err := r.settle(); err != nil {
		return nil, err
	}
	for i, k := range keys {
		list[i] = k[:]
	}
	read := func(sql string, args ...any) error {
		rows, err := r.conn.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k []byte
			var v []float32
			if err := rows.Scan(&k, &v); err != nil {
				return err
			}
			known[index.Key(k)] = v
		}
		return rows.Err()
	}
	if err := read("SELECT key, embedding FROM embedded WHERE collection = $1 AND space = $2 AND key = ANY($3)", r.opts.Collection, r.space, list); err != nil {
		return nil, err
	}
	if r.prev.store != 0 && r.prev.chunks > 0 && r.prev.space == r.space && !r.opts.Reembed {
		if err := read(in(r.prev.store, "SELECT key, embedding::real[] FROM chunk_# WHERE key = ANY($1)"), list); err != nil {
			return nil, err
		}
	}
	return known, nil
}

// openStore makes sure that there are tables to write into, and that the
// collection's row names them before anything is in them.
func (r *run) openStore(ctx context.Context) error {
	if r.stage.store != 0 {
		return r.setDims(ctx)
	}
	store, made := r.prev.store, false
	if store == 0 || r.stage.anew {
		if err := r.conn.QueryRow(ctx, "SELECT nextval('store_number')::int").Scan(&store); err != nil {
			return err
		}
		made, r.stage.document, r.stage.chunk = true, 1, 1
	}
	err := pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
		if made {
			if _, err := tx.Exec(ctx, in(store, storeTables(r.vectors.Dims))); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "UPDATE collection SET staging = $2, staging_space = $3 WHERE name = $1", r.opts.Collection, store, r.space)
		return err
	})
	if err != nil {
		return err
	}
	r.stage.store = store
	if made {
		r.prev.dims = r.vectors.Dims // of the tables
	}
	return r.setDims(ctx)
}

// setDims tells tables that were made for documents without a text how many
// dimensions there are.
func (r *run) setDims(ctx context.Context) error {
	if r.prev.dims != 0 || r.vectors.Dims == 0 {
		return nil
	}
	if err := r.settle(); err != nil {
		return err
	}
	_, err := r.conn.Exec(ctx, in(r.stage.store, fmt.Sprintf("ALTER TABLE chunk_# ALTER COLUMN embedding TYPE vector(%d)", r.vectors.Dims)))
	r.prev.dims = r.vectors.Dims
	return err
}

// addRows makes the rows of what is pending.
func (r *run) addRows(vectors [][]float32, keys []index.Key) error {
	words := r.terms.Chunks(storedChunks(r.pending))
	s, at := &r.stage, 0
	for _, p := range r.pending {
		d := p.Document
		meta, err := toJSON(d.Meta)
		marks, errMarks := toJSON(d.Marks)
		if err = errors.Join(err, errMarks); err != nil {
			return err
		}
		s.documentRows = append(s.documentRows, []any{
			s.document, d.ID, plain(d.URL), plain(d.Title), meta, marks, plain(p.Source), p.Cut.Hash[:], len(p.Cut.Chunks), s.born,
		})
		for _, c := range p.Cut.Chunks {
			var own any
			if len(d.Marks) > 0 {
				if own, err = toJSON(c.Meta); err != nil {
					return err
				}
			}
			s.chunkRows = append(s.chunkRows, []any{s.chunk, s.document, c.Ordinal, c.Start, c.End, keys[at][:], own, plain(c.Text), s.list(words[at]), s.born, pgvector.NewVector(vectors[at])})
			s.chunk++
			at++
		}
		s.document++
	}
	s.documents, s.chunks = s.documents+len(r.pending), s.chunks+at
	return nil
}

// writeRows begins to write the rows that were made.
func (r *run) writeRows(ctx context.Context) error {
	s := &r.stage
	documents := into{in(s.store, "document_#"), []string{"row", "id", "url", "title", "meta", "marks", "source", "hash", "chunks", "born"}, s.documentRows}
	chunks := into{in(s.store, "chunk_#"), []string{"row", "doc", "ordinal", "from_char", "to_char", "key", "meta", "text", "words", "born", "embedding"}, s.chunkRows}
	s.documentRows, s.chunkRows, s.wrote = nil, nil, time.Now()
	if err := r.copy(ctx, documents, chunks); err != nil {
		return fmt.Errorf("write documents: %w", err)
	}
	return nil
}

// toJSON gives nil where there is nothing.
func toJSON[T map[string]any | []index.Mark](v T) (any, error) {
	if len(v) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(v)
	return json.RawMessage(plainJSON(b)), err
}

// storedChunks are the chunks of documents, with their titles and texts as they
// are stored.
func storedChunks(list []index.Stored) (chunks []index.Chunk) {
	for _, p := range list {
		for _, c := range p.Cut.Chunks {
			c.Title, c.Text = plain(c.Title), plain(c.Text)
			chunks = append(chunks, c)
		}
	}
	return chunks
}

// list notes the words of the next chunk, and gives its length.
func (s *staged) list(w lexical.Words) int {
	for term, n := range w.Counts {
		s.lists[term] = append(s.lists[term], lexical.Occurrence{Row: int32(s.chunk), Count: uint32(n), Length: uint32(w.Length)})
	}
	s.tokens += int64(w.Length)
	s.inLists++
	return w.Length
}

func (r *run) writeLists(ctx context.Context) error {
	s := &r.stage
	if len(s.lists) == 0 {
		return nil
	}
	var rows [][]any
	for _, term := range slices.SortedFunc(maps.Keys(s.lists), cmp.Compare[string]) {
		rows = append(rows, listRows(plain(term), s.born, s.lists[term], nil)...)
	}
	if err := r.copy(ctx, into{in(s.store, "posting_#"), postingColumns(), rows}); err != nil {
		return err
	}
	s.lists, s.inLists = map[string][]lexical.Occurrence{}, 0
	return nil
}
