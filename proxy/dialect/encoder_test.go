package dialect

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/proxy/sse"
	"github.com/ragproxy/ragproxy/retrieval"
)

// recorder is a Sink that keeps all.
type recorder struct {
	frames [][]byte
	lines  [][]byte
}

func (r *recorder) Event(payload []byte) { r.frames = append(r.frames, bytes.Clone(payload)) }
func (r *recorder) Line(line []byte)     { r.lines = append(r.lines, bytes.Clone(line)) }

func allEvents() Selection { return Filter{All: true}.Select() }

func testRequest() Request {
	return Request{ID: "chatcmpl-P", Model: "m", Choices: 1, IncludeUsage: true, Select: allEvents(), Text: TextFull, Now: func() time.Time { return time.Unix(1, 0) }}
}

func testResult() *retrieval.Result {
	score := .5
	source := func(n int, url string) retrieval.Source {
		return retrieval.Source{N: n, Hit: index.Hit{Chunk: index.Chunk{ID: "d#chunk-0", DocumentID: "d", URL: url, Title: "T\"", Text: "text <b>"}, Score: score}, Vector: &score, Collection: "c"}
	}
	return &retrieval.Result{Query: "q", Original: "o", Sources: []retrieval.Source{source(1, "https://e.org/a"), source(2, "")}, Usage: &retrieval.Usage{PromptTokens: 3}}
}

func events(res *retrieval.Result) []retrieval.Event {
	failed := &retrieval.StageError{Code: "c", Message: "m", Err: errors.New("cause")}
	return []retrieval.Event{
		retrieval.RewriteDelta{Delta: "q"}, retrieval.RewriteDone{Query: "q", Original: "o"}, retrieval.RewriteFailed{Err: failed, Query: "o"},
		retrieval.RetrievalStarted{Query: "q", TopK: 2, Collection: "c"}, retrieval.RetrievalFailed{Leg: "vector", Err: failed, Fallback: "bm25"},
		retrieval.RetrievalDone{Query: "q", Sources: res.Sources},
	}
}

