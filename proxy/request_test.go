package proxy

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

func TestQuestionAndHistory(t *testing.T) {
	tests := []struct {
		name, messages, question string
		history                  int
		retrieve                 bool
	}{
		{"one turn", `[{"role":"user","content":"a"}]`, "a", 0, true},
		{"system is no history", `[{"role":"system","content":"s"},{"role":"user","content":"a"}]`, "a", 0, true},
		{"two turns", `[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}]`, "c", 2, true},
		{"user turns only", `[{"role":"user","content":"a"},{"role":"user","content":"c"}]`, "c", 1, true},
		{"null content", `[{"role":"user","content":"a"},{"role":"assistant","content":null},{"role":"user","content":"c"}]`, "c", 1, true},
		{"parts", `[{"role":"user","content":[{"type":"text","text":"a"},{"type":"input_audio"},{"type":"text","text":"b"}]}]`, "a\nb", 0, true},
		{"escapes", `[{"role":"user","content":"caf\u00e9 \ud83d\ude00"}]`, "café 😀", 0, true},
		{"assistant prefill", `[{"role":"user","content":"a"},{"role":"assistant","content":"Sure"}]`, "a", 0, true},
		{"tool result", `[{"role":"user","content":"a"},{"role":"tool","content":"x"}]`, "a", 0, false},
		{"white space", `[{"role":"user","content":" \n"}]`, "", 0, false},
		{"no user", `[{"role":"system","content":"a"}]`, "", 0, false},
		{"number as content", `[{"role":"user","content":5}]`, "", 0, false},
	}
	for _, tt := range tests {
		r, err := parseRequest([]byte(`{"messages":`+tt.messages+`}`), bounds{})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if r.question.text != tt.question || len(r.history) != tt.history || r.wantsRetrieval() != tt.retrieve {
			t.Errorf("%s: got question %q, %d turns of history, retrieval %v, want %q, %d, %v",
				tt.name, r.question.text, len(r.history), r.wantsRetrieval(), tt.question, tt.history, tt.retrieve)
		}
	}
}

func TestInjectWhereTheTextGoes(t *testing.T) {
	const p = "P\"\n"
	tests := []struct{ name, placement, in, want string }{
		{"new system message", PlacementSystem, `[ {"role":"user","content":"q"}]`, `[{"role":"system","content":"P\"\n"}, {"role":"user","content":"q"}]`},
		{"client's own", PlacementSystem, `[{"role":"system","content":"S\u00e9"},{"role":"user","content":"q"}]`, `[{"role":"system","content":"S\u00e9\n\nP\"\n"},{"role":"user","content":"q"}]`},
		{"empty system message", PlacementSystem, `[{"role":"system","content":""},{"role":"user","content":"q"}]`, `[{"role":"system","content":"P\"\n"},{"role":"user","content":"q"}]`},
		{"null content", PlacementSystem, `[{"role":"system","content":null},{"role":"user","content":"q"}]`, `[{"role":"system","content":"P\"\n"},{"role":"user","content":"q"}]`},
		{"no content", PlacementSystem, `[{"role":"system"},{"role":"user","content":"q"}]`, `[{"role":"system","content":"P\"\n"},{"role":"user","content":"q"}]`},
		{"empty parts", PlacementSystem, `[{"role":"system","content":[]},{"role":"user","content":"q"}]`, `[{"role":"system","content":[{"type":"text","text":"P\"\n"}]},{"role":"user","content":"q"}]`},
		{"the first of two", PlacementSystem, `[{"role":"developer","content":"a"},{"role":"system","content":"b"},{"role":"user","content":"q"}]`, `[{"role":"developer","content":"a\n\nP\"\n"},{"role":"system","content":"b"},{"role":"user","content":"q"}]`},
		{"before the question", PlacementUser, `[{"role":"user","content":"q"}]`, `[{"role":"user","content":"P\"\n\n\nq"}]`},
		{"before the question's parts", PlacementUser, `[{"role":"user","content":[{"type":"text","text":"q"}]}]`, `[{"role":"user","content":[{"type":"text","text":"P\"\n"},{"type":"text","text":"q"}]}]`},
	}
	for _, tt := range tests {
		r, err := parseRequest([]byte(`{"messages":`+tt.in+`}`), bounds{})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got, want := string(r.inject(p, "", tt.placement)), `{"messages":`+tt.want+`}`; got != want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, want)
		}
	}
}

