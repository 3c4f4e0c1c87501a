package opensearch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/remote"
)

// staged is what a run has written and not published.
type staged struct {
	store  string // "" until something is written
	number int    // of the run
	dims   int    // of the store's vectors; 0 while it has no field for them
	anew   bool   // a store of its own, for all documents
	bulk   *bulk

	documents int // written by this run
	chunks    int
	records   int // born in this run
	killed    int // records that died in it
	sum       []float64
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
	if err := r.flush(ctx); err != nil || r.stage.bulk == nil {
		return err
	}
	r.failed = r.stage.bulk.flush(ctx)
	return r.failed
}

func (r *run) flush(ctx context.Context) error {
	if r.failed == nil {
		r.failed = r.flushPending(ctx)
	}
	return r.failed
}

func (r *run) flushPending(ctx context.Context) error {
	if len(r.pending) == 0 {
		return nil
	}
	if err := r.lease.check(); err != nil {
		return err
	}
	vectors, keys, err := r.vectors.Of(ctx, r.pending)
	if err != nil {
		return err
	}
	if err := r.openStore(ctx); err != nil {
		return err
	}
	var chunks []index.Chunk
	for _, p := range r.pending {
		chunks = append(chunks, p.Cut.Chunks...)
	}
	words := r.terms.Chunks(chunks)
	for _, p := range r.pending {
		n := len(p.Cut.Chunks)
		if err := r.write(ctx, p, vectors[:n], keys[:n], words[:n]); err != nil {
			return fmt.Errorf("write documents: %w", err)
		}
		vectors, keys, words = vectors[n:], keys[n:], words[n:]
	}
	r.embedded += r.ahead
	r.pending, r.ahead = nil, 0
	return nil
}

func (r *run) tell(embedded int) {
	if r.opts.Embedded != nil {
		r.opts.Embedded(embedded)
	}
}

// knownBatch is how many texts are looked for in one search.
const knownBatch = 1000

// knownVectors implements the Known of [remote.Vectors].
func (r *run) knownVectors(ctx context.Context, keys []index.Key) (map[index.Key][]float32, error) {
	known := map[index.Key][]float32{}
	if len(r.known) == 0 {
		return known, nil
	}
	for part := range slices.Chunk(keys, knownBatch) {
		names := make([]string, len(part))
		for i, k := range part {
			names[i] = hexKey(k)
		}
		for _, store := range r.known {
			if err := r.knownIn(ctx, store, names, known); err != nil {
				return nil, err
			}
		}
	}
	return known, nil
}

func (r *run) knownIn(ctx context.Context, store string, names []string, into map[index.Key][]float32) error {
	body := object{
		"size": len(names), "track_total_hits": false, "query": both(among("key", names)), "collapse": object{"field": "key"},
		"_source": false, "docvalue_fields": []string{"key", "raw"},
	}
	var got response
	if err := r.engine.call(ctx, http.MethodPost, "/"+store+"/_search?rest_total_hits_as_int=true", body, &got); err != nil {
		return unreachable(err)
	}
	for _, h := range got.Hits.Hits {
		k, err := parseKey(first(h.Fields.Key))
		if err != nil {
			return err
		}
		if raw := first(h.Fields.Raw); len(raw) > 0 {
			into[k] = bytesFloats(raw)
		}
	}
	return nil
}

// openStore makes sure that there is an index to write into, with a field for
// vectors once there are any.
func (r *run) openStore(ctx context.Context) error {
	s := &r.stage
	if s.store == "" {
		if err := r.makeStore(ctx); err != nil {
			return err
		}
	}
	if s.dims != 0 || r.vectors.Dims == 0 {
		return nil
	}
	body := object{"properties": object{"vector": vectorField(r.vectors.Dims)}, "_meta": storeMeta{format, r.space}}
	if err := r.engine.call(ctx, http.MethodPut, "/"+s.store+"/_mapping", body, nil); err != nil {
		return fmt.Errorf("tell %s of vectors: %w", s.store, unreachable(err))
	}
	s.dims = r.vectors.Dims
	return nil
}

func (r *run) makeStore(ctx context.Context) error {
	s, e := &r.stage, r.engine
	store := r.prev.Store
	if store == "" || s.anew {
		store = e.storeStem(r.opts.Collection) + strconv.Itoa(s.number)
		s.dims = r.vectors.Dims
		err := e.call(ctx, http.MethodPut, "/"+store+"?wait_for_active_shards=1", e.storeBody(store, r.space, s.dims), nil)
		// A try whose answer was lost has made it: the run's number is its own.
		if err != nil && !hasType(err, "resource_already_exists_exception") {
			return fmt.Errorf("make index %s: %w", store, unreachable(err))
		}
	} else {
		s.dims = r.prev.Dims
	}
	s.store = store
	var ctxBulk context.Context
	ctxBulk, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.bulk = e.newBulk(ctxBulk, store, r.lease.check)
	return nil
}

// write adds a document with its chunks to what is sent.
func (r *run) write(ctx context.Context, p index.Stored, vectors [][]float32, keys []index.Key, words []lexical.Words) error {
	s := &r.stage
	d, err := documentRecord(p, s.number)
	if err != nil {
		return err
	}
	if err := r.put(ctx, d); err != nil {
		return err
	}
	for i, c := range p.Cut.Chunks {
		rec, err := chunkRecord(d, c, keys[i])
		if err != nil {
			return err
		}
		rec.setWords(words[i])
		rec.setVector(vectors[i])
		if err := r.put(ctx, rec); err != nil {
			return err
		}
		s.sum = addMean(s.sum, vectors[i], 1)
	}
	s.documents++
	s.chunks += len(p.Cut.Chunks)
	return nil
}

// put writes a record of this run.
func (r *run) put(ctx context.Context, rec record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	r.stage.records++
	id := recordID(rec.Born, rec.Doc)
	if rec.Kind == isChunk {
		id = chunkID(rec.Born, rec.Doc, rec.Ordinal)
	}
	return r.stage.bulk.add(ctx, action{ID: id}, b)
}

// replace writes a record again, if it is still as it was read.
func (r *run) replace(ctx context.Context, h hit, rec record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return r.stage.bulk.add(ctx, action{ID: h.ID, SeqNo: &h.SeqNo, Term: &h.Term}, b)
}

// restored is the record of a hit, whole, as it can be written again.
func (r *run) restored(h hit) (record, error) {
	rec, err := h.record()
	if err != nil {
		return rec, err
	}
	f := h.Fields
	rec.Doc, rec.Key, rec.Hash, rec.Src = first(f.Doc), first(f.Key), first(f.Hash), first(f.Src)
	rec.Facts, rec.Born = f.Facts, first(f.Born)
	if rec.Kind != isChunk {
		return rec, nil
	}
	c, err := rec.chunk()
	if err != nil {
		return rec, err
	}
	rec.setWords(r.terms.Chunk(c))
	if raw := first(f.Raw); len(raw) > 0 {
		rec.setVector(bytesFloats(raw))
	} else {
		err = errors.New("its vector is not there")
	}
	return rec, err
}

// whole are the doc values that restored needs.
var whole = []string{"doc", "key", "hash", "src", "facts", "born", "raw"}
