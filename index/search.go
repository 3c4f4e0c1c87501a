package index

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Query asks both legs of a collection.
type Query struct {
	Text       string
	Collection string
	Depth      int // at most so many hits a leg; > 0
	// SkipVector and SkipKeyword leave a leg out.
	SkipVector, SkipKeyword bool
	// Filters keep the chunks whose metadata has, for each key, the value or
	// one of a list of values. The keys "document_id", "url" and "title" mean
	// the document's own. A list is a []any; numbers compare by value.
	Filters map[string]any
}

// Legs are the answers of both legs to one query.
type Legs struct {
	Vector  Leg
	Keyword Leg
}

// Leg is one leg's answer: its hits, best first, or its error. A leg that the
// query skipped has neither.
type Leg struct {
	Hits []Hit
	// Floor and Ceiling give the scores their meaning: a chunk that has nothing
	// to do with the query scores about Floor, and next to none scores above
	// Ceiling. Both are 0 where the engine does not know.
	Floor, Ceiling float64
	Err  error
	Took time.Duration
}

// ErrSpace says that a collection was made with another embedder than the one
// at hand: its vectors cannot be compared, so only keywords answer.
var ErrSpace = errors.New("the collection was made with another embedder")

// Search asks both legs side by side. The error is for a query that no leg
// could take (an unknown collection: [ErrNotFound]); everything that strikes
// one leg only is that leg's error.
func (x *Index) Search(ctx context.Context, q Query) (Legs, error) {
	s, err := x.snapshot(q.Collection)
	if errors.Is(err, ErrNotFound) {
		return Legs{}, err
	}
	if err != nil { // a damaged index is a failure of both legs, not of the query
		return Legs{Vector: Leg{Err: err}, Keyword: Leg{Err: err}}, nil
	}
	defer s.release()
	allow, err := s.allow(q.Filters)
	if err != nil {
		return Legs{}, err
	}
	var legs Legs
	var wg sync.WaitGroup
	if !q.SkipVector {
		wg.Go(func() { legs.Vector = run(s, func() ([]Match, error) { return x.searchVector(ctx, s, q, allow) }) })
	}
	if !q.SkipKeyword {
		wg.Go(func() {
			legs.Keyword = run(s, func() ([]Match, error) {
				if s.keywordErr != nil {
					return nil, s.keywordErr
				}
				return s.keyword.Search(ctx, q.Text, q.Depth, allow)
			})
		})
	}
	wg.Wait()
	return legs, nil
}

func run(s *snapshot, search func() ([]Match, error)) Leg {
	begin := time.Now()
	matches, err := search()
	var hits []Hit
	if err == nil {
		hits, err = s.hits(matches)
	}
	return Leg{Hits: hits, Err: err, Took: time.Since(begin)}
}

func (x *Index) searchVector(ctx context.Context, s *snapshot, q Query, allow Allow) ([]Match, error) {
	if s.vectorErr != nil {
		return nil, s.vectorErr
	}
	if s.manifest.Chunks == 0 {
		return nil, nil
	}
	// The query first: it fails fast where the embedder is dead, and tells its
	// dimensions, which Space may have to ask for.
	v, err := x.opts.Embedder.EmbedQuery(ctx, q.Text)
	if err != nil {
		return nil, fmt.Errorf("embed query: %w", err)
	}
	space, err := x.opts.Embedder.Space(ctx)
	if err != nil {
		return nil, fmt.Errorf("embed query: %w", err)
	}
	if space != s.manifest.Space {
		return nil, fmt.Errorf("%w: it holds %s, the embedder gives %s", ErrSpace, s.manifest.Space, space)
	}
	return s.vector.Search(ctx, v, q.Depth, allow)
}

// allow turns filters into a test of rows, with the documents judged once.
func (s *snapshot) allow(filters map[string]any) (Allow, error) {
	if len(filters) == 0 {
		return nil, nil
	}
	wanted := make(map[string]map[string]bool, len(filters))
	for key, value := range filters {
		values, ok := value.([]any)
		if !ok {
			values = []any{value}
		}
		wanted[key] = make(map[string]bool, len(values))
		for _, v := range values {
			s, err := canonical(v)
			if err != nil {
				return nil, fmt.Errorf("read filter %s: %w", key, err)
			}
			wanted[key][s] = true
		}
	}
	docs := make([]bool, len(s.chunks.docs))
	for i := range s.chunks.docs {
		docs[i] = s.chunks.docs[i].matches(wanted)
	}
	return func(row int) bool { return docs[s.chunks.record(row).Doc] }, nil
}

func (d *docRecord) matches(wanted map[string]map[string]bool) bool {
	for key, values := range wanted {
		if !values[d.field(key)] {
			return false
		}
	}
	return true
}

// field is the canonical form of a metadata value; "" if the document has none.
func (d *docRecord) field(key string) string {
	var v any
	switch key {
	case "document_id":
		v = d.ID
	case "url":
		v = d.URL
	case "title":
		v = d.Title
	default:
		var ok bool
		if v, ok = d.Meta[key]; !ok {
			return ""
		}
	}
	s, err := canonical(v)
	if err != nil { // it was read from JSON, so it can be written
		return ""
	}
	return s
}

// canonical is the JSON of a value, with a number spelled in one way: 1, 1.0
// and 1e0 are the same. Whole numbers are exact, whatever their size.
func canonical(v any) (string, error) {
	b, err := json.Marshal(v)
	s := string(b)
	if err != nil || strings.Trim(s, "+-.0123456789eE") != "" || strings.Trim(s, "-0123456789") == "" && s != "-0" {
		return s, err
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil { // beyond float64: equal to itself only
		return s, nil
	}
	b, err = json.Marshal(f + 0) // -0 + 0 is 0
	return string(b), err
}
