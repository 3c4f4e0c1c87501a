package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
)

const (
	embedAhead = 128  // chunks that are embedded together
	listAhead  = 4096 // chunks whose postings are written together
)

// staged is what a run has written and not published.
type staged struct {
	store     int // 0 until something is written
	dims      int
	born      int
	anew      bool // a store of its own, for all documents
	compacted bool // all lists of postings are written anew
	document  int  // the next rows
	chunk     int
	documents int // written by this run
	chunks    int
	tokens    int64
	lists     map[string][]lexical.Occurrence
	inLists   int
}

func newStaged(r *run) staged {
	return staged{
		born: r.prev.generation + 1, dims: r.prev.dims, document: max(r.prev.nextDocument, 1), chunk: max(r.prev.nextChunk, 1),
		lists: map[string][]lexical.Occurrence{},
	}
}

func (r *run) enqueue(ctx context.Context, p pending) error {
	r.pending = append(r.pending, p)
	r.ahead += len(p.cut.Chunks)
	if r.ahead < embedAhead && len(r.pending) < 8*embedAhead {
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
	r.failed = told(r.settle())
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
	vectors, keys, err := r.embed(ctx)
	if err != nil {
		return err
	}
	if err := r.openStore(ctx); err != nil {
		return fmt.Errorf("make tables: %w", err)
	}
	if err := r.write(ctx, vectors, keys); err != nil {
		return fmt.Errorf("write documents: %w", err)
	}
	r.embedded += r.ahead
	r.pending, r.ahead = nil, 0
	if r.stage.inLists >= listAhead {
		return r.writeLists(ctx)
	}
	return nil
}

// embed gives a unit vector and its text's key for each pending chunk. A text
// whose vector is at hand is not embedded again.
func (r *run) embed(ctx context.Context) ([]pgvector.Vector, []index.Key, error) {
	var keys []index.Key
	texts := map[index.Key]string{}
	for _, p := range r.pending {
		for _, text := range p.cut.Texts {
			k := index.KeyOf(text)
			if keys = append(keys, k); p.cut.Vectors == nil {
				texts[k] = text
			}
		}
	}
	known, err := r.known(ctx, slices.Collect(maps.Keys(texts)))
	if err != nil {
		return nil, nil, err
	}
	var ask []index.Key
	for _, k := range keys { // in their order, so that runs are alike
		_, wanted := texts[k]
		if _, ok := known[k]; wanted && !ok {
			known[k], ask = nil, append(ask, k)
		}
	}
	for len(ask) > 0 {
		part := ask[:min(embedAhead, len(ask))]
		ask = ask[len(part):]
		if err := r.ask(ctx, part, texts, known); err != nil {
			return nil, nil, err
		}
		r.tell(r.embedded + r.ahead - len(ask))
	}
	vectors := make([]pgvector.Vector, 0, len(keys))
	for _, p := range r.pending {
		for i := range p.cut.Texts {
			v := known[keys[len(vectors)]]
			if p.cut.Vectors != nil {
				v = p.cut.Vectors[i]
			}
			vectors = append(vectors, pgvector.NewVector(v))
		}
	}
	return vectors, keys, nil
}

func (r *run) tell(embedded int) {
	if r.opts.Embedded != nil {
		r.opts.Embedded(embedded)
	}
}

func (r *run) ask(ctx context.Context, keys []index.Key, texts map[index.Key]string, into map[index.Key][]float32) error {
	if r.opts.Like != nil {
		return errors.New("embed chunks: this run embeds nothing")
	}
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = texts[k]
	}
	got, err := r.engine.opts.Embedder.EmbedDocuments(ctx, list)
	if err != nil {
		return fmt.Errorf("embed chunks: %w", &index.EmbedderError{Err: err})
	}
	if err := index.UnitVectors(got, len(keys), r.stage.dims); err != nil {
		return fmt.Errorf("embed chunks: %w", err)
	}
	r.stage.dims = len(got[0])
	for i, k := range keys {
		into[k] = got[i]
	}
	return nil
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
			return fmt.Errorf("look for known vectors: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var k []byte
			var v []float32
			if err := rows.Scan(&k, &v); err != nil {
				return fmt.Errorf("look for known vectors: %w", err)
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
	for _, v := range known {
		r.stage.dims = len(v)
		break
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
			if _, err := tx.Exec(ctx, in(store, storeTables(r.stage.dims))); err != nil {
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
		r.prev.dims = r.stage.dims // of the tables
	}
	return r.setDims(ctx)
}

// setDims tells tables that were made for documents without a text how many
// dimensions there are.
func (r *run) setDims(ctx context.Context) error {
	if r.prev.dims != 0 || r.stage.dims == 0 {
		return nil
	}
	if err := r.settle(); err != nil {
		return err
	}
	_, err := r.conn.Exec(ctx, in(r.stage.store, fmt.Sprintf("ALTER TABLE chunk_# ALTER COLUMN embedding TYPE vector(%d)", r.stage.dims)))
	r.prev.dims = r.stage.dims
	return err
}

func (r *run) write(ctx context.Context, vectors []pgvector.Vector, keys []index.Key) error {
	var documents, chunks [][]any
	s, at := &r.stage, 0
	for _, p := range r.pending {
		d := p.document
		meta, err := toJSON(d.Meta)
		marks, errMarks := toJSON(d.Marks)
		if err = errors.Join(err, errMarks); err != nil {
			return err
		}
		documents = append(documents, []any{
			s.document, d.ID, plain(d.URL), plain(d.Title), meta, marks, plain(p.source), p.cut.Hash[:], len(p.cut.Chunks), s.born,
		})
		for _, c := range p.cut.Chunks {
			var own any
			if len(d.Marks) > 0 {
				if own, err = toJSON(c.Meta); err != nil {
					return err
				}
			}
			chunks = append(chunks, []any{s.chunk, s.document, c.Ordinal, c.Start, c.End, keys[at][:], own, plain(c.Text), s.list(r, c), s.born, vectors[at]})
			s.chunk++
			at++
		}
		s.document++
	}
	s.documents, s.chunks = s.documents+len(documents), s.chunks+len(chunks)
	return r.copy(ctx,
		into{in(s.store, "document_#"), []string{"row", "id", "url", "title", "meta", "marks", "source", "hash", "chunks", "born"}, documents},
		into{in(s.store, "chunk_#"), []string{"row", "doc", "ordinal", "from_char", "to_char", "key", "meta", "text", "words", "born", "embedding"}, chunks})
}

// toJSON gives nil where there is nothing.
func toJSON[T map[string]any | []index.Mark](v T) (any, error) {
	if len(v) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(v)
	return json.RawMessage(plainJSON(b)), err
}

// list notes the words of a chunk, as it is stored, and counts them.
func (s *staged) list(r *run, c index.Chunk) int {
	c.Title, c.Text = plain(c.Title), plain(c.Text)
	counts, length := r.terms.Chunk(c)
	for term, n := range counts {
		s.lists[term] = append(s.lists[term], lexical.Occurrence{Row: int32(s.chunk), Count: uint32(n), Length: uint32(length)})
	}
	s.tokens += int64(length)
	s.inLists++
	return length
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
