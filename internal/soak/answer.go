package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// answer checks one stream, line by line.
type answer struct {
	id, tokens int
	state      *published

	floor, gone int64 // of the collection when it was asked
	next        int   // token
	sources     []string
	summary     bool
	finished    bool
	done        bool
}

func newAnswer(id, tokens int, state *published) *answer {
	return &answer{id: id, tokens: tokens, state: state, floor: state.committed.Load(), gone: state.deleted.Load()}
}

// line takes one line of the stream, without its end.
func (a *answer) line(line []byte) error {
	payload, ok := bytes.CutPrefix(line, []byte("data: "))
	switch {
	case len(line) == 0 || line[0] == ':':
		return nil
	case !ok:
		return fmt.Errorf("a line that is no data: %.100s", line)
	case a.done:
		return fmt.Errorf("a line behind [DONE]: %.100s", line)
	case string(payload) == "[DONE]":
		a.done = true
		return nil
	}
	chunk := gjson.ParseBytes(payload)
	if e := chunk.Get("error"); e.Exists() {
		return fmt.Errorf("an error event: %.300s", e.Raw)
	}
	if rag := chunk.Get("rag"); rag.Exists() {
		if err := a.event(rag); err != nil {
			return err
		}
	}
	if text := chunk.Get("choices.0.delta.content").Str; text != "" {
		if want := token(a.id, a.next); text != want {
			return fmt.Errorf("token %q where %q was due", text, want)
		}
		a.next++
	}
	if chunk.Get("choices.0.finish_reason").Str == "stop" {
		a.finished = true
	}
	return nil
}

// end says what the whole answer lacks.
func (a *answer) end() error {
	switch {
	case a.next != a.tokens:
		return fmt.Errorf("%d tokens of %d", a.next, a.tokens)
	case !a.finished, !a.done:
		return fmt.Errorf("no clean end: finish chunk %v, [DONE] %v", a.finished, a.done)
	case a.sources == nil || !a.summary:
		return fmt.Errorf("no sources, or no summary")
	}
	return nil
}

func (a *answer) event(rag gjson.Result) error {
	kind := rag.Get("type").Str
	if kind != "retrieval.done" && kind != "summary" {
		if strings.HasSuffix(kind, ".failed") {
			return fmt.Errorf("%s: %.300s", kind, rag.Raw)
		}
		return nil
	}
	if n := rag.Get("degraded.#").Int(); n != 0 {
		return fmt.Errorf("%s is degraded: %s", kind, rag.Get("degraded").Raw)
	}
	var ids []string
	for _, s := range rag.Get("sources").Array() {
		ids = append(ids, s.Get("id").Str)
	}
	if kind == "summary" {
		a.summary = true
		if !slices.Equal(ids, a.sources) {
			return fmt.Errorf("the summary has sources %v, retrieval.done had %v", ids, a.sources)
		}
		return nil
	}
	a.sources = ids
	return a.oneGeneration(rag.Get("sources").Array())
}

// oneGeneration holds the sources to what was published: all of one revision,
// none that was replaced or deleted before the question, none that is to come.
func (a *answer) oneGeneration(sources []gjson.Result) error {
	if len(sources) != 4 {
		return fmt.Errorf("%d sources, want 4", len(sources))
	}
	revision := sources[0].Get("metadata.revision").Int()
	if ceiling := a.state.begun.Load(); revision < a.floor || revision > ceiling {
		return fmt.Errorf("sources of revision %d, published are %d to %d", revision, a.floor, ceiling)
	}
	for _, s := range sources {
		id, _, _ := strings.Cut(s.Get("id").Str, "#")
		if other := s.Get("metadata.revision").Int(); other != revision {
			return fmt.Errorf("sources of two generations: revisions %d and %d", revision, other)
		}
		if !strings.Contains(s.Get("text").Str, fmt.Sprintf("revision r%d,", revision)) {
			return fmt.Errorf("source %s of revision %d has the text of another: %.120s", id, revision, s.Get("text").Str)
		}
		if err := a.mayBe(id, revision); err != nil {
			return err
		}
	}
	return nil
}

func (a *answer) mayBe(id string, revision int64) error {
	kind, number, _ := strings.Cut(id, "-")
	n, err := strconv.Atoi(number)
	switch {
	case err != nil:
		return fmt.Errorf("source %q is none of the collection's", id)
	case kind == "temp" && (int64(n) != revision || int64(n) <= a.gone):
		return fmt.Errorf("source %s was deleted", id)
	case kind == "doc" && onlyEven(n) && revision%2 == 1:
		return fmt.Errorf("source %s was pruned in revision %d", id, revision)
	}
	return nil
}