// TestEveryDialect is the suite that all dialects pass: what is theirs is a
// well-formed chunk with the stream's one id and no role, lists under delta
// come once, and what is upstream's is still all there.
func TestEveryDialect(t *testing.T) {
	stream := []string{
		`data: {"id":"u","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"x":1.0}` + "\n", "\n",
		`data: {"id":"u","choices":[{"index":0,"delta":{"content":"a [1]"},"finish_reason":null}]}` + "\n", "\n",
		`data: {"id":"u","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n", "\n",
		`data: {"id":"u","choices":[],"usage":{"total_tokens":1}}` + "\n", "\n", "data: [DONE]\n", "\n",
	}
	for _, d := range all() {
		for _, s := range []Switches{{}, {Markdown: true}, {Reasoning: true}, {Markdown: true, Reasoning: true}} {
			var out recorder
			res := testResult()
			e := d.With(s).Stream(testRequest(), &out)
			for _, ev := range events(res) {
				e.Retrieval(ev)
			}
			e.Answer(res)
			for _, line := range stream {
				e.Upstream([]byte(line))
			}
			name := d.Name
			if s != (Switches{}) {
				name += " with switches"
			}
			checkFrames(t, name, out.frames)
			if d.Name == "plain" && s == (Switches{}) {
				if got := string(bytes.Join(out.lines, nil)); got != strings.Join(stream, "") {
					t.Errorf("%s: got %q, want upstream's bytes", name, got)
				}
				continue
			}
			checkLines(t, name, out.lines, stream)
		}
	}
}

func checkFrames(t *testing.T, name string, frames [][]byte) {
	t.Helper()
	lists := map[string]int{}
	for _, f := range frames {
		c := gjson.ParseBytes(f)
		if !gjson.ValidBytes(f) || c.Get("id").Str != "chatcmpl-P" || c.Get("object").Str != "chat.completion.chunk" || c.Get("model").Str != "m" || c.Get("choices.#").Int() != 1 {
			t.Errorf("%s: the frame %s is no chunk of this stream", name, f)
		}
		if c.Get("error").Exists() || c.Get("choices.0.delta.role").Exists() || c.Get("choices.0.index").Int() != 0 || !c.Get("choices.0.delta.content").Exists() {
			t.Errorf("%s: the frame %s breaks clients", name, f)
		}
		c.Get("choices.0.delta").ForEach(func(key, value gjson.Result) bool {
			if value.IsArray() || value.IsObject() {
				lists[key.Str]++
			}
			return true
		})
	}
	for key, n := range lists {
		if n > 1 {
			t.Errorf("%s: delta.%s comes in %d frames, want one", name, key, n)
		}
	}
}

func checkLines(t *testing.T, name string, lines [][]byte, stream []string) {
	t.Helper()
	if len(lines) != len(stream) {
		t.Fatalf("%s: got %d lines, want %d", name, len(lines), len(stream))
	}
	for i, line := range lines {
		from, to, ok := sse.Data(line)
		if !ok || sse.IsDone(line[from:to]) {
			if string(line) != stream[i] {
				t.Errorf("%s: got line %q, want %q", name, line, stream[i])
			}
			continue
		}
		if !gjson.ValidBytes(line[from:to]) || gjson.GetBytes(line[from:to], "id").Str != "chatcmpl-P" {
			t.Errorf("%s: line %q is no chunk with the stream's id", name, line)
		}
		// Everything that upstream said is still there, but for the id.
		want := stream[i][6:]
		gjson.Parse(want).ForEach(func(key, value gjson.Result) bool {
			got := gjson.GetBytes(line[from:to], key.Str)
			if key.Str != "id" && key.Str != "choices" && key.Str != "usage" && got.Raw != value.Raw {
				t.Errorf("%s: %s is %s, want %s", name, key.Str, got.Raw, value.Raw)
			}
			return true
		})
	}
}

func TestMarks(t *testing.T) {
	tests := []struct {
		text string
		want map[int]span
	}{
		{"no marks", map[int]span{}},
		{"a [1].", map[int]span{1: {2, 5}}},
		{"é😀 [1][2]", map[int]span{1: {3, 6}, 2: {6, 9}}},
		{"[1, 2] and [2]", map[int]span{1: {0, 6}, 2: {0, 6}}},
		{"[1,2,3]", map[int]span{1: {0, 7}, 2: {0, 7}, 3: {0, 7}}},
		{"first [2] then [2]", map[int]span{2: {6, 9}}},
		{"[] [a] [1 [-1] [1;2] [ 1] [1 ] [12", map[int]span{}},
		{"[[3]]", map[int]span{3: {1, 4}}},
		{"[99999999999999999999]", map[int]span{}},
	}
	for _, tt := range tests {
		got := findMarks(tt.text)
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(span{})); diff != "" {
			t.Errorf("findMarks(%q) (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestSelect(t *testing.T) {
	tests := []struct {
		name   string
		filter Filter
		want   string
	}{
		{"nothing said", Filter{}, "annotations guard.flagged retrieval.done retrieval.failed rewrite.done rewrite.failed summary"},
		{"all", Filter{All: true}, "annotations guard.flagged retrieval.done retrieval.failed retrieval.started rewrite.delta rewrite.done rewrite.failed summary"},
		{"none", Filter{None: true}, ""},
		{"a type takes all its events", Filter{Events: []string{"rewrite"}}, "rewrite.delta rewrite.done rewrite.failed"},
		{"names", Filter{Events: []string{"summary", "rewrite.done"}}, "rewrite.done summary"},
		{"a start has its end", Filter{IncludeNames: []string{"retrieval.started"}}, "retrieval.done retrieval.started"},
		{"includes replace the default", Filter{IncludeTags: []string{"contextualize_q_llm"}}, "rewrite.delta rewrite.done rewrite.failed"},
		{"the guard's tag", Filter{IncludeTags: []string{"guard"}}, "guard.flagged"},
		{"any include", Filter{IncludeTypes: []string{"summary"}, IncludeNames: []string{"rewrite.done"}}, "rewrite.done summary"},
		{"then excludes", Filter{ExcludeTags: []string{"retriever"}}, "annotations guard.flagged rewrite.done rewrite.failed summary"},
		{"includes narrow events", Filter{Events: []string{"rewrite", "summary"}, IncludeTypes: []string{"rewrite"}, ExcludeNames: []string{"rewrite.delta"}}, "rewrite.done rewrite.failed"},
		{"an unknown include matches nothing", Filter{IncludeNames: []string{"x"}}, ""},
	}
	for _, tt := range tests {
		var got []string
		for _, n := range []string{"annotations", "guard.flagged", "retrieval.done", "retrieval.failed", "retrieval.started", "rewrite.delta", "rewrite.done", "rewrite.failed", "summary"} {
			if tt.filter.Select()[n] {
				got = append(got, n)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, strings.Join(got, " "), tt.want)
		}
	}
}

func TestLinkIsEachSourcesOwn(t *testing.T) {
	tests := []struct{ url, id, want string }{
		{"https://e.org/a", "x", "https://e.org/a#chunk-3"},
		{"https://e.org/a#part", "x", "https://e.org/a#part-chunk-3"},
		{"", "a b/ü.md", "urn:ragproxy:docs:a%20b/%C3%BC.md#chunk-3"},
	}
	for _, tt := range tests {
		s := retrieval.Source{Hit: index.Hit{Chunk: index.Chunk{URL: tt.url, DocumentID: tt.id, Ordinal: 3}}, Collection: "docs"}
		if got := Link(s); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestFitCutsAtRunes(t *testing.T) {
	res := testResult()
	for i := range res.Sources {
		res.Sources[i].Chunk.Text = strings.Repeat("é漢", 30_000*(i+1))
		res.Sources[i].Chunk.Meta = map[string]any{"big": strings.Repeat("x", 100_000), "n": math.MaxInt32}
	}
	got := fit(maxFrame, res.Sources, func(limit int) []byte { return marshal(sourcesJSON(res.Sources, TextFull, limit)) })
	if len(got) > maxFrame || !gjson.ValidBytes(got) || strings.Contains(string(got), "\uFFFD") {
		t.Errorf("got %d bytes, want at most %d of valid JSON without broken characters", len(got), maxFrame)
	}
}

// FuzzEncoders sends any lines through every dialect: no panic, no line lost,
// and valid JSON stays valid.
func FuzzEncoders(f *testing.F) {
	f.Add([]byte("data: {\"id\":\"u\",\"choices\":[{\"index\":0,\"delta\":null,\"finish_reason\":\"stop\"}],\"error\":null}\n\ndata: [DONE]\n"))
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"annotations\":[ ]},\"finish_reason\":\"stop\"}],\"citations\":1}\r\n"))
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"content\":\"//collect.example.net\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n"))
	f.Add([]byte("data:{\"id\":7,\"usage\":{},\"choices\":[]} \n: c\ndata: {\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, d := range all() {
			var out recorder
			res := guardedResult()
			e := d.With(Switches{Markdown: d.Name == "rag"}).Stream(testRequest(), &out)
			e.Answer(res)
			n := 0
			for line := range bytes.Lines(in) {
				e.Upstream(line)
				n++
				got := out.lines[len(out.lines)-1]
				if from, to, ok := sse.Data(line); ok && gjson.ValidBytes(line[from:to]) {
					if from, to, ok = sse.Data(got); !ok || !gjson.ValidBytes(got[from:to]) {
						t.Fatalf("%s: %q became %q", d.Name, line, got)
					}
				}
			}
			if len(out.lines) != n {
				t.Fatalf("%s: got %d lines of %d", d.Name, len(out.lines), n)
			}
			for _, frame := range out.frames {
				if !gjson.ValidBytes(frame) {
					t.Fatalf("%s: invalid frame %q", d.Name, frame)
				}
			}
			if body := d.Body(testRequest(), res, in); gjson.ValidBytes(in) && !gjson.ValidBytes(body) {
				t.Fatalf("%s: the body %q became %q", d.Name, in, body)
			}
		}
	})
}
