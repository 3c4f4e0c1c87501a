package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// Search is one query under way. Where its vector is there within the patience
// both legs are asked at once; where the embedder is slower the keyword leg
// goes ahead, for the case that it never answers. Once it has, both are asked:
// only so are they of one generation, and each knows what the other has found.
type Search struct {
	index.Query
	Embedder index.Embedder
	Patience time.Duration
	Begin    time.Time
	Legs     index.Legs
	Vector   []float32 // the query's unit vector; nil if there is none
	Given    string    // its space
}

// Asker asks one server for legs of a search.
type Asker interface {
	// Ask asks the legs that are wanted and puts what they say into the search.
	// The error is for a query that no leg could take.
	Ask(ctx context.Context, vector, keyword bool) error
	// Space is that of the collection's vectors, and their dimensions, as last
	// known, or as the server says now.
	Space(ctx context.Context, now bool) (space string, dims int)
}

// Run asks both legs, but for those that the query skips; without vectors there
// is nothing that the vector leg could find.
func (s *Search) Run(ctx context.Context, server Asker, vectors bool) error {
	vectors = vectors && !s.SkipVector
	var embedded <-chan embedding
	if vectors {
		embedded = s.embed(ctx)
		patience := time.NewTimer(s.Patience)
		defer patience.Stop()
		select {
		case got := <-embedded:
			return server.Ask(ctx, s.take(ctx, server, got), !s.SkipKeyword)
		case <-patience.C:
		}
	}
	if !s.SkipKeyword || !vectors {
		if err := server.Ask(ctx, false, !s.SkipKeyword); err != nil {
			return err
		}
	}
	if !vectors {
		return nil
	}
	select {
	case got := <-embedded:
		if !s.take(ctx, server, got) {
			return nil
		}
	case <-ctx.Done():
		s.failVector(context.Cause(ctx))
		return nil
	}
	first := s.Legs
	if err := server.Ask(ctx, true, !s.SkipKeyword); err != nil {
		return err
	}
	if s.Legs.Keyword.Err != nil && first.Keyword.Err == nil && s.Legs.Vector.Err != nil {
		s.Legs.Keyword, s.Legs.Generation = first.Keyword, first.Generation
	}
	return nil
}

type embedding struct {
	vector []float32
	took   time.Duration
	err    error
	space  string
}

// embed asks the embedder beside the search. It may go on after it.
func (s *Search) embed(ctx context.Context) <-chan embedding {
	out := make(chan embedding, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				out <- embedding{err: fmt.Errorf("the embedder panicked: %v", v)}
			}
		}()
		begin := time.Now()
		v, err := s.Embedder.EmbedQuery(ctx, s.Text)
		got := embedding{vector: v, took: time.Since(begin), err: err}
		if err == nil {
			got.space, got.err = s.Embedder.Space(ctx)
		}
		out <- got
	}()
	return out
}

// take says whether the vector can be searched with.
func (s *Search) take(ctx context.Context, server Asker, got embedding) bool {
	s.Legs.Embed = index.Embed{Took: got.took, Err: got.err}
	if got.err != nil {
		s.failVector(got.err)
		return false
	}
	space, dims := server.Space(ctx, false)
	if got.space != space { // a run may have embedded everything again
		space, dims = server.Space(ctx, true)
	}
	if got.space != space {
		s.failVector(OtherSpace(space, got.space))
		return false
	}
	v := slices.Clone(got.vector)
	if err := index.UnitQuery(v, dims, s.Text); err != nil {
		s.failVector(err)
		return false
	}
	if index.IsZero(v) {
		return false
	}
	s.Vector, s.Given = v, got.space
	return true
}

// OtherSpace is the vector leg's error where the query's vector cannot be
// compared with those of the collection.
func OtherSpace(holds, given string) error {
	return fmt.Errorf("%w: it holds %s, the embedder gives %s", index.ErrSpace, holds, given)
}

// failVector is for a query without a vector to search with.
func (s *Search) failVector(err error) {
	s.Fail(fmt.Errorf("%w: %w", index.ErrEmbed, err), true, false)
}

// Fail gives the error to the legs that are named.
func (s *Search) Fail(err error, vector, keyword bool) {
	if vector {
		s.Legs.Vector = index.Leg{Err: err, Took: time.Since(s.Begin)}
	}
	if keyword {
		s.Legs.Keyword = index.Leg{Err: err, Took: time.Since(s.Begin)}
	}
}

// Unanswered is the error of legs that got no answer: the context's own where
// that is why, else one that says that the engine cannot be reached.
func Unanswered(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if errors.Is(err, index.ErrOpen) {
		return err
	}
	return fmt.Errorf("%w: %w", index.ErrOpen, err)
}
