package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/remote"
)

// Exists implements [index.Engine].
func (e *Engine) Exists(ctx context.Context, collection string) error {
	_, err := published(ctx, e.pool, collection)
	return told(err)
}

// Search implements [index.Engine]. Both legs are one exchange with the server
// (see [exchange]), and one transaction that sees one generation. Where the embedder is slower than
// Options.Patience the keyword leg goes ahead and the vector leg follows; if a
// run was published between the two, both are asked again.
func (e *Engine) Search(ctx context.Context, q index.Query) (index.Legs, error) {
	filter, err := index.ParseFilters(q.Filters)
	if err != nil {
		return index.Legs{}, err
	}
	s := &search{engine: e, question: question{
		Search: remote.Search{Query: q, Embedder: e.opts.Embedder, Patience: e.opts.Patience, Begin: time.Now()}, filter: filter,
	}}
	if s.row, err = e.lookUp(ctx, q.Collection); errors.Is(err, index.ErrNotFound) {
		return index.Legs{}, err
	}
	if err != nil {
		s.Fail(failed(ctx, err), !q.SkipVector, !q.SkipKeyword)
		return s.Legs, nil
	}
	if q.Depth < 1 {
		return s.Legs, nil
	}
	if err := s.Run(ctx, s, s.row.chunks > 0); err != nil {
		return index.Legs{}, err
	}
	return s.Legs, nil
}

// failed is why a server has not answered: the context's own error where that
// is why, with the mark of both legs.
func failed(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w: %w", index.ErrOpen, cause)
	}
	if isServers(err) {
		return told(err)
	}
	if err = told(err); !errors.Is(err, index.ErrOpen) {
		err = fmt.Errorf("%w: %w", index.ErrOpen, err)
	}
	return err
}

// lookUp gives what is known of a collection, and asks where nothing is.
func (e *Engine) lookUp(ctx context.Context, collection string) (row, error) {
	e.mu.Lock()
	r, ok := e.known[collection]
	e.mu.Unlock()
	if ok && r.chunks > 0 { // of an empty one nobody may have been told that it is not any more
		return r, nil
	}
	r, err := published(ctx, e.pool, collection)
	if err == nil {
		e.learn(r)
	}
	return r, err
}

func (e *Engine) learn(r row) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known[r.name] = r
}

func (e *Engine) forget(collection string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.known, collection)
}

// search is one query under way. It implements [remote.Asker].
type search struct {
	question
	engine *Engine
	best   []index.Match // rows of the keyword leg
}

// Space implements [remote.Asker].
func (s *search) Space(ctx context.Context, now bool) (string, int) {
	if now {
		s.engine.forget(s.Collection)
		if r, err := s.engine.lookUp(ctx, s.Collection); err == nil {
			s.row = r
		}
	}
	return s.row.space, s.row.dims
}

// tries is how often a search begins anew: where the collection has other
// tables than it had, or a connection has gone meanwhile.
const tries = 3

// Ask implements [remote.Asker]. A statement that the server refuses is its own leg's
// error: the other one is asked again by itself. The error is ErrNotFound.
func (s *search) Ask(ctx context.Context, vector, keyword bool) error {
	var err error
	for range tries {
		if keyword && s.terms == nil {
			terms, err := s.engine.terms.Of(s.row.keyword)
			if err != nil {
				s.Fail(err, false, true)
				keyword = false
			} else {
				s.terms = terms.Query(s.Text)
			}
		}
		if s.row.chunks == 0 { // since this search began
			vector, s.Legs.Vector = false, index.Leg{}
		}
		if vector && s.row.space != s.Given {
			s.Fail(fmt.Errorf("%w: %w", index.ErrEmbed, remote.OtherSpace(s.row.space, s.Given)), true, false)
			vector = false
		}
		var at string
		at, err = s.batch(ctx, vector, keyword)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, index.ErrNotFound):
			s.engine.forget(s.Collection)
			return err
		case ctx.Err() != nil && at != "": // it has answered, and was too slow
			s.Fail(context.Cause(ctx), vector, keyword)
			return nil
		case ctx.Err() != nil:
			s.Fail(failed(ctx, err), vector, keyword)
			return nil
		case errors.Is(err, errMoved), hasCode(err, conflictWithRecovery):
			continue
		case hasCode(err, undefinedTable):
			s.engine.forget(s.Collection)
			if s.row, err = s.engine.lookUp(ctx, s.Collection); errors.Is(err, index.ErrNotFound) {
				return err
			}
		case refused(err) && at == "vector":
			s.Fail(fmt.Errorf("search vectors: %w", err), true, false)
			vector = false
		case refused(err) && at == "keyword":
			s.Fail(fmt.Errorf("search keywords: %w", err), false, true)
			keyword = false
		default: // the connection was cut: those that lie idle may be, too
			s.engine.pool.Reset()
		}
		if !vector && !keyword {
			return nil
		}
	}
	if err != nil {
		s.Fail(failed(ctx, err), vector, keyword)
	}
	return nil
}

