package retrieval

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

func TestSearchAsksTheIndex(t *testing.T) {
	filters := map[string]any{"lang": "en"}
	tests := []struct {
		name   string
		weight float64
		topK   int
		want   index.Query
		legs   int
	}{
		{"both legs", .5, 4, index.Query{Depth: 10}, 2},
		{"keywords only", 0, 4, index.Query{Depth: 10, SkipVector: true}, 1},
		{"vectors only", 1, 4, index.Query{Depth: 10, SkipKeyword: true}, 1},
		{"more than the depth", .5, 30, index.Query{Depth: 30}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got index.Query
			opts := options(t, fakeSearcher{search: func(_ context.Context, q index.Query) (index.Legs, error) {
				got = q
				return index.Legs{}, nil
			}})
			opts.VectorWeight = tt.weight
			r := New(opts)
			if _, err := r.Search(t.Context(), SearchRequest{Query: "q", Collection: "c", TopK: tt.topK, Filters: filters}); err != nil {
				t.Fatal(err)
			}
			tt.want.Text, tt.want.Collection, tt.want.Filters = "q", "c", filters
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
			if got := r.Legs(); got != tt.legs {
				t.Errorf("got %d legs, want %d", got, tt.legs)
			}
		})
	}
}

func TestSearchKeepsTheBest(t *testing.T) {
	legs := index.Legs{Vector: leg(hit("a", .9), hit("b", .5), hit("c", .1)), Keyword: leg(hit("b", 10), hit("d", 6), hit("a", 2))}
	tests := []struct {
		topK     int
		minScore float64
		want     []string // of b .75, a .5, d .25, c 0
	}{
		{10, 0, []string{"b", "a", "d", "c"}},
		{2, 0, []string{"b", "a"}},
		{0, 0, []string{}},
		{-1, 0, []string{}},
		{10, .5, []string{"b", "a"}},
		{10, .51, []string{"b"}},
		{10, .76, []string{}},
		{1, .2, []string{"b"}},
	}
	for _, tt := range tests {
		opts := options(t, finds(legs))
		opts.MinScore = tt.minScore
		found, err := New(opts).Search(t.Context(), SearchRequest{Query: "q", Collection: "c", TopK: tt.topK})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, sourceIDs(found.Sources)); diff != "" {
			t.Errorf("top %d from %g (-want +got):\n%s", tt.topK, tt.minScore, diff)
		}
		for _, s := range found.Sources {
			if s.Collection != "c" {
				t.Errorf("got a source of collection %q, want c", s.Collection)
			}
		}
	}
}

