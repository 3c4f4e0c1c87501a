package opensearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// state is a collection's document: what is published of it, and who writes it.
// It changes in one piece, by scripts that look first whose turn it is
// (lease.go).
type state struct {
	Name       string `json:"name"`
	Generation int    `json:"generation"` // 0 if nothing is published
	Run        int    `json:"run"`        // the run that published it
	Store      string `json:"store"`      // the index that has it; "" if none
	Space      string `json:"space"`
	Dims       int    `json:"dims"`
	Splitter   string `json:"splitter"`
	Keyword    string `json:"keyword"`
	Documents  int    `json:"documents"`
	Chunks     int    `json:"chunks"`
	Dead       int    `json:"dead"` // documents and chunks that died and are still stored
	Mean       []byte `json:"mean"` // of the chunks' vectors, float32 in little-endian bytes
	// Hidden are runs that wrote and did not publish: nobody looks at what they
	// wrote, also where it comes late.
	Hidden []int `json:"hidden"`

	Runs      int    `json:"runs"`    // how many have begun
	Writing   int    `json:"writing"` // the run that writes, or that stopped amid it; 0 if none
	Lease     *lease `json:"lease"`
	Mark      *mark  `json:"mark"`
	Published int64  `json:"published"` // ms since 1970, by the server's clock

	size int64 // bytes of the store; only where it was asked for
}

// lease says who may write. Times are the server's, in ms since 1970.
type lease struct {
	Token  string `json:"token"`
	Holder string `json:"holder"`
	Since  int64  `json:"since"`
	Until  int64  `json:"until"` // unless it is renewed
}

// mark is a run that has been published for a while: what died in it, or before,
// nobody asks for any more once it is old enough.
type mark struct {
	Run int   `json:"run"`
	At  int64 `json:"at"`
}

// head is what a search asks for with the legs: the state without what is large.
var headFields = object{"excludes": []string{"mean", "lease", "mark"}}

func (e *Engine) statePath(kind, collection string) string {
	return "/" + e.collectionsIndex() + "/" + kind + "/" + url.PathEscape(collection)
}

// state asks for a published collection; [index.ErrNotFound] if there is none.
func (e *Engine) state(ctx context.Context, collection string) (state, error) {
	if err := index.CheckName(collection); err != nil {
		return state{}, fmt.Errorf("%w: %w", index.ErrNotFound, err)
	}
	var answer struct {
		Found  bool  `json:"found"`
		Source state `json:"_source"`
	}
	err := e.call(ctx, http.MethodGet, e.statePath("_doc", collection), nil, &answer)
	var refused *serverError
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		err = nil
	}
	switch {
	case err != nil:
		return state{}, fmt.Errorf("open collection %q: %w", collection, unreachable(err))
	case answer.Source.Generation == 0:
		e.forget(collection)
		return state{}, fmt.Errorf("collection %q: %w", collection, index.ErrNotFound)
	}
	e.learn(answer.Source)
	return answer.Source, nil
}

// lookUp gives what is known of a collection, and asks where nothing is.
func (e *Engine) lookUp(ctx context.Context, collection string) (state, error) {
	e.mu.Lock()
	s, ok := e.known[collection]
	e.mu.Unlock()
	if ok && s.Chunks > 0 { // of an empty one nobody may have been told that it is not any more
		return s, nil
	}
	return e.state(ctx, collection)
}

// learn remembers the newest that was seen: what is published is on every copy
// before it is, so that a copy which has not heard of it yet can be asked for it.
func (e *Engine) learn(s state) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.known[s.Name].Run <= s.Run {
		e.known[s.Name] = s
	}
}

func (e *Engine) forget(collection string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.known, collection)
}

// manifest tells a state as the index on disk would.
func (s state) manifest() index.Manifest {
	m := index.Manifest{
		Format: index.Format, Generation: s.Generation, Space: s.Space, Dims: s.Dims, Splitter: s.Splitter,
		Vector: "opensearch-hnsw", Keyword: s.Keyword, Documents: s.Documents, Chunks: s.Chunks,
	}
	if s.size > 0 {
		m.Files = []index.File{{Name: s.Store, Size: s.size}}
	}
	return m
}

// visible is what the state's generation has.
func (s state) visible() object { return object{"bool": object{"must_not": s.invisible()}} }

// invisible is what its generation has not: what was born after it, and what has
// died. Runs that were never published have neither borne nor killed. Most of the
// time there is no such record, and to leave none out costs a search nothing,
// where to pass all through a filter would cost it its shortcuts.
func (s state) invisible() []object {
	not := []object{unscored(object{"range": object{"born": object{"gt": s.Run}}}), s.died(s.Run)}
	if len(s.Hidden) > 0 {
		not = append(not, object{"terms": object{"born": s.Hidden}})
	}
	return not
}

// unscored keeps a clause as it is: OpenSearch 3.2 turns a range that must not
// match into its opposite that must, which adds 1 to every score.
func unscored(clause object) object { return object{"constant_score": object{"filter": clause}} }

// died is what is not there any more since a run.
func (s state) died(run int) object {
	dead := unscored(object{"range": object{"died": object{"lte": run}}})
	if len(s.Hidden) == 0 {
		return dead
	}
	return object{"bool": object{"filter": []object{dead}, "must_not": []object{{"terms": object{"died": s.Hidden}}}}}
}

func atMillis(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05 UTC") }
