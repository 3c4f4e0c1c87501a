package eval

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ragproxy/ragproxy/retrieval"
)

// Layouts of a set, told apart by its files.
const (
	Queries       = "queries"       // corpus.jsonl, queries.jsonl, qrels.tsv: BEIR's
	Conversations = "conversations" // corpus.jsonl, conversations.jsonl, qrels.tsv
	Spans         = "spans"         // corpora/*.md, questions.jsonl with "spans"
	Strings       = "strings"       // *.html, questions.jsonl with "must_contain"
)

// known lists the layouts for messages.
const known = `a set is one of
  corpus.jsonl, queries.jsonl, qrels.tsv (or qrels/test.tsv)
  corpus.jsonl, conversations.jsonl, qrels.tsv
  corpora/*.md, questions.jsonl with "doc" and "spans"
  *.html, questions.jsonl with "must_contain"`

// Set is a corpus and questions about it with what should be found.
type Set struct {
	Name   string // of its folder
	Layout string
	// Sources are the files to index, each under its own name or, in a .jsonl,
	// each line under its id.
	Sources   []string
	Questions []Question // in the order of their file; never empty
}

// Question is one question with what should be found. Of the last three
// fields, one is there, by the set's layout.
type Question struct {
	ID       string
	Messages []retrieval.Message // the last is the user's; never empty
	Rewrite  string              // of the last turn into a standalone query; "" if none was published

	Grades map[string]float64 // by document id; one at least is above 0
	Spans  Spanned
	// MustContain are strings that the passages together have to contain, each
	// in a passage.
	MustContain []string
}

// Spanned is the part of a document that answers.
type Spanned struct {
	Document string
	Spans    []Span
}

// Span is [from, to) in characters (code points) of a document.
type Span [2]int

// JudgesDocuments says whether the set judges documents, so that there is a
// ranking of them, and not passages.
func (s *Set) JudgesDocuments() bool { return s.Layout == Queries || s.Layout == Conversations }

// Open reads the set in a folder. The error names the folder and what is
// missing, or the file and line at fault.
func Open(dir string) (*Set, error) {
	s, err := open(dir)
	if err != nil {
		return nil, fmt.Errorf("open set %s: %w", dir, err)
	}
	if len(s.Questions) == 0 {
		return nil, fmt.Errorf("open set %s: no question in it is judged", dir)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open set %s: %w", dir, err)
	}
	s.Name = filepath.Base(abs)
	return s, nil
}

func open(dir string) (*Set, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, errors.New("it is no folder: name the folder that holds the set")
	}
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	switch {
	case has("corpus.jsonl") && has("queries.jsonl") && has("conversations.jsonl"):
		return nil, errors.New("it has both queries.jsonl and conversations.jsonl: keep one")
	case has("corpus.jsonl") && has("queries.jsonl"):
		return openRanked(dir, Queries)
	case has("corpus.jsonl") && has("conversations.jsonl"):
		return openRanked(dir, Conversations)
	case has("corpus.jsonl"):
		return nil, errors.New("it has a corpus.jsonl, but neither queries.jsonl nor conversations.jsonl: " + known)
	case has("questions.jsonl") && has("corpora"):
		return openPassages(dir, Spans, filepath.Join("corpora", "*.md"))
	case has("questions.jsonl"):
		return openPassages(dir, Strings, "*.html")
	}
	return nil, errors.New("it has neither corpus.jsonl nor questions.jsonl: " + known)
}

// openRanked reads a set that judges documents. Every judged query counts; one
// whose grades are all 0 has nothing to be found and is left out.
func openRanked(dir, layout string) (*Set, error) {
	grades, err := openQrels(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, layout+".jsonl") // the layouts are named after their files
	list, err := readQuestions(path, layout)
	if err != nil {
		return nil, err
	}
	s := &Set{Layout: layout, Sources: []string{filepath.Join(dir, "corpus.jsonl")}}
	have := map[string]bool{}
	for _, q := range list {
		have[q.ID] = true
		if q.Grades = grades[q.ID]; relevant(q.Grades) > 0 {
			s.Questions = append(s.Questions, q)
		}
	}
	for id, g := range grades {
		if !have[id] && relevant(g) > 0 {
			return nil, fmt.Errorf("query %q is judged, but not in %s", id, filepath.Base(path))
		}
	}
	return s, nil
}

func openQrels(dir string) (map[string]map[string]float64, error) {
	path := filepath.Join(dir, "qrels.tsv")
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		path = filepath.Join(dir, "qrels", "test.tsv")
		f, err = os.Open(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("it has no qrels.tsv: " + known)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	grades, err := ReadQrels(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return grades, nil
}

// openPassages reads a set that judges passages of the files that pattern
// matches.
func openPassages(dir, layout, pattern string) (*Set, error) {
	sources, err := fs.Glob(os.DirFS(dir), filepath.ToSlash(pattern))
	if err != nil {
		return nil, err
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("it has a questions.jsonl, but no %s: %s", filepath.ToSlash(pattern), known)
	}
	s := &Set{Layout: layout}
	names := map[string]string{} // a document's id by the name that questions call it
	for _, source := range sources {
		source = filepath.Join(dir, filepath.FromSlash(source))
		s.Sources = append(s.Sources, source)
		id := filepath.Base(source)
		names[id], names[strings.TrimSuffix(id, filepath.Ext(id))] = id, id
	}
	if s.Questions, err = readQuestions(filepath.Join(dir, "questions.jsonl"), layout); err != nil {
		return nil, err
	}
	for i, q := range s.Questions {
		if layout == Spans && names[q.Spans.Document] == "" {
			return nil, fmt.Errorf("question %q is about %q, which is not in %s", q.ID, q.Spans.Document, pattern)
		}
		s.Questions[i].Spans.Document = names[q.Spans.Document]
	}
	return s, nil
}

// Groups are the parts of a set of conversations whose ids begin with
// different words up to a colon, in order of appearance, as lists of
// positions in Questions. There are none where an id has no such word, or
// where they are so many that they number the questions.
func (s *Set) Groups() (names []string, members map[string][]int) {
	const most = 8
	members = map[string][]int{}
	for i, q := range s.Questions {
		name, _, ok := strings.Cut(q.ID, ":")
		if !ok || s.Layout != Conversations {
			return nil, nil
		}
		if members[name] == nil {
			names = append(names, name)
		}
		members[name] = append(members[name], i)
	}
	if len(names) < 2 || len(names) > most {
		return nil, nil
	}
	return names, members
}
