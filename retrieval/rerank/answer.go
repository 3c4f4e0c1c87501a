package rerank

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// answerFault is an answer that arrived and is wrong.
type answerFault struct{ text string }

func (e *answerFault) Error() string { return "the answer " + e.text }

func answerError(format string, args ...any) error {
	return &answerFault{fmt.Sprintf(format, args...)}
}

// scored is one element of an answer. The score is relevance_score at Cohere
// and its like, score at TEI; null, which llama.cpp writes for NaN, is none.
type scored struct {
	Index     *int     `json:"index"`
	Relevance *float64 `json:"relevance_score"`
	Score     *float64 `json:"score"`
}

// decodeAnswer reads the scores of n passages, in the order of the passages:
// a list (TEI), or one in "results" (Cohere, Jina, vLLM, llama.cpp) or in
// "data" (Voyage). Each passage must have exactly one. JSON has no number that
// is not finite.
func decodeAnswer(body []byte, n int) ([]float64, error) {
	list, err := elements(body)
	if err != nil {
		return nil, answerError("is no JSON of a re-ranker: %v", err)
	}
	if len(list) != n {
		return nil, answerError("has %d scores for %d passages", len(list), n)
	}
	scores, seen := make([]float64, n), make([]bool, n)
	for _, s := range list {
		switch {
		case s.Index == nil:
			return nil, answerError("has a score without an index")
		case *s.Index < 0 || *s.Index >= n:
			return nil, answerError("has the index %d for %d passages", *s.Index, n)
		case seen[*s.Index]:
			return nil, answerError("has the index %d twice", *s.Index)
		case s.Relevance != nil:
			scores[*s.Index] = *s.Relevance
		case s.Score != nil:
			scores[*s.Index] = *s.Score
		default:
			return nil, answerError("has no score for the index %d", *s.Index)
		}
		seen[*s.Index] = true
	}
	return scores, nil
}

func elements(body []byte) ([]scored, error) {
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
		var list []scored
		err := json.Unmarshal(body, &list)
		return list, err
	}
	var answer struct {
		Results []scored `json:"results"`
		Data    []scored `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	if answer.Results != nil {
		return answer.Results, nil
	}
	return answer.Data, nil
}
