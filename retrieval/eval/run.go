package eval

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Run holds, for each query, the documents that a system found, best first.
type Run map[string][]Ranked

// Ranked is a document of a run.
type Ranked struct {
	Document string
	Score    float64
}

// highestScore keeps scores within float32, in which trec_eval reads them.
const highestScore = 1e30

// Write writes a run as TREC's six columns, query by query: query, Q0,
// document, rank, score, tag. trec_eval sorts by score and not by rank, so a
// document that has the same score as the one before it is written with the
// next smaller one. An id with white space in it, which the format cannot
// hold, is an error.
func (r Run) Write(w io.Writer, tag string) error {
	out := bufio.NewWriter(w)
	for _, query := range slices.Sorted(maps.Keys(r)) {
		above := float32(math.Inf(1))
		for i, d := range r[query] {
			if !isWord(query) || !isWord(d.Document) {
				return fmt.Errorf("write run: the ids %q and %q: a run has no place for white space in an id", query, d.Document)
			}
			score := min(float32(d.Score), math.Nextafter32(above, float32(math.Inf(-1))))
			above = score
			fmt.Fprintf(out, "%s Q0 %s %d %s %s\n", query, d.Document, i+1, strconv.FormatFloat(float64(score), 'g', -1, 32), tag)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write run: %w", err)
	}
	return nil
}

// isWord says whether s is read back as one column.
func isWord(s string) bool {
	f := strings.Fields(s)
	return len(f) == 1 && f[0] == s
}

// ReadRun reads a run of TREC's six columns (query, Q0, document, rank, score,
// tag) or of four (query, document, rank, score). The order is that of the
// scores, as for trec_eval; equal ones are ordered by rank. A document that
// comes again counts where it stands first. The error names the line.
func ReadRun(in io.Reader) (Run, error) {
	read := map[string][]runLine{}
	var failed error
	for n, text := range lines(in, &failed) {
		query, l, err := parseRunLine(strings.Fields(text))
		if err != nil && n == 1 && strings.HasPrefix(text, "qid") { // the columns' names
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		read[query] = append(read[query], l)
	}
	if failed != nil {
		return nil, failed
	}
	run := Run{}
	for query, list := range read {
		slices.SortStableFunc(list, func(a, b runLine) int {
			return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.rank, b.rank))
		})
		seen := map[string]bool{}
		for _, l := range list {
			if !seen[l.Document] {
				seen[l.Document] = true
				run[query] = append(run[query], l.Ranked)
			}
		}
	}
	return run, nil
}

type runLine struct {
	Ranked
	rank int
}

func parseRunLine(f []string) (query string, l runLine, err error) {
	if len(f) == 6 {
		f = []string{f[0], f[2], f[3], f[4]}
	}
	if len(f) != 4 {
		return "", l, fmt.Errorf("it has %d columns, want query, Q0, document, rank, score and tag", len(f))
	}
	rank, err := strconv.Atoi(f[2])
	if err != nil {
		return "", l, fmt.Errorf("the rank %q is no number", f[2])
	}
	score, err := strconv.ParseFloat(f[3], 32)
	if err != nil || !(math.Abs(score) <= highestScore) { // so written, NaN fails
		return "", l, fmt.Errorf("the score %q is no number within ±%g", f[3], highestScore)
	}
	return f[0], runLine{Ranked{f[1], score}, rank}, nil
}

// CompareRun compares the report with another system's run on nDCG@10. A
// query that the run does not have counts 0 for it; a run that has none of
// the set's is an error.
func (r *Report) CompareRun(other Run) (Comparison, error) {
	at := slices.Index(r.Measures, ndcgName)
	if at < 0 {
		return Comparison{}, errors.New("compare runs: this set judges passages, a run holds documents")
	}
	ours, theirs, common := make([]float64, len(r.Scores)), make([]float64, len(r.Scores)), 0
	for i, q := range r.Set.Questions {
		if other[q.ID] != nil {
			common++
		}
		ours[i], theirs[i] = r.Scores[i][at], NDCG(ids(other[q.ID]), q.Grades, cutOff)
	}
	if common == 0 {
		return Comparison{}, errors.New("compare runs: the other run has none of this set's queries")
	}
	return Compare(ours, theirs)
}
