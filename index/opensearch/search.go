package opensearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/index/lexical"
	"github.com/ragproxy/ragproxy/index/remote"
)

// Exists implements [index.Engine].
func (e *Engine) Exists(ctx context.Context, collection string) error {
	_, err := e.state(ctx, collection)
	return err
}

// Search implements [index.Engine]. Both legs are one round trip, with the
// collection's own document: its answer tells whether what was asked for is
// still what is published, and if not both are asked again.
func (e *Engine) Search(ctx context.Context, q index.Query) (index.Legs, error) {
	filter, err := index.ParseFilters(q.Filters)
	if err != nil {
		return index.Legs{}, err
	}
	s := &search{
		Search: remote.Search{Query: q, Embedder: e.opts.Embedder, Patience: e.opts.Patience, Begin: time.Now()},
		engine: e, filter: filter,
	}
	s.route = "r" + strconv.FormatInt(s.Begin.UnixNano(), 36)
	if s.state, err = e.lookUp(ctx, q.Collection); errors.Is(err, index.ErrNotFound) {
		return index.Legs{}, err
	}
	if err == nil {
		var v version
		v, err = e.version(ctx)
		s.factor = v.factor
	}
	if err != nil {
		s.Fail(answer(ctx, err), !q.SkipVector, !q.SkipKeyword)
		return s.Legs, nil
	}
	if q.Depth < 1 {
		return s.Legs, nil
	}
	if err := s.Run(ctx, s, s.state.Chunks > 0); err != nil {
		return index.Legs{}, err
	}
	return s.Legs, nil
}

// answer is a leg's error of a request's: a server that refused it said why.
func answer(ctx context.Context, err error) error {
	if isServers(err) && ctx.Err() == nil {
		return err
	}
	return remote.Unanswered(ctx, err)
}

// search is one query under way. It implements [remote.Asker].
type search struct {
	remote.Search
	engine *Engine
	filter *index.Filter
	state  state
	terms  []lexical.QueryTerm
	words  string // the analyzer that terms are by
	factor float64
	route  string
}

// Space implements [remote.Asker].
func (s *search) Space(ctx context.Context, now bool) (string, int) {
	if now {
		if fresh, err := s.engine.state(ctx, s.Collection); err == nil {
			s.state = fresh
		}
	}
	return s.state.Space, s.state.Dims
}

const (
	// tries is how often a search begins anew, where what is published has
	// changed while it was asked for.
	tries = 4
	// longest is how long an answer counts: what died a settled time ago may be
	// gone from the index.
	longest = settled / 2
)

// errMoved says that another generation is published than was asked for.
var errMoved = errors.New("the collection has another generation now")

// Ask implements [remote.Asker].
func (s *search) Ask(ctx context.Context, vector, keyword bool) error {
	var err error
	for range tries {
		vector, keyword = s.ready(vector, keyword)
		begin := time.Now()
		err = s.batch(ctx, vector, keyword)
		if err == nil && time.Since(begin) > longest {
			err = fmt.Errorf("%w: it answered after %v", index.ErrOpen, time.Since(begin))
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, index.ErrNotFound):
			s.engine.forget(s.Collection)
			return err
		case errors.Is(err, errMoved):
			s.engine.forget(s.Collection)
			fresh, lookErr := s.engine.state(ctx, s.Collection)
			if errors.Is(lookErr, index.ErrNotFound) {
				return lookErr
			}
			if lookErr != nil {
				s.Fail(answer(ctx, lookErr), vector, keyword)
				return nil
			}
			s.state = fresh
		default:
			s.Fail(answer(ctx, err), vector, keyword)
			return nil
		}
	}
	s.Fail(answer(ctx, err), vector, keyword)
	return nil
}

// ready says which of the wanted legs can be asked, of the state as it is known.
func (s *search) ready(vector, keyword bool) (bool, bool) {
	if s.state.Chunks == 0 { // since this search began
		vector, s.Legs.Vector = false, index.Leg{}
	}
	if vector && s.state.Space != s.Given {
		s.Fail(fmt.Errorf("%w: %w", index.ErrEmbed, remote.OtherSpace(s.state.Space, s.Given)), true, false)
		vector = false
	}
	if keyword && s.words != s.state.Keyword {
		terms, err := s.engine.terms.Of(s.state.Keyword)
		if err != nil {
			s.Fail(err, false, true)
			return vector, false
		}
		s.terms, s.words = terms.Query(s.Text), s.state.Keyword
		s.terms = s.terms[:min(len(s.terms), mostTerms)]
	}
	return vector, keyword
}

