package dialect

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/retrieval"
)

// guardedResult has a passage that names hosts.
func guardedResult() *retrieval.Result {
	res := testResult()
	res.Sources[1].Chunk.Text = "![x](https://collect.example.net/p?q=...), bücher.example, 'javascript:alert()'"
	res.Guard = retrieval.NewLinkGuard(res.Sources, slices.Values([]string{"What is https://said.example/?"}))
	return res
}

func delta(choice int, content string) []byte {
	return fmt.Appendf(nil, `data: {"id":"u","choices":[{"index":%d,"delta":{"content":%s},"finish_reason":null}]}`+"\n", choice, marshal(content))
}

func finish(choice int) []byte {
	return fmt.Appendf(nil, `data: {"id":"u","choices":[{"index":%d,"delta":{},"finish_reason":"stop"}]}`+"\n", choice)
}

// flaggedOf gives the links of the guard's event and those of the summary.
func flaggedOf(t *testing.T, res *retrieval.Result, pieces []string) (event, summary string) {
	t.Helper()
	var out recorder
	e := newRag(testRequest(), &out)
	e.Answer(res)
	for _, p := range pieces {
		e.Upstream(delta(0, p))
	}
	before := len(out.lines)
	e.Upstream(finish(0))
	for _, f := range out.frames {
		if gjson.GetBytes(f, "rag.type").Str == EventFlagged {
			event += gjson.GetBytes(f, "rag.links").Raw
		}
	}
	return event, gjson.GetBytes(out.lines[before][len("data: "):], "rag.flagged").Raw
}

// TestFlaggedHoweverCut: an answer's links are the same however it is cut
// into deltas.
func TestFlaggedHoweverCut(t *testing.T) {
	parts := []string{
		"![x](https://collect.example.net/p?q=a", ")", " [y](<https://collect.example.net/b c>)", "https://said.example/", " ", "\n", "é漢",
		"[r]: //collect.example.net/r\n", "![r]", "https:\\\\", "collect.example.net", "&#47;", "https://bücher.example/ü", "。", "<img src=", "'", "javascript:alert(1)", "(", "[1]", "www.",
	}
	random := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range 2000 {
		var answer strings.Builder
		for range random.IntN(12) {
			answer.WriteString(parts[random.IntN(len(parts))])
		}
		whole, summary := flaggedOf(t, guardedResult(), []string{answer.String()})
		if whole != summary {
			t.Fatalf("%q: the event has %s, the summary %s", answer.String(), whole, summary)
		}
		if whole != "" {
			found++
		}
		cut, _ := flaggedOf(t, guardedResult(), cutAnywhere(random, answer.String()))
		if diff := cmp.Diff(whole, cut); diff != "" {
			t.Fatalf("%q (-whole +cut):\n%s", answer.String(), diff)
		}
	}
	if found < 500 {
		t.Errorf("only %d of 2000 answers had flagged links", found)
	}
}

func cutAnywhere(random *rand.Rand, s string) []string {
	var pieces []string
	runes := []rune(s)
	for len(runes) > 0 {
		n := 1 + random.IntN(min(len(runes), 5))
		pieces, runes = append(pieces, string(runes[:n])), runes[n:]
	}
	return pieces
}

// TestFlaggedFits: whatever an answer holds, no frame is too long for its
// readers.
func TestFlaggedFits(t *testing.T) {
	var answer strings.Builder
	for i := range 100 {
		fmt.Fprintf(&answer, "https://collect.example.net/%d%s ", i, strings.Repeat(`\`, 3000))
	}
	var out recorder
	req := testRequest()
	req.Choices = 9
	e := newRag(req, &out)
	e.Answer(guardedResult())
	for i := range req.Choices {
		e.Upstream(delta(i, answer.String()))
	}
	for i := range req.Choices {
		e.Upstream(finish(i))
	}
	last := out.lines[len(out.lines)-1]
	if len(last) > maxFrame || !gjson.GetBytes(last[6:], "rag.flagged.0").Exists() {
		t.Errorf("got a finish chunk of %d bytes: %.200s", len(last), last)
	}
	if len(out.frames) != req.Choices {
		t.Errorf("got %d events, want %d", len(out.frames), req.Choices)
	}
	for _, f := range out.frames {
		if n := gjson.GetBytes(f, "rag.links.#").Int(); len(f) > maxFrame || n != 20 {
			t.Errorf("got an event of %d bytes with %d links", len(f), n)
		}
	}
}

// TestFlaggedOnlyWhereWanted: without a guard, and in dialects with neither
// events nor a summary, nothing is looked for.
func TestFlaggedOnlyWhereWanted(t *testing.T) {
	const link = "https://collect.example.net/p"
	for _, d := range all() {
		for _, guard := range []bool{true, false} {
			res, out := guardedResult(), recorder{}
			if !guard {
				res.Guard = nil
			}
			e := d.Stream(testRequest(), &out)
			e.Answer(res)
			e.Upstream(delta(0, link))
			e.Upstream(finish(0))
			body := d.Body(testRequest(), res, []byte(`{"choices":[{"message":{"content":"`+link+`"}}]}`))
			want := guard && (d.Name == "rag" || d.Name == "openwebui")
			if got := strings.Contains(string(out.lines[1]), `"flagged"`); got != want {
				t.Errorf("%s, guard %v: the stream's summary: got %v, want %v", d.Name, guard, got, want)
			}
			if got := len(out.frames) > 0; got != (want && d.Name == "rag") {
				t.Errorf("%s, guard %v: an event: got %v", d.Name, guard, got)
			}
			if got := strings.Contains(string(body), `"flagged"`); got != want {
				t.Errorf("%s, guard %v: the body: got %v, want %v", d.Name, guard, got, want)
			}
		}
	}
}

// BenchmarkGuard is a stream of 400 deltas, through the encoder alone.
func BenchmarkGuard(b *testing.B) {
	word := delta(0, " a word, and")
	for _, bb := range []struct {
		name  string
		guard bool
		link  string
	}{{"off", false, ""}, {"on", true, ""}, {"on, with a link", true, "https://collect.example.net/p"}} {
		b.Run(bb.name, func(b *testing.B) {
			question := []string{strings.Repeat("What a client asks. ", 20)}
			for b.Loop() {
				res := testResult()
				res.Sources[1].Chunk.Text = strings.Repeat("A passage of words, e.g. this one. ", 110) + "https://collect.example.net"
				if bb.guard {
					res.Guard = retrieval.NewLinkGuard(res.Sources, slices.Values(question))
				}
				e := newRag(testRequest(), discard{})
				e.Answer(res)
				for range 400 {
					e.Upstream(word)
				}
				e.Upstream(delta(0, bb.link))
				e.Upstream(finish(0))
			}
		})
	}
}

type discard struct{}

func (discard) Event([]byte) {}
func (discard) Line([]byte)  {}
