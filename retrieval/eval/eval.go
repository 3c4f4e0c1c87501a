// Package eval measures a retrieval pipeline on a set of questions with known
// answers.
//
//	set, err := eval.Open("scifact/")             // questions and judgements
//	... index set.Sources into a collection ...
//	report, err := eval.Evaluate(ctx, set, eval.Options{Retriever: r, Collection: "c", Depth: 100, TopK: 4})
//	fmt.Println(report.All())                     // means with 95% intervals
//
// set.go knows the layouts of a set, metrics.go the measures, bootstrap.go
// what chance does to a mean, run.go TREC's run files. The package judges what
// a [retrieval.Retriever] finds and changes nothing about it.
package eval

import (
	"context"
	"errors"
	"fmt"

	"github.com/ragproxy/ragproxy/retrieval"
)

// What of a conversation is asked. A question of one turn is the same in all.
const (
	TurnsLast    = "last"    // the last user turn alone
	TurnsRewrite = "rewrite" // with the history, and the published rewrite as the model's
	TurnsHistory = "history" // with the history, and no model
)

// Options say how a set is asked.
type Options struct {
	Retriever  *retrieval.Retriever
	Collection string // where the set's sources are indexed
	Depth      int    // chunks asked for, from which the ranking of documents is made
	TopK       int    // chunks asked for where passages are judged
	Turns      string // TurnsLast, TurnsRewrite or TurnsHistory
}

// Report is what a pipeline reached on a set.
type Report struct {
	Set      *Set
	Measures []string
	Scores   [][]float64 // for each question of the set, one of each measure, 0 to 1
	Run      Run         // the documents found; empty where passages are judged
	// Rewritten is for how many questions a rewrite was searched.
	Rewritten int
}

// Evaluate asks every question of a set, one after the other. A leg that fails
// is an error: the numbers would be those of another pipeline.
func Evaluate(ctx context.Context, set *Set, opts Options) (*Report, error) {
	measures := set.measures(opts.TopK)
	r := &Report{Set: set, Run: Run{}}
	for _, m := range measures {
		r.Measures = append(r.Measures, m.name)
	}
	for _, q := range set.Questions {
		res, err := ask(ctx, set, q, opts)
		if err != nil {
			return nil, fmt.Errorf("ask %s: %w", q.ID, err)
		}
		if res.Query != res.Original {
			r.Rewritten++
		}
		scores := make([]float64, len(measures))
		for i, m := range measures {
			scores[i] = m.of(q, res.Sources)
		}
		r.Scores = append(r.Scores, scores)
		if set.JudgesDocuments() {
			r.Run[q.ID] = documents(res.Sources)
		}
	}
	return r, nil
}

func ask(ctx context.Context, set *Set, q Question, opts Options) (*retrieval.Result, error) {
	last := len(q.Messages) - 1
	req := retrieval.Request{Turn: q.Messages[last].Text, Collection: opts.Collection, TopK: opts.TopK}
	if set.JudgesDocuments() {
		req.TopK = opts.Depth
	}
	switch {
	case opts.Turns == TurnsHistory:
		req.History = q.Messages[:last]
	case opts.Turns == TurnsRewrite && q.Rewrite != "":
		req.History, req.Completer, req.Rewrite = q.Messages[:last], published(q.Rewrite), retrieval.RewriteAuto
	}
	res, err := opts.Retriever.Retrieve(ctx, req, nil)
	if err == nil {
		err = errors.Join(res.Causes...)
	}
	return res, err
}

// published is a model that answers with the rewrite that came with the set.
type published string

func (p published) Complete(context.Context, retrieval.CompletionRequest) (retrieval.Completion, error) {
	return retrieval.Completion{Text: string(p)}, nil
}

// documents ranks documents by their best chunk.
func documents(sources []retrieval.Source) []Ranked {
	seen := map[string]bool{}
	var out []Ranked
	for _, s := range sources {
		if id := s.Chunk.DocumentID; !seen[id] {
			seen[id] = true
			out = append(out, Ranked{Document: id, Score: s.Score})
		}
	}
	return out
}
