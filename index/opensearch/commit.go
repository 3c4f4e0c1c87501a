package opensearch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ragproxy/ragproxy/index"
)

// Commit implements [index.Run]. All that the run wrote is made visible on every
// copy first; then one document changes, if the lease is still held, and with it
// what searches ask for.
func (r *run) Commit(ctx context.Context) (index.Manifest, error) {
	m, err := r.commit(ctx)
	return m, errors.Join(err, r.Abort())
}

func (r *run) commit(ctx context.Context) (index.Manifest, error) {
	if r.opts.DryRun || r.failed == nil && r.idle() {
		return r.prev.manifest(), nil
	}
	if err := errors.Join(r.failed, ctx.Err()); err != nil {
		return index.Manifest{}, err
	}
	if r.lease == nil {
		return index.Manifest{}, errors.New("the run has ended")
	}
	steps := []func(context.Context) error{r.flush, r.carry, r.openStore, r.bury, r.settle}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			r.failed = err
			return index.Manifest{}, err
		}
	}
	next := r.next()
	now, err := r.lease.publish(ctx, r.stage.number, next)
	if err != nil {
		return index.Manifest{}, fmt.Errorf("publish generation %d: %w", next.Generation, err)
	}
	r.lease.end() // it was given back with that
	r.lease = nil
	r.stop()
	r.engine.learn(now)
	r.cleanUp(ctx)
	return now.manifest(), nil
}

func (r *run) idle() bool {
	if r.prev.Generation == 0 {
		return r.ledger.Empty()
	}
	return !r.ledger.Dirty
}

// next is the state as it will be published.
func (r *run) next() state {
	n, s := r.prev, r.stage
	n.Generation++
	n.Store, n.Keyword, n.Dims = s.store, r.terms.Engine(), s.dims
	if r.opts.Like != nil {
		n.Splitter = r.opts.Like.Splitter
	} else if r.engine.opts.Splitter != nil {
		n.Splitter = r.engine.opts.Splitter.Name()
	}
	sum := s.sum
	if s.anew {
		n.Documents, n.Chunks, n.Dead, n.Hidden = s.documents, s.chunks, 0, nil
	} else {
		for i, x := range bytesFloats(r.prev.Mean) {
			if sum == nil {
				sum = make([]float64, len(r.prev.Mean)/4)
			}
			sum[i] += float64(x) * float64(r.prev.Chunks)
		}
		n.Documents += s.documents - len(r.ledger.Gone)
		n.Chunks += s.chunks - r.ledger.GoneChunks()
		n.Dead += s.killed
	}
	n.Mean = meanBytes(sum, n.Chunks)
	if n.Space = r.space; n.Chunks == 0 {
		n.Space = ""
	}
	return n
}

// buryBatch is how many documents are looked up at once to die.
const buryBatch = 500

// bury writes the end of what goes: those who still ask for the generation
// before find it all the same. Documents that only came under another source get
// a new record.
func (r *run) bury(ctx context.Context) error {
	if r.stage.anew || r.prev.Store == "" {
		return nil
	}
	var gone, moved []string
	for id := range r.ledger.Gone {
		gone = append(gone, hexKey(id))
	}
	for id := range r.ledger.Moved {
		moved = append(moved, hexKey(id))
	}
	if err := r.buryThose(ctx, gone, r.prev.visible()); err != nil {
		return err
	}
	return r.buryThose(ctx, moved, both(r.prev.visible(), kind(isDocument)))
}

func (r *run) buryThose(ctx context.Context, docs []string, within object) error {
	slices.Sort(docs)
	for part := range slices.Chunk(docs, buryBatch) {
		s := scan{
			store: r.prev.Store, query: both(within, among("doc", part)), sort: []string{"doc", "kind", "ordinal"},
			fields: whole, source: true, seqNo: true,
		}
		err := r.engine.each(ctx, s, func(h hit) error { return r.buryOne(ctx, h) })
		if err != nil {
			return fmt.Errorf("mark what goes: %w", err)
		}
	}
	return nil
}

func (r *run) buryOne(ctx context.Context, h hit) error {
	rec, err := r.restored(h)
	if err != nil {
		return fmt.Errorf("%s: %w", h.ID, err)
	}
	id, err := parseKey(rec.Doc)
	if err != nil {
		return err
	}
	if source, ok := r.ledger.Moved[id]; ok && !r.ledger.Gone[id] {
		again := rec
		again.Source, again.Src, again.Born = source, nameKey(source), r.stage.number
		if err := r.put(ctx, again); err != nil {
			return err
		}
	}
	rec.Died = r.stage.number
	r.stage.killed++
	if rec.Kind == isChunk {
		r.stage.sum = addMean(r.stage.sum, bytesFloats(rec.Raw), -1)
	}
	return r.replace(ctx, h, rec)
}