// errMoved says that the tables that were asked are not the collection's own
// any more.
var errMoved = errors.New("the collection has other tables now")

// batch asks both legs in one exchange; at names the leg whose statement failed.
// While the server looks for the nearest vectors the keywords are scored here,
// and the texts of the best are asked for before it is through.
func (s *search) batch(ctx context.Context, vector, keyword bool) (at string, err error) {
	head, list, near, picked := s.head(), s.postings(), s.nearest(), s.picked(nil)
	if keyword = keyword && len(s.terms) > 0; !keyword {
		list = nil
	}
	if !vector {
		near = nil
	}
	x, err := s.engine.open(ctx, head, list, near, picked)
	if err != nil {
		return "", err
	}
	defer x.close()
	if err := errors.Join(x.send(head), x.send(list), x.send(near), x.flush()); err != nil {
		return "", err
	}
	mean, err := s.readHead(x)
	if err != nil {
		return "", err
	}
	var v, k index.Leg
	if keyword {
		if s.best, k.Ceiling, err = s.score(x); err != nil {
			return "keyword", err
		}
	}
	// Where the vector comes late the keyword leg has answered before, and its
	// hits are asked for once more, for their cosines.
	again := len(s.best) > 0
	if again {
		texts := s.picked(rowsOf(s.best))
		texts.parsed = picked.parsed
		if err := x.send(texts); err != nil {
			return "keyword", err
		}
	}
	if err := x.commit(); err != nil {
		return "", err
	}
	if vector {
		if v.Hits, err = readNearest(x); err != nil {
			return "vector", err
		}
		if mean != nil && len(v.Hits) > 0 {
			v.Floor, v.Ceiling = min(*mean, .99), 1
		}
	}
	if again {
		var other []index.Hit
		if k.Hits, other, err = readPicked(x, s.best); err != nil {
			return "keyword", err
		}
		v.Hits = append(v.Hits, remote.Others(v.Hits, other)...)
	}
	if vector {
		v.Took = time.Since(s.Begin)
		s.Legs.Vector = v
	}
	if keyword {
		k.Took = time.Since(s.Begin)
		s.Legs.Keyword = k
	}
	s.Legs.Generation = s.row.generation
	return "", nil
}

// score reads the postings and gives the best chunks' rows: as many as are
// asked for, those that may turn out to be deleted, and where a filter decides
// all that have a word.
func (s *search) score(x *exchange) ([]index.Match, float64, error) {
	answer, err := x.answer()
	if err != nil {
		return nil, 0, err
	}
	lists := make([][]lexical.Occurrence, len(s.terms))
	for answer.NextRow() && err == nil {
		v := answer.Values()
		n := binary.BigEndian.Uint32(v[0]) - 1
		lists[n], err = readPostings(v[1], lists[n])
	}
	if _, failed := answer.Close(); err != nil || failed != nil {
		return nil, 0, errors.Join(err, failed)
	}
	scorer := s.engine.scorers.Get().(*lexical.Scorer)
	defer s.engine.scorers.Put(scorer)
	scorer.Reset(s.row.nextChunk, int(s.row.statChunks), s.row.statTokens)
	for i, t := range s.terms {
		list := lists[i]
		if t.Pairs {
			list = lexical.Merge(list)
		}
		if err := scorer.Add(t, list); err != nil {
			return nil, 0, fmt.Errorf("%w: %w", errPostings, err)
		}
	}
	k := s.Depth + int(s.row.statChunks) - s.row.chunks
	if s.filter != nil {
		k = s.row.nextChunk
	}
	return scorer.Top(k), scorer.Ceiling(), nil
}

func rowsOf(best []index.Match) []int32 {
	rows := make([]int32, len(best))
	for i, m := range best {
		rows[i] = int32(m.Row)
	}
	return rows
}

// readHead reads what the collection is now.
func (s *search) readHead(x *exchange) (mean *float64, err error) {
	if err := x.done(); err != nil { // BEGIN
		return nil, err
	}
	rows, err := x.rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("collection %q: %w", s.Collection, index.ErrNotFound)
	}
	now, err := scanRow(rows, &mean)
	if err != nil {
		return nil, err
	}
	s.engine.learn(now)
	if now.store != s.row.store || now.hnsw != s.row.hnsw || now.keyword != s.row.keyword || now.space != s.row.space {
		s.row, s.terms, s.best = now, nil, nil
		return nil, errors.Join(errMoved, x.commit())
	}
	s.row = now
	return mean, nil
}
