package lexical

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/ragproxy/ragproxy/index"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newEngine(t testing.TB, o Options) index.KeywordEngine {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// built makes an index of untitled texts and returns its folder.
func built(t testing.TB, texts ...string) string {
	t.Helper()
	var chunks []index.Chunk
	for _, text := range texts {
		chunks = append(chunks, index.Chunk{Text: text})
	}
	dir := t.TempDir()
	if err := newEngine(t, Options{}).Build(t.Context(), slices.Values(chunks), dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func opened(t testing.TB, dirs ...string) index.KeywordSearcher {
	t.Helper()
	s, err := newEngine(t, Options{}).Open(dirs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func found(t testing.TB, s index.KeywordSearcher, query string, k int, allow index.Allow) []index.Match {
	t.Helper()
	got, err := s.Search(t.Context(), query, k, allow)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func rowsOf(matches []index.Match) []int {
	rows := []int{}
	for _, m := range matches {
		rows = append(rows, m.Row)
	}
	return rows
}

// TestScore compares with BM25 worked out by hand:
//
//	row 0: "red apple apple"  3 tokens    N = 3, average length (3+2+1)/3 = 2
//	row 1: "red car"          2 tokens    idf(red) = ln(1 + 1.5/2.5) = 0.470004
//	row 2: "car"              1 token     idf(apple) = ln(1 + 2.5/1.5) = 0.980829
//
// and k1*(1-b+b*len/avg) = 1.65 for row 0, 1.2 for row 1, 0.75 for row 2.
func TestScore(t *testing.T) {
	s := opened(t, built(t, "red apple apple", "red car", "car"))
	const red, apple, car = 0.4700036292457356, 0.9808292530117262, 0.4700036292457356
	tests := []struct {
		query string
		want  []index.Match
	}{
		{"red", []index.Match{{Row: 1, Score: red / 2.2}, {Row: 0, Score: red / 2.65}}},
		{"apple", []index.Match{{Row: 0, Score: apple * 2 / 3.65}}},
		{"the red apple", []index.Match{{Row: 0, Score: red/2.65 + apple*2/3.65}, {Row: 1, Score: red / 2.2}}},
		{"car car", []index.Match{{Row: 2, Score: 2 * car / 1.75}, {Row: 1, Score: 2 * car / 2.2}}},
		{"plum", []index.Match{}},
	}
	for _, tt := range tests {
		got := found(t, s, tt.query, 10, nil)
		near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-7 })
		if diff := cmp.Diff(tt.want, got, near); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.query, diff)
		}
	}
}

func TestParameters(t *testing.T) {
	dir := built(t, "red apple apple", "red car", "car")
	s, err := newEngine(t, Options{K1: 2, B: 0.5}).Open([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := 0.9808292530117262 * 2 / (2 + 2*(1-0.5+0.5*3/2))
	if got := found(t, s, "apple", 1, nil)[0].Score; math.Abs(got-want) > 1e-7 {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSearch(t *testing.T) {
	s := opened(t, built(t,
		"The quick brown fox jumps over the lazy dog.",
		"向量数据库可以进行语义搜索和关键词搜索。",
		"東京タワーの高さは333メートルです。",
		"서울의 인구는 약 940만 명이며 데이터베이스는 중앙에 있다.",
		"กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย",
		"Set max_context_tokens to limit the passages.",
		"func getHTTPResponse(u *url.URL) error",
		"type HTTPServer struct{}",
		"Москва является столицей России.",
		strings.Repeat("x", 100_000), // row 9
	))
	tests := []struct {
		name, query string
		want        int // the best row; -1 for none
	}{
		{"stem", "jumping foxes", 0},
		{"Chinese", "什么是语义搜索?", 1},
		{"Japanese", "東京タワーはどこですか", 2},
		{"half-width Japanese", "ﾀﾜｰ", 2},
		{"Korean with another particle", "데이터베이스가 어디에", 3},
		{"Thai", "ประเทศไทย", 4},
		{"Thai question", "เมืองหลวงคืออะไร", 4},
		{"snake case, whole", "max_context_tokens", 5},
		{"snake case, in words", "context tokens", 5},
		{"camel case, whole", "getHTTPResponse", 6},
		{"camel case, small letters", "gethttpresponse", 6},
		{"camel case, a part", "response", 6},
		{"capitals, whole", "HTTPServer", 7},
		{"capitals, a part", "server", 7},
		{"Russian", "столицей", 8},
		{"long word", strings.Repeat("x", 100_000), 9},
		{"empty", "", -1},
		{"white space", " \t\n", -1},
		{"stop words", "to be or not to be", -1},
		{"emoji", "🦊🔥", -1},
		{"invalid UTF-8", "\xff\xfe\x80", -1},
		{"invalid UTF-8 around a word", "\xfffox\xc3", 0},
		{"unknown word", "zebra", -1},
		{"bleve's query syntax is text", `+fox -"dog" title:x^2 /[/ ~`, 0},
		{"1 MB", strings.Repeat("the quick fox ", 75_000), 0},
		{"1 MB of different words", manyWords(), 0},
		{"1 MB of a continuation byte", strings.Repeat("\x80", 1<<20), -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := found(t, s, tt.query, 1, nil)
			if tt.want < 0 && len(got) != 0 {
				t.Errorf("got %v, want none", got)
			}
			if tt.want >= 0 && (len(got) != 1 || got[0].Row != tt.want || got[0].Score <= 0) {
				t.Errorf("got %v, want row %d", got, tt.want)
			}
		})
	}
}

func manyWords() string {
	var b strings.Builder
	b.WriteString("fox ")
	for i := 0; b.Len() < 1<<20; i++ {
		fmt.Fprintf(&b, "w%d ", i)
	}
	return b.String()
}

func TestTitle(t *testing.T) {
	dir, e := t.TempDir(), newEngine(t, Options{})
	chunks := []index.Chunk{{Title: "Cats", Text: "They purr."}, {Title: "Dogs", Text: "They bark."}}
	if err := e.Build(t.Context(), slices.Values(chunks), dir); err != nil {
		t.Fatal(err)
	}
	s := opened(t, dir)
	for query, want := range map[string]int{"cat": 0, "purrs": 0, "dog": 1, "bark": 1} {
		if got := rowsOf(found(t, s, query, 5, nil)); !cmp.Equal(got, []int{want}) {
			t.Errorf("%s: got rows %v, want [%d]", query, got, want)
		}
	}
}

// TestManyRows spans several batches of the builder, whose order is random.
func TestManyRows(t *testing.T) {
	var texts []string
	for row := range 3500 {
		texts = append(texts, fmt.Sprintf("common n%dth", row))
	}
	s := opened(t, built(t, texts...))
	for _, row := range []int{0, 999, 1000, 3499} {
		if got := rowsOf(found(t, s, fmt.Sprintf("n%dth", row), 2, nil)); !cmp.Equal(got, []int{row}) {
			t.Errorf("got rows %v, want [%d]", got, row)
		}
	}
	for _, tt := range []struct {
		k     int
		allow index.Allow
		want  []int
	}{
		{3, nil, []int{0, 1, 2}},
		{3, func(row int) bool { return row%100 == 99 }, []int{99, 199, 299}},
		{3, func(row int) bool { return row == 3000 }, []int{3000}},
		{3, func(int) bool { return false }, []int{}},
		{0, nil, []int{}},
		{-1, nil, []int{}},
	} {
		if got := rowsOf(found(t, s, "common", tt.k, tt.allow)); !cmp.Equal(got, tt.want) {
			t.Errorf("k %d: got rows %v, want %v", tt.k, got, tt.want)
		}
	}
	if got := found(t, s, "common", math.MaxInt, nil); len(got) != 3500 {
		t.Errorf("got %d matches, want all 3500", len(got))
	}
}

func TestSmallCorpora(t *testing.T) {
	for _, tt := range []struct {
		name  string
		texts []string
		want  []int
	}{
		{"none", nil, []int{}},
		{"one", []string{"a fox"}, []int{0}},
		{"only empty texts", []string{"", ""}, []int{}},
		{"empty texts between", []string{"", "a fox", "the"}, []int{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := rowsOf(found(t, opened(t, built(t, tt.texts...)), "foxes", 5, nil))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

// fingerprint is every file below dir with its bytes and time.
func fingerprint(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content := ""
		if !d.IsDir() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(b)
		}
		files[path] = info.ModTime().Format(time.RFC3339Nano) + content
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Several folders answer as one that holds all their chunks, to the last bit.
func TestFolders(t *testing.T) {
	var texts []string
	for i := range 60 {
		texts = append(texts, strings.Repeat("rain ", i%5+1)+strings.Repeat("snow ", i%3)+strings.Repeat("wind ", i%7))
	}
	whole := opened(t, built(t, texts...))
	parts := opened(t, built(t, texts[:1]...), built(t), built(t, texts[1:41]...), built(t, texts[41:]...))
	for _, query := range []string{"rain", "snow wind", "wind wind rain", "hail"} {
		want, got := found(t, whole, query, 60, nil), found(t, parts, query, 60, nil)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: parts differ from the whole (-want +got):\n%s", query, diff)
		}
	}
	if got := found(t, opened(t), "rain", 5, nil); len(got) > 0 {
		t.Errorf("no folders: got %v", got)
	}
}

func TestVerify(t *testing.T) {
	s := opened(t, built(t, "rain"), built(t, "snow", "wind")).(index.LegVerifier)
	if err := s.Verify(t.Context(), 3); err != nil {
		t.Errorf("got %v for the right number of chunks", err)
	}
	if err := s.Verify(t.Context(), 4); err == nil {
		t.Error("got no error for another number")
	}
}

func TestOpenChangesNothing(t *testing.T) {
	dir := built(t, "a fox", "a dog", "a cat")
	before := fingerprint(t, dir)
	if got := len(before); got != 3 {
		t.Errorf("got %d files and folders, want dir, stats.json and postings.zap", got)
	}
	one, two := opened(t, dir), opened(t, dir)
	for _, s := range []index.KeywordSearcher{one, two} {
		if got := rowsOf(found(t, s, "dog", 5, nil)); !cmp.Equal(got, []int{1}) {
			t.Errorf("got rows %v, want [1]", got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !cmp.Equal(before, fingerprint(t, dir)) {
		t.Error("opening, searching or closing changed a file")
	}
}

func TestClose(t *testing.T) {
	s := opened(t, built(t, "a fox"))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Search(t.Context(), "fox", 1, nil); !errors.Is(err, errClosed) {
		t.Errorf("got error %v, want %v", err, errClosed)
	}
}

// TestConcurrency searches from many goroutines while the index is closed.
func TestConcurrency(t *testing.T) {
	var texts []string
	for row := range 500 {
		texts = append(texts, fmt.Sprintf("common n%dth", row))
	}
	s := opened(t, built(t, texts...))
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for row := worker; row < 500; row += 8 {
				got, err := s.Search(context.Background(), fmt.Sprintf("common n%dth", row), 1, nil)
				if errors.Is(err, errClosed) {
					return
				}
				if err != nil || got[0].Row != row {
					t.Errorf("got %v, %v, want row %d", got, err, row)
				}
				if row > 400 {
					s.Close()
				}
			}
		})
	}
	wg.Wait()
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := opened(t, built(t, "a fox")).Search(ctx, "fox", 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("search: got error %v, want context.Canceled", err)
	}
	dir := t.TempDir()
	err := newEngine(t, Options{}).Build(ctx, slices.Values([]index.Chunk{{Text: "a fox"}}), dir)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("build: got error %v, want context.Canceled", err)
	}
	if left := fingerprint(t, dir); len(left) != 1 {
		t.Errorf("a cancelled build leaves %d files behind", len(left)-1)
	}
}