// settle waits until all is written and can be searched, on every copy, and
// counts it: a server that has lost some of it is not to be published.
func (r *run) settle(ctx context.Context) error {
	s, e := &r.stage, r.engine
	if err := s.bulk.flush(ctx); err != nil {
		return err
	}
	if err := e.refresh(ctx, s.store); err != nil {
		return err
	}
	own := object{"term": object{"born": s.number}}
	killed := object{"term": object{"died": s.number}}
	for _, c := range []struct {
		query object
		want  int
	}{{own, s.records}, {killed, s.killed}} {
		got, err := e.count(ctx, s.store, c.query)
		if err != nil {
			return fmt.Errorf("count what was written: %w", err)
		}
		if got != c.want {
			return fmt.Errorf("OpenSearch has %d records of this run, %d were written: it has lost some, index again", got, c.want)
		}
	}
	return nil
}

// cleanUp removes what nobody asks for any more. What cannot be removed now
// stays: it is not looked at, and the next run tries again.
func (r *run) cleanUp(ctx context.Context) {
	if r.stage.anew && r.prev.Store != "" {
		r.old = append(r.old, r.prev.Store)
	}
	r.old = slices.DeleteFunc(r.old, func(name string) bool { return name == r.stage.store })
	if len(r.old) > 0 {
		_ = r.engine.call(ctx, http.MethodDelete, "/"+strings.Join(r.old, ",")+"?ignore_unavailable=true", nil, nil)
	}
	if r.large() {
		path := fmt.Sprintf("/%s/_forcemerge?max_num_segments=1&wait_for_completion=false", r.stage.store)
		_ = r.engine.call(ctx, http.MethodPost, path, nil, nil)
	}
	if len(r.prev.Hidden) > 0 && !r.stage.anew {
		_ = r.engine.removeWhere(ctx, r.stage.store, object{"terms": object{"born": r.prev.Hidden}})
	}
}

const (
	mergeFrom = 5_000     // chunks of a run that is large
	mergeMost = 1_000_000 // chunks of a shard that one segment is made of
)

// large says whether the segments that the run made are to be merged: each has a
// graph of its own, and a search walks them all. The server does so beside its
// other work, and nobody waits for it.
func (r *run) large() bool {
	all := r.next().Chunks
	return r.stage.chunks >= mergeFrom && 10*r.stage.chunks >= all && all <= mergeMost*r.engine.opts.Shards
}

// carryBatch is how many documents are read at once.
const carryBatch = 64

// carry writes the documents of the old store into a new one, where there is
// one: what is stored of them is enough.
func (r *run) carry(ctx context.Context) error {
	if !r.stage.anew || r.prev.Store == "" {
		return nil
	}
	ids := slices.Collect(maps.Keys(r.ledger.Before))
	ids = slices.DeleteFunc(ids, func(id index.Key) bool { return r.ledger.Gone[id] })
	slices.SortFunc(ids, func(a, b index.Key) int { return strings.Compare(string(a[:]), string(b[:])) })
	for part := range slices.Chunk(ids, carryBatch) {
		list, err := r.stored(ctx, part)
		if err != nil {
			return fmt.Errorf("read documents: %w", err)
		}
		for _, p := range list {
			if source, moved := r.ledger.Moved[index.KeyOf(p.Document.ID)]; moved {
				p.Source = source
			}
			if err := r.enqueue(ctx, p); err != nil {
				return err
			}
		}
	}
	return r.flush(ctx)
}

// stored are published documents as they were handed in, cut.
func (r *run) stored(ctx context.Context, ids []index.Key) (out []index.Stored, err error) {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = hexKey(id)
	}
	s := scan{
		store: r.prev.Store, query: both(r.prev.visible(), among("doc", names)), sort: []string{"doc", "kind", "ordinal"},
		fields: []string{"hash"}, source: true,
	}
	at := map[string]int{}
	var chunks []index.Chunk
	err = r.engine.each(ctx, s, func(h hit) error {
		rec, err := h.record()
		if err != nil {
			return err
		}
		if rec.Kind == isChunk { // they come before their document
			c, err := rec.chunk()
			chunks = append(chunks, c)
			return err
		}
		p, err := rec.pending(first(h.Fields.Hash))
		at[rec.ID], out = len(out), append(out, p)
		return err
	})
	for _, c := range chunks {
		i, ok := at[c.DocumentID]
		if !ok {
			return nil, fmt.Errorf("chunk %s has no document: ragproxy verify tells more", c.ID)
		}
		out[i].Cut.Chunks = append(out[i].Cut.Chunks, c)
		out[i].Cut.Texts = append(out[i].Cut.Texts, index.EmbeddedText(c))
	}
	return out, err
}
