package retrieval

import (
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// StageBudget is the choice of the passages that the prompt has room for, with
// the writing of it. It cannot degrade.
const StageBudget = "budget"

// Stage is how long one part of a retrieval took. Those of the legs overlap.
type Stage struct {
	Name  string // StageRewrite, StageEmbed, LegVector, LegKeyword, StageRerank, StageBudget
	Begin time.Time
	Took  time.Duration
	Err   *StageError // nil unless it failed
}

func (res *Result) ran(name string, begin time.Time, err *StageError) {
	res.Stages = append(res.Stages, Stage{name, begin, time.Since(begin), err})
}

// legStages tells the legs that were asked; the vector leg's time is without the
// embedding's.
func legStages(begin time.Time, legs index.Legs, q index.Query) []Stage {
	out := make([]Stage, 0, 6) // with room for those of a whole retrieval
	if !q.SkipVector {
		v := Stage{Name: LegVector, Begin: begin, Took: legs.Vector.Took, Err: stageError(legs.Vector.Err)}
		if e := legs.Embed; e.Took > 0 {
			out = append(out, Stage{StageEmbed, begin, e.Took, stageError(e.Err)})
			v.Begin, v.Took = begin.Add(e.Took), max(0, v.Took-e.Took)
		}
		if legs.Embed.Err == nil {
			out = append(out, v)
		}
	}
	if !q.SkipKeyword {
		out = append(out, Stage{LegKeyword, begin, legs.Keyword.Took, stageError(legs.Keyword.Err)})
	}
	return out
}

func stageError(err error) *StageError {
	if err == nil {
		return nil
	}
	return legError(err)
}
