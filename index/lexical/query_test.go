package lexical

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/index"
)

func TestNew(t *testing.T) {
	for analyzer, want := range map[string]string{"": "bleve-bm25:default", "en": "bleve-bm25:default", "de": "bleve-bm25:de"} {
		if got := newEngine(t, Options{Analyzer: analyzer}).Name(); got != want {
			t.Errorf("%q: got the name %q, want %q", analyzer, got, want)
		}
	}
	for _, o := range []Options{{Analyzer: "klingon"}, {K1: -1}, {B: 1.5}, {B: -0.1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v: got no error, want one", o)
		}
	}
	if _, err := New(Options{Analyzer: "klingon"}); err == nil || !strings.Contains(err.Error(), "default, standard, ar, da, de") {
		t.Errorf("got error %v, want one that lists the analyzers", err)
	}
}

func TestByName(t *testing.T) {
	for _, name := range Analyzers() {
		want := newEngine(t, Options{Analyzer: name}).Name()
		if got, err := ByName(want, Options{Analyzer: "sv"}); err != nil || got.Name() != want {
			t.Errorf("%s: got %v, %v", want, got, err)
		}
	}
	for _, name := range []string{"", "default", "bleve-bm25:", "bleve-bm25:klingon", "sqlite:default"} {
		if _, err := ByName(name, Options{}); err == nil {
			t.Errorf("%q: got no error, want one", name)
		}
	}
}

// An index is opened by the engine that its manifest names, and by no other.
func TestOtherAnalyzer(t *testing.T) {
	dir, german := t.TempDir(), newEngine(t, Options{Analyzer: "de"})
	chunks := []index.Chunk{{Text: "Der König wohnt in alten Häusern."}, {Text: "Die Königin fährt Rad."}}
	if err := german.Build(t.Context(), slices.Values(chunks), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := newEngine(t, Options{}).Open([]string{dir}); err == nil || !strings.Contains(err.Error(), `"bleve-bm25:de"`) {
		t.Errorf("got error %v, want one that names both engines", err)
	}
	engine, err := ByName(german.Name(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Open([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := rowsOf(found(t, s, "Haus der Könige", 5, nil)); !cmp.Equal(got, []int{0}) {
		t.Errorf("got rows %v, want [0]", got)
	}
}

// TestIdentifiers asks for what people copy from code, logs and settings: the
// chunk that has it comes first, before those that have parts of it.
func TestIdentifiers(t *testing.T) {
	wanted := []string{
		"max_context_tokens", "OPENAI_API_KEY", "v2.6.1", "E0277", "CVE-2024-1234", "/etc/nginx/nginx.conf",
		"jane.doe@example.com", "getHTTPResponse", "retrieval.top_k", "net/http.Server", "--chunk-size", "0xdeadbeef",
		"192.168.10.1", "std::vector", "sha256", "RFC-7231", "utf-8", "application/json", "kubectl get pods", "Foo::barBaz()",
	}
	var texts []string
	for _, w := range wanted {
		texts = append(texts, fmt.Sprintf("Somewhere in this chunk there is %s among other words.", w))
	}
	for _, other := range []string{
		"a maximum of context in tokens", "an API key of OpenAI", "E0308", "CVE-2024-9999, CVE-2023-1234", "v2.6.2, v2.5.1",
		"nginx, etc, conf", "john.doe@example.com, jane@example.org", "a response to get over HTTP", "the top k of a retrieval",
		"an HTTP server of the net", "the size of a chunk", "192.168.1.10", "a vector of std", "RFC 7230, sha1, utf-16", "get a pod",
	} {
		texts = append(texts, fmt.Sprintf("Somewhere in this chunk there is %s among other words.", other))
	}
	s := opened(t, built(t, texts...))
	for row, query := range wanted {
		for _, q := range []string{query, "what is " + query + "?", `"` + query + `"`} {
			if got := found(t, s, q, 1, nil); len(got) != 1 || got[0].Row != row {
				t.Errorf("%s: got %v, want row %d", q, got, row)
			}
		}
	}
}

// TestPhrase: quotes mean nothing, the index keeps no positions; the words of
// a phrase find the chunk that has all of them.
func TestPhrase(t *testing.T) {
	s := opened(t, built(t, "the quick fox is brown", "a brown bear", "a quick hare"))
	want := found(t, s, "quick brown fox", 3, nil)
	if got := found(t, s, `"quick brown fox"`, 3, nil); want[0].Row != 0 || !cmp.Equal(got, want) {
		t.Errorf("got %v in quotes, %v without, want the same with row 0 first", got, want)
	}
}

// TestSingleCharacters: a character of a script that is indexed in pairs finds
// the chunks that have it anywhere.
func TestSingleCharacters(t *testing.T) {
	dirs := []string{
		built(t, "東京大学の学生", "京都", "猫", "海の水は青い"),
		built(t, "我的猫很可爱", "熊猫", "LLM은 빠르다", "เมือง ไทย", "dogs"),
	}
	s := opened(t, dirs...)
	for _, tt := range []struct {
		query string
		want  []int
	}{
		{"猫", []int{2, 4, 5}},
		{"猫?", []int{2, 4, 5}},
		{"学", []int{0}},
		{"京", []int{0, 1}},
		{"은", []int{6}},
		{"ไ", []int{7}},
		{"犬", []int{}},
		{"水 猫", []int{2, 3, 4, 5}},
		{"猫 dog", []int{2, 8}}, // with other words, only where it stands alone
	} {
		got := rowsOf(found(t, s, tt.query, 10, nil))
		slices.Sort(got)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: rows (-want +got):\n%s", tt.query, diff)
		}
	}
}

// TestStopWords: they count only where there is nothing else.
func TestStopWords(t *testing.T) {
	s := opened(t, built(t, "to be or not to be", "the who", "being is a question", "it is what it is"))
	for query, want := range map[string][]int{
		"To be, or not to be?": {0},
		"The Who":              {1},
		"is it":                {3},
		"the question":         {2},
		"is being a question?": {2},
	} {
		if got := rowsOf(found(t, s, query, 1, nil)); !cmp.Equal(got, want) {
			t.Errorf("%s: got rows %v, want %v", query, got, want)
		}
	}
}

// FuzzSearch: any query gives at most k matches, in order, and again the same.
func FuzzSearch(f *testing.F) {
	s := opened(f, built(f, "the quick fox", "quick 東京大学", "ภาษาไทย v2.6.1", "to be", "", "E0277 "+strings.Repeat("x", 300)), built(f, "quick 大"))
	for _, query := range []string{"", "quick fox", "大", "to be", "v2.6.1 \xff", "ไ", "猫 水 火 木", "+quick -\"fox\" ~^2", "😀", strings.Repeat("x", 300)} {
		f.Add(query, 3)
	}
	f.Fuzz(func(t *testing.T, query string, k int) {
		got := found(t, s, query, k, nil)
		if len(got) > max(0, min(k, 7)) {
			t.Errorf("got %d matches for k %d", len(got), k)
		}
		for i, m := range got {
			if m.Row < 0 || m.Row > 6 || !(m.Score > 0) || i > 0 && (m.Score > got[i-1].Score || m.Score == got[i-1].Score && m.Row <= got[i-1].Row) {
				t.Errorf("match %d of %v: want rows 0 to 6, best first, ties by row", i, got)
			}
		}
		if diff := cmp.Diff(got, found(t, s, query, k, nil)); diff != "" {
			t.Errorf("asked again, another answer:\n%s", diff)
		}
	})
}
