package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

// results are what a format or a loader yields, an error as "id: error".
func results(seq func(func(index.Document, error) bool)) (docs []index.Document, failures []string) {
	for doc, err := range seq {
		if err != nil {
			failures = append(failures, fmt.Sprintf("%s: %v", doc.ID, err))
		} else {
			docs = append(docs, doc)
		}
	}
	return docs, failures
}

func jsonlResults(text string, opts Options) ([]index.Document, []string) {
	return results(loadJSONL(context.Background(), input{id: "c.jsonl", url: "d/c.jsonl", body: strings.NewReader(text)}, opts.withDefaults()))
}

func TestLoadJSONL(t *testing.T) {
	var skipped []string
	docs, failures := jsonlResults("\ufeff"+strings.Join([]string{
		`{"_id":"a","title":" A\n title","text":"text a","url":"http://a/","metadata":{"year":2024,"tags":["x"]}}`,
		`{"id": 12345678901234567890, "text": "a number keeps its digits"}` + "\r",
		``,
		`{"text":"no id"}`,
		`{"_id":null,"id":"fallback","text":"x","title":null,"metadata":null,"more":[1]}`,
		`{"_id":"cut`,
		`{"_id":"a","text":"again"}`,
		`{"_id":"t","title":"Only a title","text":" "}`,
		`{"_id":"none"}`,
		`{"_id":{"x":1},"text":"x"}`,
		`{"_id":"n","text":5}`,
		"{\"_id\":\"u\",\"text\":\"\xff\"}",
		`[]`,
		`{"_id":"","text":"last, no line end"}`,
	}, "\n"), Options{Skipped: func(path, reason string) { skipped = append(skipped, path+": "+reason) }})

	want := []index.Document{
		{ID: "a", URL: "http://a/", Title: "A title", Text: "text a", Meta: map[string]any{"year": json.Number("2024"), "tags": []any{"x"}}},
		{ID: "12345678901234567890", Text: "a number keeps its digits"},
		{ID: "c.jsonl#4", Text: "no id"},
		{ID: "fallback", Text: "x"},
		{ID: "t", Title: "Only a title", Text: "Only a title"},
		{ID: "c.jsonl#14", Text: "last, no line end"},
	}
	if diff := cmp.Diff(want, docs); diff != "" {
		t.Errorf("documents (-want +got)\n%s", diff)
	}
	wantFailures := []string{
		"c.jsonl#6: line 6: parse JSON: unexpected end of JSON input",
		`a: line 7: id "a" again, first in line 1`,
		"c.jsonl#10: line 10: the id is neither a string nor a number",
		"c.jsonl#11: line 11: \"text\" has a value of the wrong type (number)",
		"c.jsonl#12: line 12: is not valid UTF-8",
		"c.jsonl#13: line 13: is a JSON array, not an object",
	}
	if diff := cmp.Diff(wantFailures, failures); diff != "" {
		t.Errorf("errors (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"d/c.jsonl:9: no text"}, skipped); diff != "" {
		t.Errorf("skipped (-want +got)\n%s", diff)
	}
}

func TestLoadJSONLLongLines(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	docs, failures := jsonlResults(`{"text":"`+long+`"}`, Options{})
	if len(docs) != 1 || docs[0].Text != long || failures != nil {
		t.Errorf("got %d documents and %v, want the long line", len(docs), failures)
	}
	docs, failures = jsonlResults(`{"text":"`+long+`"}`+"\n"+`{"text":"short"}`+"\n"+`{"text":"`+long+`"}`, Options{MaxBytes: 100_000})
	want := []string{"c.jsonl#1: line 1: longer than load.max_bytes (100000)", "c.jsonl#3: line 3: longer than load.max_bytes (100000)"}
	if diff := cmp.Diff(want, failures); diff != "" || len(docs) != 1 || docs[0].ID != "c.jsonl#2" {
		t.Errorf("got %d documents, want the second line; errors (-want +got)\n%s", len(docs), diff)
	}
}

func TestLoadJSONLBinary(t *testing.T) {
	_, failures := jsonlResults("\x7fELF\x00\n\x00\n\x00", Options{})
	if diff := cmp.Diff([]string{"c.jsonl: looks binary"}, failures); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A disk that fails ends the file, with one error.
func TestLoadJSONLReadError(t *testing.T) {
	body := io.MultiReader(strings.NewReader("{\"text\":\"x\"}\n"), iotest.ErrReader(errors.New("bad disk")))
	docs, failures := results(loadJSONL(t.Context(), input{id: "c", body: body}, Options{}.withDefaults()))
	if diff := cmp.Diff([]string{"c#2: line 2: read: bad disk"}, failures); diff != "" || len(docs) != 1 {
		t.Errorf("got %d documents, want 1; errors (-want +got)\n%s", len(docs), diff)
	}
}

func FuzzJSONL(f *testing.F) {
	f.Add([]byte("{\"_id\":\"a\",\"text\":\"x\"}\n{\"id\":1}\n\n{\"id\":[]}\n"))
	f.Add([]byte("\xef\xbb\xbf{\"_id\":\"\\u0000\\ud800\",\"text\":\"\\u0000\",\"metadata\":{\"a\":[{}]}}\r\n\xff\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		seen := map[string]bool{}
		n := 0
		for doc, err := range loadJSONL(t.Context(), input{id: "f", body: strings.NewReader(string(data))}, Options{MaxBytes: 1000}.withDefaults()) {
			if n++; doc.ID == "" {
				t.Errorf("got a document without id (error %v)", err)
			}
			if err != nil {
				continue
			}
			if seen[doc.ID] {
				t.Errorf("got id %q twice", doc.ID)
			}
			seen[doc.ID] = true
			if !utf8.ValidString(doc.ID+doc.Text+doc.Title) || strings.TrimSpace(doc.Text) == "" {
				t.Errorf("got %+v, want valid UTF-8 and a text", doc)
			}
		}
		if lines := strings.Count(string(data), "\n") + 1; n > lines {
			t.Errorf("got %d documents of %d lines", n, lines)
		}
	})
}
