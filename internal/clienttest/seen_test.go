package clienttest

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
)

// cell is what one mode of one client reaches in one case.
type cell struct {
	Places    []string // where all sources are
	Events    string   // types of the events, in order
	Usage     string
	Reasoning []string // where the rewrite's tokens are
	Error     string
}

// String is the cell's text in the matrix.
func (c cell) String() string {
	if c.Error != "" {
		return "error: " + c.Error
	}
	parts := []string{"sources: " + orNo(strings.Join(c.Places, ", "))}
	if c.Events != "" {
		parts = append(parts, "events: "+c.Events)
	}
	if c.Usage != "" {
		parts = append(parts, "usage: "+c.Usage)
	}
	if c.Reasoning != nil {
		parts = append(parts, "reasoning: "+orNo(strings.Join(c.Reasoning, ", ")))
	}
	return strings.Join(parts, " | ")
}

func orNo(s string) string {
	if s == "" {
		return "no"
	}
	return s
}

// cellOf reads what a client saw. What it saw must be right wherever it is;
// where that is, the matrix says.
func cellOf(t *testing.T, a ask, r result) (c cell) {
	t.Helper()
	sources, reasoning := map[string][]string{}, map[string]string{} // by place
	var events []string
	for _, s := range r.Seen {
		v := gjson.ParseBytes(s.Value)
		switch wireName(s.Place) {
		case "rag":
			checkQuery(t, a, v)
			events = append(events, eventAt(s.Place, v.Get("type").String())...)
			if v.Get("sources").Exists() {
				sources[s.Place] = linksIn([]byte(v.Get("sources").Raw))
			}
		case "event":
			events = append(events, eventAt(s.Place, v.Get("type").String()+":"+v.Get("data.action").String())...)
			if v.Get("type").String() == "source" && !gathered(s.Place) {
				sources[s.Place] = append(sources[s.Place], v.Get("data.metadata.0.url").String())
			}
		case "context":
			sources[s.Place] = linksIn([]byte(v.Get("citations").Raw))
		case "annotations":
			checkMarks(t, a, v)
			sources[s.Place] = linksIn(s.Value)
		case "reasoning_content", "reasoningcontent", "reasoning":
			reasoning[s.Place] += v.String()
		default:
			sources[s.Place] = linksIn(s.Value)
		}
	}
	for place, got := range sources {
		if diff := cmp.Diff(links, got); diff != "" {
			t.Errorf("sources at %s (-want +got):\n%s", place, diff)
		}
	}
	c.Places = slices.Sorted(maps.Keys(sources))
	c.Events = strings.Join(slices.Compact(events), " ") // how many deltas a rewrite has is the upstream's affair
	if a.Usage {
		c.Usage = usageOf(r.Usage)
	}
	if a.Rag["reasoning"] == true {
		c.Reasoning = reasoningPlaces(reasoning)
	}
	return c
}

// reasoningPlaces keeps the places that have the whole of it: some clients
// keep only its last piece in what they gather.
func reasoningPlaces(found map[string]string) []string {
	out := []string{}
	for place, text := range found {
		if text == rewritten {
			out = append(out, place)
		}
	}
	slices.Sort(out)
	return out
}

func eventAt(place, name string) []string {
	if gathered(place) {
		return nil
	}
	return []string{strings.TrimSuffix(name, ":")}
}

// gathered says whether a place has what a client merged out of a stream's
// chunks; the events are told by the chunks.
func gathered(place string) bool {
	return strings.HasPrefix(place, "final") || strings.HasPrefix(place, "result") || strings.HasPrefix(place, "providerMetadata")
}

var lastWord = regexp.MustCompile(`\w+(\W*)$`)

func wireName(place string) string {
	return strings.ToLower(strings.Trim(lastWord.FindString(place), `"'[]()`))
}

// linksIn gives the address of each source of a list, whatever its form.
func linksIn(list []byte) []string {
	out := []string{}
	for _, v := range gjson.ParseBytes(list).Array() {
		link := ""
		for _, path := range []string{"link", "url_citation.url", "url"} {
			if x := v.Get(path); x.Exists() {
				link = x.String()
				break
			}
		}
		if v.Type == gjson.String {
			link = v.String()
		}
		out = append(out, link)
	}
	return out
}

// checkQuery holds what an event says of the query to what was asked.
func checkQuery(t *testing.T, a ask, rag gjson.Result) {
	t.Helper()
	want := a.Messages[len(a.Messages)-1].Content
	if len(a.Messages) > 1 {
		want = rewritten
	}
	if q := rag.Get("query"); q.Exists() && q.String() != want {
		t.Errorf("got query %q, want %q", q.String(), want)
	}
}

// checkMarks holds the offsets of annotations to the marks in the answer.
func checkMarks(t *testing.T, a ask, annotations gjson.Result) {
	t.Helper()
	text, want := []rune(strings.Join(answer, "")), []string{"[1]", "[2]", "[3]", ""}
	if a.callsTool() { // the annotated answer is the call, which has no marks
		text, want = nil, []string{"", "", "", ""}
	}
	var got []string
	for _, x := range annotations.Array() {
		from, to := x.Get("url_citation.start_index").Int(), x.Get("url_citation.end_index").Int()
		if from < 0 || to < from || to > int64(len(text)) {
			t.Fatalf("got offsets %d to %d in an answer of %d characters", from, to, len(text))
		}
		got = append(got, string(text[from:to]))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("marks of the annotations (-want +got):\n%s", diff)
	}
}

// usageOf says whether a client tells the usage of the answer, and ragproxy's.
func usageOf(usage []byte) string {
	u := gjson.ParseBytes(usage)
	switch {
	case u.Get("total_tokens").Int()+u.Get("totalTokens").Int() != 13:
		return "no"
	case strings.Contains(string(usage), `"rewrite"`):
		return "with usage.rag"
	default:
		return "yes"
	}
}

// errorCell says what a client tells its user of a failure.
func errorCell(r result, says string) cell {
	switch {
	case r.Error == "":
		return cell{Error: "none, a broken answer passes for a whole one"}
	case strings.Contains(r.Error, says):
		return cell{Error: "with the reason"}
	default:
		return cell{Error: "without the reason"}
	}
}