func TestFailedLegs(t *testing.T) {
	space := fmt.Errorf("search: %w", index.ErrSpace)
	late := fmt.Errorf("embed query: %w", context.DeadlineExceeded)
	dead := index.Leg{Err: errDead}
	tests := []struct {
		name   string
		weight float64
		legs   index.Legs
		want   []string // leg, code, fallback
		found  []string
	}{
		{"none", .5, index.Legs{Vector: leg(hit("a", 1)), Keyword: leg(hit("b", 1))}, nil, []string{"a", "b"}},
		{"vector", .5, index.Legs{Vector: dead, Keyword: leg(hit("b", 7))}, []string{"vector leg_failed bm25"}, []string{"b"}},
		{"keyword", .5, index.Legs{Vector: leg(hit("a", 1)), Keyword: dead}, []string{"bm25 leg_failed vector"}, []string{"a"}},
		{"both", .5, index.Legs{Vector: dead, Keyword: dead}, []string{"vector leg_failed ", "bm25 leg_failed "}, []string{}},
		{"vector, the only one", 1, index.Legs{Vector: dead}, []string{"vector leg_failed "}, []string{}},
		{"keyword, the only one", 0, index.Legs{Keyword: dead}, []string{"bm25 leg_failed "}, []string{}},
		{"other space", .5, index.Legs{Vector: index.Leg{Err: space}}, []string{"vector embedding_space_mismatch bm25"}, []string{}},
		{"late", .5, index.Legs{Vector: index.Leg{Err: late}}, []string{"vector deadline bm25"}, []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opts := options(t, finds(tt.legs))
			opts.VectorWeight = tt.weight
			found, err := New(opts).Search(t.Context(), SearchRequest{Query: "q", Collection: "c", TopK: 4})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found.Failed {
				got = append(got, f.Leg+" "+f.Err.Code+" "+f.Fallback)
				if cause := errors.Join(tt.legs.Vector.Err, tt.legs.Keyword.Err); !errors.Is(cause, errors.Unwrap(f.Err)) {
					t.Errorf("got the cause %v, want the leg's error %v", errors.Unwrap(f.Err), cause)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("failed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.found, sourceIDs(found.Sources)); diff != "" {
				t.Errorf("sources (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSameWordsOnce has the same text in several chunks: the first of a
// document is kept, and their places go to others.
func TestSameWordsOnce(t *testing.T) {
	again := func(document string, ordinal int, score float64, text string) index.Hit {
		h := at(document, ordinal, score)
		h.Chunk.Text = text
		return h
	}
	legs := index.Legs{Vector: leg(
		again("d", 10, .9, "the same words"), again("d", 9, .9, "the  same\nwords"), again("c", 3, .8, "the same words"),
		again("e", 1, .7, "the same words, nearly"), again("f", 1, .6, "others"))}
	found, err := New(options(t, finds(legs))).Search(t.Context(), SearchRequest{Query: "q", Collection: "c", TopK: 3})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"d#9", "e#1", "f#1"}, sourceIDs(found.Sources)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// server reads what a search left out of its hits, and notes what it was asked.
type server struct {
	lost  string // the text of this chunk cannot be read
	texts map[string]string
	asked [][]string
}

var errLost = errors.New("connection reset")

func (s *server) Load(_ context.Context, hits []*index.Hit) []error {
	errs := make([]error, len(hits))
	var ids []string
	for i, h := range hits {
		ids = append(ids, h.Chunk.ID)
		if h.Chunk.ID == s.lost {
			errs[i] = errLost
			continue
		}
		h.Chunk.Text, h.Chunk.Title = s.texts[h.Chunk.ID], "title of "+h.Chunk.ID
	}
	s.asked = append(s.asked, ids)
	return errs
}

// TestSearchReadsLate has a server that gives the texts in a second request: one
// for all that are kept, and another only where some of those fell out.
func TestSearchReadsLate(t *testing.T) {
	for _, tt := range []struct {
		name    string
		lost    string
		explain bool
		want    []string
		asked   [][]string
	}{
		{"one request", "", false, []string{"a", "b"}, [][]string{{"a", "b"}}},
		{"one is lost", "a", false, []string{"b", "d"}, [][]string{{"a", "b"}, {"c"}, {"d"}}}, // c says what b does
		{"explained", "", true, []string{"a", "b"}, [][]string{{"a", "b", "c", "d"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &server{lost: tt.lost, texts: map[string]string{"a": "first", "b": "second", "c": "second", "d": "third"}}
			var legs index.Legs
			for i, id := range []string{"a", "b", "c", "d"} {
				h := hit(id, 1-.1*float64(i))
				legs.Vector.Hits = append(legs.Vector.Hits, index.LateHit(index.Chunk{ID: id, DocumentID: h.Chunk.DocumentID, Ordinal: i}, h.Score, s, i))
			}
			res, err := New(options(t, finds(legs))).Retrieve(t.Context(), Request{Turn: "q", TopK: 2, Explain: tt.explain}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, sourceIDs(res.Sources)); diff != "" {
				t.Errorf("sources (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.asked, s.asked); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
			for _, src := range res.Sources {
				if src.Chunk.Text != s.texts[src.Chunk.ID] || src.Chunk.Title != "title of "+src.Chunk.ID {
					t.Errorf("got %+v, want the whole chunk", src.Chunk)
				}
			}
			for _, h := range res.Explanation {
				if h.Title != "title of "+h.ID {
					t.Errorf("got the title %q of %s in the explanation", h.Title, h.ID)
				}
			}
			if failed := len(res.Degraded) > 0; failed != (tt.lost != "") {
				t.Errorf("got degraded %v, want so only where a text was lost", res.Degraded)
			}
		})
	}
}

// TestSearchDeadline has a vector leg that waits for as long as it may.
func TestSearchDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options(t, fakeSearcher{search: func(ctx context.Context, _ index.Query) (index.Legs, error) {
			<-ctx.Done()
			return index.Legs{Vector: index.Leg{Err: ctx.Err()}, Keyword: leg(hit("b", 7))}, nil
		}})
		opts.Deadline = 3 * time.Second
		begin := time.Now()
		found, err := New(opts).Search(t.Context(), SearchRequest{Query: "q", Collection: "c", TopK: 4})
		if took := time.Since(begin); err != nil || took != 3*time.Second {
			t.Fatalf("got error %v after %s, want none after 3s", err, took)
		}
		if len(found.Failed) != 1 || found.Failed[0].Err.Code != "deadline" || found.Failed[0].Fallback != LegKeyword || len(found.Sources) != 1 {
			t.Errorf("got %+v, want the keyword leg's source and a late vector leg", found)
		}
	})
}

func TestSearchErrors(t *testing.T) {
	bad := errors.New("read filter n: unsupported value")
	for _, want := range []error{index.ErrNotFound, bad} {
		r := New(options(t, fakeSearcher{search: func(context.Context, index.Query) (index.Legs, error) { return index.Legs{}, want }}))
		if _, err := r.Search(t.Context(), SearchRequest{Query: "q", Collection: "c", TopK: 4}); !errors.Is(err, want) {
			t.Errorf("got error %v, want %v", err, want)
		}
	}
	gone := errors.New("the client has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	r := New(options(t, fakeSearcher{search: func(ctx context.Context, _ index.Query) (index.Legs, error) {
		cancel(gone)
		return index.Legs{Vector: index.Leg{Err: ctx.Err()}, Keyword: leg(hit("b", 7))}, nil
	}}))
	if _, err := r.Search(ctx, SearchRequest{Query: "q", Collection: "c", TopK: 4}); !errors.Is(err, gone) {
		t.Errorf("got error %v, want the context's cause", err)
	}
}
