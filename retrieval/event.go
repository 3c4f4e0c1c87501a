package retrieval

import (
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// Event is one step of a retrieval as it happens. The names, types and tags
// are what a client filters by; they map LangChain's astream_events
// (on_chat_model_stream tagged contextualize_q_llm, on_retriever_start and
// _end).
type Event interface {
	// Name is the event's name on the wire, "rewrite.delta"; its type is the
	// part before the dot.
	Name() string
}

// RewriteDelta is a piece of the rewritten query as the model writes it.
type RewriteDelta struct{ Delta string }

// RewriteDone carries the standalone query that a rewrite gave.
type RewriteDone struct {
	Query, Original string
	Model           string
	Took            time.Duration
}

// RewriteFailed says that the user's own words are searched instead.
type RewriteFailed struct {
	Err   *StageError
	Query string
}

// RetrievalStarted says that the final query is chosen.
type RetrievalStarted struct {
	Query      string
	TopK       int
	Collection string
}

// RetrievalFailed says that a leg gave no answer, and which one answers
// alone; Fallback is "" when none does. With StageRerank for the leg it says
// that the re-ranker gave none and the fused order stands.
type RetrievalFailed struct {
	Leg      string
	Err      *StageError
	Fallback string
}

// RetrievalDone carries the sources, best first; none if nothing was found.
type RetrievalDone struct {
	Query    string
	Took     time.Duration
	Degraded []string
	Sources  []Source
}

func (RewriteDelta) Name() string     { return "rewrite.delta" }
func (RewriteDone) Name() string      { return "rewrite.done" }
func (RewriteFailed) Name() string    { return "rewrite.failed" }
func (RetrievalStarted) Name() string { return "retrieval.started" }
func (RetrievalFailed) Name() string  { return "retrieval.failed" }
func (RetrievalDone) Name() string    { return "retrieval.done" }

// StageError is the failure of one stage that the answer survives. Code and
// Message may be shown to the client; Err, the cause, may not.
type StageError struct {
	Code    string
	Message string
	Err     error
}

func (e *StageError) Error() string { return e.Message + ": " + e.Err.Error() }
func (e *StageError) Unwrap() error { return e.Err }

// Names of the legs, as they stand in events and in Result.Degraded.
const (
	LegVector  = "vector"
	LegKeyword = "bm25"
)

// Stages beside the legs, in Result.Degraded; the re-ranking also where a leg
// stands in events.
const (
	StageRewrite = "rewrite"
	StageRerank  = "rerank"
)

// Source is one retrieved chunk as a passage of the prompt: N is its number
// there, from 1. Vector and Keyword are the legs' own scores, nil where the
// leg does not have it; Hit.Score is the fused one, which does not fall from
// source to source where they were re-ranked.
type Source struct {
	N int
	index.Hit
	Vector, Keyword *float64
	Collection      string
}
