package eval

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ragproxy/ragproxy/retrieval"
)

// bom is the byte order mark that some editors begin a file with.
const bom = "\ufeff"

// longestLine bounds what one line may take, in bytes.
const longestLine = 16 << 20

// lines yields the lines of r that are not blank, with their numbers from 1.
func lines(r io.Reader, failed *error) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		scan := bufio.NewScanner(r)
		scan.Buffer(make([]byte, 0, 64<<10), longestLine)
		n := 0
		for scan.Scan() {
			n++
			line := scan.Text()
			if strings.TrimSpace(line) != "" && !yield(n, line) {
				return
			}
		}
		if err := scan.Err(); err != nil {
			*failed = fmt.Errorf("line %d: %w", n+1, err)
		}
	}
}

// highestGrade keeps the sums of grades finite.
const highestGrade = 1e6

// ReadQrels reads judgements: query, document and grade a line, with tabs
// between (or spaces, where a line has no tab). A first line that names the
// columns, as BEIR's do, is passed over. A document that is judged twice has
// its last grade. The error names the line.
func ReadQrels(r io.Reader) (map[string]map[string]float64, error) {
	grades := map[string]map[string]float64{}
	var failed error
	for n, line := range lines(r, &failed) {
		if n == 1 {
			line = strings.TrimPrefix(line, bom)
		}
		f := strings.Split(line, "\t")
		if len(f) == 1 {
			f = strings.Fields(line)
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		if n == 1 && (f[0] == "query-id" || f[0] == "qid") {
			continue
		}
		if len(f) != 3 || f[0] == "" || f[1] == "" {
			return nil, fmt.Errorf("line %d: it has %d columns, want query, document and grade with tabs between", n, len(f))
		}
		grade, err := strconv.ParseFloat(f[2], 64)
		if err != nil || !(math.Abs(grade) <= highestGrade) { // so written, NaN fails
			return nil, fmt.Errorf("line %d: the grade %q is no number between %.0f and %.0f", n, f[2], -highestGrade, highestGrade)
		}
		if grades[f[0]] == nil {
			grades[f[0]] = map[string]float64{}
		}
		grades[f[0]][f[1]] = grade
	}
	return grades, failed
}

// record is a line of queries.jsonl, conversations.jsonl or questions.jsonl.
type record struct {
	ID       id     `json:"_id"`
	Text     string `json:"text"`
	Question string `json:"question"`
	Messages []struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	} `json:"messages"`
	Rewrite     string   `json:"rewrite"`
	Doc         string   `json:"doc"`
	Spans       []Span   `json:"spans"`
	MustContain []string `json:"must_contain"`
}

// id is a string, or a number as it is written, as in a corpus.
type id string

func (i *id) UnmarshalJSON(b []byte) error {
	if b[0] == '-' || '0' <= b[0] && b[0] <= '9' {
		*i = id(b)
		return nil
	}
	return json.Unmarshal(b, (*string)(i))
}

func readQuestions(path, layout string) ([]Question, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list, err := parseQuestions(b, layout)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	return list, nil
}

func parseQuestions(b []byte, layout string) ([]Question, error) {
	var list []Question
	first := map[string]int{}
	var failed error
	for n, line := range lines(bytes.NewReader(bytes.TrimPrefix(b, []byte(bom))), &failed) {
		var r record
		err := json.Unmarshal([]byte(line), &r)
		var q Question
		if err == nil {
			q, err = r.as(layout)
		}
		if at, again := first[q.ID]; again && err == nil {
			err = fmt.Errorf("_id %q again, first in line %d", q.ID, at)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		first[q.ID] = n
		list = append(list, q)
	}
	return list, failed
}

// as is the question that a line holds in a layout.
func (r record) as(layout string) (Question, error) {
	q := Question{ID: string(r.ID), Rewrite: r.Rewrite, MustContain: r.MustContain, Spans: Spanned{r.Doc, r.Spans}}
	if q.ID == "" {
		return q, errors.New(`it has no "_id"`)
	}
	for _, text := range []string{r.Text, r.Question} {
		if text != "" {
			q.Messages = append(q.Messages, retrieval.Message{Role: "user", Text: text})
		}
	}
	for _, m := range r.Messages {
		if m.Role == "user" || m.Role == "assistant" { // what the pipeline knows
			q.Messages = append(q.Messages, retrieval.Message{Role: m.Role, Text: m.Content})
		}
	}
	switch n := len(q.Messages); {
	case n == 0:
		return q, errors.New(`it has none of "text", "question" and "messages"`)
	case n > 1 && len(r.Messages) < n:
		return q, errors.New(`it has more than one of "text", "question" and "messages"`)
	case q.Messages[n-1].Role != "user" || strings.TrimSpace(q.Messages[n-1].Text) == "":
		return q, errors.New("its last message is no text of the user")
	case layout == Spans:
		return q, q.Spans.check()
	case layout == Strings && (len(q.MustContain) == 0 || slices.Contains(q.MustContain, "")):
		return q, errors.New(`it has no "must_contain", or an empty one`)
	}
	return q, nil
}

func (s Spanned) check() error {
	if s.Document == "" || len(s.Spans) == 0 {
		return errors.New(`it has no "doc" or no "spans"`)
	}
	for _, span := range s.Spans {
		if span[0] < 0 || span[1] <= span[0] {
			return fmt.Errorf("the span %v is not [from, to) in characters", span)
		}
	}
	return nil
}