// batch is the one round trip. Nothing is put into the search before it is known
// that all of it is of one generation.
func (s *search) batch(ctx context.Context, vector, keyword bool) error {
	q := question{
		Query: s.Query, filter: s.filter, state: s.state, terms: s.terms, factor: s.factor,
		list: s.engine.opts.SearchList, route: s.route,
	}
	if vector {
		q.vector = s.Vector
	}
	words := keyword && len(s.terms) > 0 && s.state.Chunks > 0
	var r request
	r.add(s.engine.collectionsIndex(), "", object{"query": object{"ids": object{"values": []string{s.Collection}}}, "_source": headFields})
	if vector {
		r.add(s.state.Store, s.route, q.nearest())
	}
	var unknown []lexical.QueryTerm
	have := map[string]int{}
	if words {
		r.add(s.state.Store, s.route, q.matching())
		if unknown = s.unknown(have); len(unknown) > 0 {
			r.add(s.state.Store, s.route, counting(unknown))
		}
	}
	if r.err != nil {
		return r.err
	}
	var got answers
	if err := s.engine.call(ctx, http.MethodPost, "/_msearch?rest_total_hits_as_int=true&max_concurrent_searches=64", r.Bytes(), &got); err != nil {
		return err
	}
	if err := s.checkHead(got.next()); err != nil {
		return err
	}
	var v, k legAnswer
	var other []index.Hit
	late := &rest{engine: s.engine, collection: s.Collection, store: s.state.Store}
	if vector {
		v = got.next().leg(cosine, late)
	}
	if words {
		k = got.next().leg(func(score float64) float64 { return score }, late)
		if vector {
			other = k.compared(s.Vector)
		}
		if len(unknown) > 0 {
			s.count(unknown, got.next(), have)
		}
	}
	if err := errors.Join(v.moved, k.moved); err != nil {
		return err
	}
	s.put(vector, keyword, v, k, other, have)
	return nil
}

// checkHead says whether the state that was asked with is what is published. A
// copy that has not heard of it yet is behind, which does not matter.
func (s *search) checkHead(r response) error {
	if hasType(r.error(), noIndex) {
		return fmt.Errorf("collection %q: %w", s.Collection, index.ErrNotFound)
	}
	if err := r.error(); err != nil {
		return err
	}
	now, found, err := r.state()
	if err != nil {
		return err
	}
	if !found || now.Generation == 0 {
		return fmt.Errorf("collection %q: %w", s.Collection, index.ErrNotFound)
	}
	if now.Run > s.state.Run || now.Run == s.state.Run && len(now.Hidden) > len(s.state.Hidden) {
		return errMoved
	}
	return nil
}

// counted are the words that the ceiling is made of.
func (s *search) counted() []lexical.QueryTerm { return s.terms[:min(len(s.terms), mostCounted)] }

// unknown are those whose number of chunks has to be asked for; of the others it
// is put into have.
func (s *search) unknown(have map[string]int) (out []lexical.QueryTerm) {
	g := generation{s.state.Store, s.state.Run}
	for _, t := range s.counted() {
		if n, ok := s.engine.counts.get(g, t); ok {
			have[field(t)+t.Text] = n
		} else {
			out = append(out, t)
		}
	}
	return out
}

// count reads the answer to counting. Where there is none the leg itself says so,
// too.
func (s *search) count(terms []lexical.QueryTerm, r response, have map[string]int) {
	g := generation{s.state.Store, s.state.Run}
	if r.error() != nil || len(r.Counts.Chunks.Buckets) != len(terms) {
		return
	}
	for i, t := range terms {
		n := r.Counts.Chunks.Buckets[i].Count
		have[field(t)+t.Text] = n
		s.engine.counts.put(g, t, n)
	}
}

func (s *search) put(vector, keyword bool, v, k legAnswer, other []index.Hit, have map[string]int) {
	took := time.Since(s.Begin)
	if vector {
		leg := v.Leg
		if leg.Err == nil && len(leg.Hits) > 0 {
			leg.Floor, leg.Ceiling = min(meanCosine(s.Vector, s.state.Mean), .99), 1
		}
		if leg.Err == nil {
			leg.Hits = append(leg.Hits, remote.Others(leg.Hits, other)...)
		}
		leg.Took = took
		s.Legs.Vector = leg
	}
	if keyword {
		leg := k.Leg
		if len(leg.Hits) > 0 {
			leg.Ceiling = ceiling(s.counted(), have, len(s.terms), float64(s.state.Chunks))
		}
		leg.Took = took
		s.Legs.Keyword = leg
	}
	s.Legs.Generation = s.state.Generation
}

// meanCosine is the mean of a vector's cosines to all chunks.
func meanCosine(vector []float32, mean []byte) float64 {
	if len(mean) != 4*len(vector) {
		return 0
	}
	return dot(vector, mean)
}
