package index

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Query asks both legs of a collection.
type Query struct {
	Text       string
	Collection string
	Depth      int // each leg finds at most so many; > 0
	// SkipVector and SkipKeyword leave a leg out.
	SkipVector, SkipKeyword bool
	// Filters keep the chunks whose documents pass; see [CheckFilters] for the
	// two forms. nil keeps all.
	Filters map[string]any
}

// Legs are the answers of both legs to one query.
type Legs struct {
	Vector  Leg
	Keyword Leg
	Embed   Embed
	// Generation is the one that both legs searched: a document of another
	// search's may have been replaced or deleted in this one. 0 is unknown.
	Generation int
}

// Embed is the embedding of the query, a part of the vector leg. An engine that
// embeds by itself leaves it zero.
type Embed struct {
	Took time.Duration // 0 if nothing was embedded
	Err  error         // then Vector.Err wraps it
}

// Leg is one leg's answer: its hits, best first, or its error. A leg that the
// query skipped has neither. An engine that can tell cheaply appends to what a
// leg found its score of what only the other leg did.
type Leg struct {
	Hits []Hit
	// Floor and Ceiling give the scores their meaning: a chunk that has nothing
	// to do with the query scores about Floor, and next to none scores above
	// Ceiling. Both are 0 where the engine does not know.
	Floor, Ceiling float64
	Err            error
	Took           time.Duration
}

// ErrSpace says that a collection was made with another embedder than the one
// at hand: its vectors cannot be compared, so only keywords answer.
var ErrSpace = errors.New("the collection was made with another embedder")

// Marks of a leg's error that say what failed, where it was not the leg's own
// search.
var (
	// ErrOpen is on both legs where the collection cannot be opened, and on what
	// else is asked of a [Server] that cannot be reached.
	ErrOpen = errors.New("the index cannot be opened")
	// ErrEmbed is on the vector leg where the query has no vector.
	ErrEmbed = errors.New("embed query")
)

// Search asks both legs side by side. The error is for a query that no leg
// could take (an unknown collection: [ErrNotFound]); everything that strikes
// one leg only is that leg's error.
func (x *Index) Search(ctx context.Context, q Query) (Legs, error) {
	filter, err := parseFilters(q.Filters)
	if err != nil {
		return Legs{}, err
	}
	s, err := x.snapshot(ctx, q.Collection)
	if errors.Is(err, ErrNotFound) {
		return Legs{}, err
	}
	if err != nil { // a damaged index is a failure of both legs, not of the query
		return bothFailed(q, fmt.Errorf("%w: %w", ErrOpen, err)), nil
	}
	defer s.release()
	allow, err := s.allow(filter)
	if err != nil {
		return bothFailed(q, fmt.Errorf("%w: %w", ErrOpen, err)), nil
	}
	// A skipped leg answers nothing.
	vector, keyword := func() (a legAnswer) { return a }, func() (a legAnswer) { return a }
	if !q.SkipVector {
		vector = s.start(ctx, allow, func(a *legAnswer) (found []Match, err error) {
			found, a.vector, err = x.searchVector(ctx, s, q, allow, &a.embed)
			return found, err
		})
	}
	if !q.SkipKeyword {
		keyword = s.start(ctx, allow, func(a *legAnswer) (found []Match, err error) {
			found, a.Ceiling, err = searchKeyword(ctx, s, q, allow)
			return found, err
		})
	}
	v, k := vector(), keyword()
	legs := Legs{Vector: v.Leg, Keyword: k.Leg, Embed: v.embed, Generation: s.gen.manifest.Generation}
	if v.vector != nil {
		s.scaleVectors(v.vector, &legs)
	}
	return legs, nil
}

// bothFailed gives each leg that is asked the error.
func bothFailed(q Query, err error) Legs {
	var legs Legs
	if !q.SkipVector {
		legs.Vector.Err = err
	}
	if !q.SkipKeyword {
		legs.Keyword.Err = err
	}
	return legs
}

// searchKeyword returns the matches and the ceiling of their scores, 0 if the
// engine does not know it.
func searchKeyword(ctx context.Context, s *snapshot, q Query, allow bits) ([]Match, float64, error) {
	if s.keywordErr != nil {
		return nil, 0, s.keywordErr
	}
	var only Allow
	if allow != nil {
		only = allow.has
	}
	found, err := s.keyword.Search(ctx, q.Text, q.Depth, only)
	scaled, ok := s.keyword.(Scaled)
	if err != nil || !ok || len(found) == 0 {
		return found, 0, err
	}
	ceiling, err := scaled.Ceiling(ctx, q.Text)
	return found, ceiling, err
}

// searchVector returns the matches and the query's vector.
func (x *Index) searchVector(ctx context.Context, s *snapshot, q Query, allow bits, embed *Embed) ([]Match, []float32, error) {
	if s.vectorErr != nil {
		return nil, nil, s.vectorErr
	}
	if s.gen.manifest.Chunks == 0 {
		return nil, nil, nil
	}
	// The query first: it fails fast where the embedder is dead, and tells its
	// dimensions, which Space may have to ask for.
	begin := time.Now()
	v, err := x.opts.Embedder.EmbedQuery(ctx, q.Text)
	*embed = Embed{time.Since(begin), err}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrEmbed, err)
	}
	space, err := x.opts.Embedder.Space(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrEmbed, err)
	}
	if space != s.gen.manifest.Space {
		return nil, nil, fmt.Errorf("%w: %w: it holds %s, the embedder gives %s", ErrEmbed, ErrSpace, s.gen.manifest.Space, space)
	}
	if err := checkQuery(v, s.gen.manifest.Dims, q.Text); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrEmbed, err)
	}
	found, err := s.searchVectors(ctx, v, q.Depth, allow)
	return found, v, err
}

// checkQuery refuses a vector that no search can answer for. One that is all
// zero would find nothing without a word; of a blank text it may be.
func checkQuery(v []float32, dims int, text string) error {
	if len(v) != dims {
		return fmt.Errorf("the vector has %d dimensions, the collection %d", len(v), dims)
	}
	zero := true
	for _, f := range v {
		if f := float64(f); math.IsNaN(f) || math.IsInf(f, 0) {
			return errors.New("the vector is not finite")
		}
		zero = zero && f == 0
	}
	if zero && strings.TrimSpace(text) != "" {
		return errors.New("the vector is all zero")
	}
	return nil
}

// allow is the rows that a search may return, with the documents judged once;
// nil if it may return all.
func (s *snapshot) allow(f filter) (bits, error) {
	if f == nil {
		return s.live, nil
	}
	rows := newBits(s.rows)
	err := s.gen.live(func(at docPlace, e docEntry) error {
		d, err := s.segs[at.seg].document(at.doc)
		if err == nil && f.matches(d) {
			first := s.base[at.seg] + int(e.First)
			rows.add(first, first+int(e.Count))
		}
		return err
	})
	return rows, err
}
