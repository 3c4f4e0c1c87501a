package retrieval

import (
	"context"
	"errors"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/internal/breaker"
)

// Stages that have a policy and no name of their own in Result.Degraded. A
// failed one stands there as the legs that it took along.
const (
	StageEmbed = "embed" // the query's vector; the vector leg fails with it
	StageIndex = "index" // opening the collection; both legs fail with it
)

// Policies has the stages whose failure ends a request: StageRewrite,
// StageEmbed, LegVector, LegKeyword, StageRerank, StageIndex. The failure of any
// other is told, and the answer comes without it.
type Policies map[string]bool

// StageFailed is the error of a request that ended because of its stage's
// policy.
type StageFailed struct {
	Stage string // as in Policies
	Leg   string // as in Result.Degraded
	Err   *StageError
}

func (e *StageFailed) Error() string {
	return e.Stage + " failed, without which there is to be no answer: " + e.Err.Error()
}

func (e *StageFailed) Unwrap() error { return e.Err }

// refuse returns a *StageFailed for the first failure whose stage's policy
// does not let the request go on.
func (p Policies) refuse(failed []RetrievalFailed) error {
	for _, f := range failed {
		if p[f.Stage()] {
			return &StageFailed{f.Stage(), f.Leg, f.Err}
		}
	}
	return nil
}

// Stage is what failed: the leg, or what the leg needs and did not get.
func (f RetrievalFailed) Stage() string {
	switch {
	case errors.Is(f.Err, index.ErrOpen):
		return StageIndex
	case errors.Is(f.Err, index.ErrEmbed), errors.Is(f.Err, index.ErrSpace):
		return StageEmbed
	}
	return f.Leg
}

// Codes of a StageError. Every stage has codeDeadline; others that are no
// stage's own are below.
const (
	codeDeadline = "deadline"
	codeCircuit  = "circuit_open"
)

func circuitError(err error) *StageError {
	return &StageError{codeCircuit, "it failed several times in a row and is not asked for a while", err}
}

// legError gives a leg's failure its code and words.
func legError(err error) *StageError {
	open, embed, late := errors.Is(err, index.ErrOpen), errors.Is(err, index.ErrEmbed), errors.Is(err, context.DeadlineExceeded)
	switch {
	case errors.Is(err, breaker.ErrOpen):
		return circuitError(err)
	case errors.Is(err, index.ErrSpace):
		return &StageError{"embedding_space_mismatch", "the collection was made with another embedder", err}
	case late && open:
		return &StageError{codeDeadline, "the index took too long to open", err}
	case late && embed:
		return &StageError{codeDeadline, "the embedding of the query took too long", err}
	case late:
		return &StageError{codeDeadline, "the search took too long", err}
	case open:
		return &StageError{"index_failed", "the index cannot be opened", err}
	case embed:
		return &StageError{"embedding_failed", "the query could not be embedded", err}
	default:
		return &StageError{"leg_failed", "this part of the search is not available", err}
	}
}

// checkLeg makes a leg failed that answers with what no order follows from.
// Whether the hits are the collection's own only the engine can know.
func checkLeg(leg *index.Leg) {
	wrong := notFinite(leg.Floor) || notFinite(leg.Ceiling)
	for _, h := range leg.Hits {
		wrong = wrong || notFinite(h.Score) || h.Chunk.ID == ""
	}
	if wrong && leg.Err == nil {
		*leg = index.Leg{Err: errors.New("the leg gave a score that is not finite, or a hit without an id"), Took: leg.Took}
	}
}