func TestModelIsPutInWhereNoneIsNamed(t *testing.T) {
	r, err := parseRequest([]byte(`{"messages":[{"role":"user","content":"q"}]}`), bounds{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(r.strip("m\"1")), `{"model":"m\"1","messages":[{"role":"user","content":"q"}]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDeepJSONIsRefused(t *testing.T) {
	deep := `{"messages":[{"role":"user","content":"a"}],"x":` + strings.Repeat("[", 5<<20)
	if _, err := parseRequest([]byte(deep), bounds{}); err == nil || !strings.Contains(err.Error(), "nested deeper") {
		t.Errorf("got %v, want an error about the nesting", err)
	}
}

// FuzzInject holds the splice to its promise: taking the inserted text out
// again gives the request back, byte for byte, and what goes upstream is
// valid JSON with the prompt in it.
func FuzzInject(f *testing.F) {
	f.Add([]byte(`{"messages":[{"role":"user","content":"a"}],"rag":{"top_k":1},"n":1.0}`), "P", false)
	f.Add([]byte(`{"rag":null,"messages":[{"content":[{"type":"text","text":"a"}],"role":"system"},{"role":"user","content":"b"}]}`), "\x00\xff\"", true)
	f.Add([]byte("\n{ \"model\" : \"m\", \"messages\" : [ {\"role\":\"system\"} , {\"role\":\"user\",\"content\":\"\\ud83d\"} ] , \"rag\" : {} }"), "</p>&", false)
	f.Fuzz(func(t *testing.T, body []byte, prompt string, user bool) {
		original := bytes.Clone(body)
		r, err := parseRequest(body, bounds{})
		if err != nil {
			return
		}
		stripped := r.strip("")
		if !gjson.ValidBytes(stripped) {
			t.Fatalf("strip of %q gives invalid JSON %q", body, stripped)
		}
		if !r.ragKey.Exists() && !bytes.Equal(stripped, original) {
			t.Fatalf("strip changed %q into %q", body, stripped)
		}
		if !r.wantsRetrieval() || prompt == "" {
			return
		}
		placement := PlacementSystem
		if user {
			placement = PlacementUser
		}
		out := r.inject(prompt, "", placement)
		if !bytes.Equal(body, original) {
			t.Fatalf("inject changed its input %q", original)
		}
		if !gjson.ValidBytes(out) {
			t.Fatalf("inject into %q gives invalid JSON %q", body, out)
		}
		checkInserted(t, stripped, out, prompt)
	})
}

// checkInserted says that out is before with one piece put in, or with one
// null replaced, and that the piece holds the prompt.
func checkInserted(t *testing.T, before, out []byte, prompt string) {
	head := 0
	for head < len(before) && before[head] == out[head] {
		head++
	}
	tail := 0
	for tail < len(before)-head && before[len(before)-1-tail] == out[len(out)-1-tail] {
		tail++
	}
	if gone := string(before[head : len(before)-tail]); strings.TrimLeft("null", gone) != "" && gone != "" && !strings.Contains("null", gone) {
		t.Fatalf("inject removed %q from %q", gone, before)
	}
	quoted, err := json.Marshal(prompt)
	if err != nil {
		t.Fatal(err)
	}
	var want string
	if err := json.Unmarshal(quoted, &want); err != nil {
		t.Fatal(err)
	}
	found := false
	gjson.GetBytes(out, "messages").ForEach(func(_, m gjson.Result) bool {
		found = found || strings.Contains(m.Get("content").String(), want) || strings.Contains(m.Get("content.#.text").Raw, string(escape(prompt)))
		m.Get("content").ForEach(func(_, part gjson.Result) bool {
			found = found || strings.Contains(part.Get("text").String(), want)
			return true
		})
		return true
	})
	if !found {
		t.Fatalf("the prompt %q is not in %q", prompt, out)
	}
}
