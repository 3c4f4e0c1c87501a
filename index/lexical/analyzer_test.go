package lexical

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func analysed(t testing.TB, text string) []string {
	t.Helper()
	return analysedBy(t, defaultName, text)
}

func analysedBy(t testing.TB, name, text string) []string {
	t.Helper()
	a, err := newAnalyzer(name)
	if err != nil {
		t.Fatal(err)
	}
	terms := []string{}
	for _, token := range a.Analyze([]byte(text)) {
		terms = append(terms, string(token.Term))
	}
	return terms
}

func TestAnalyzer(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"stems and stop words", "The cats' running and the cat's runs", []string{"cat", "run", "cat", "run"}},
		{"snake case", "max_context_tokens", []string{"max_context_token", "max", "context", "token"}},
		{"camel case", "getHTTPResponse", []string{"gethttprespons", "get", "http", "respons"}},
		{"capitals first", "HTTPServer", []string{"httpserver", "http", "server"}},
		{"dotted", "retrieval.top_k", []string{"retrieval.top_k", "retriev", "top"}},
		{"plural of an abbreviation", "URLs", []string{"url"}},
		{"numbers stay whole", "3.14 v1.2.3 BM25", []string{"3.14", "v1.2.3", "v1", "bm25", "bm"}},
		{"full width and half width", "ＡＰＩ ﾃﾞｰﾀ", []string{"api", "デー", "ータ"}},
		{"ligature", "eﬃcient ﬁles", []string{"effici", "file"}},
		{"accent in two characters", "cafe\u0301", []string{"café"}},
		{"Chinese in English", "LLM搜索引擎 test", []string{"llm", "搜索", "索引", "引擎", "test"}},
		{"Japanese", "東京タワー", []string{"東京", "京タ", "タワ", "ワー"}},
		{"Korean", "데이터는 빠르다", []string{"데이", "이터", "터는", "빠르", "르다"}},
		{"Korean behind Latin", "LLM은", []string{"llm", "은"}},
		{"Thai", "ภาษาไทย", []string{"ภา", "าษ", "ษา", "าไ", "ไท", "ทย"}},
		{"Russian, Arabic, Hindi", "Москва العربية हिन्दी", []string{"москва", "العربية", "हिन्दी"}},
		{"letters whose small ones are shorter or two", "İstanbul ΟΔΟΣ οδος", []string{"istanbul", "οδοσ", "οδοσ"}},
		{"nothing", " \n😀 ... ", []string{}},
		{"only stop words", "to be or not to be", []string{"to", "be", "or", "not", "to", "be"}},
		{"invalid UTF-8", "go\xff\xfeod \x80", []string{"go", "od"}},
		{"a long word is cut", strings.Repeat("aé", 50_000), []string{strings.Repeat("aé", 85)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, analysed(t, tt.text)); diff != "" {
				t.Errorf("terms (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParts(t *testing.T) {
	for word, want := range map[string]string{
		"word":         "",
		"Word":         "",
		"WORD":         "",
		"a_b":          "",
		"__init__":     "init",
		"XMLHttpReq":   "XML Http Req",
		"parseURLs":    "parse URLs",
		"userID":       "user ID",
		"sha256Sum":    "sha256Sum", // a digit is no small letter: in one piece
		"don't":        "",
		"example.com":  "example com",
		"snake_caseID": "snake case ID",
		"größeÄndern":  "größe Ändern",
		"1_000_000":    "",
		"BRCA1":        "BRCA",
		"E0277":        "",
		"utf8_bytes2":  "utf8 utf bytes2 bytes",
	} {
		var got []string
		for _, part := range parts([]byte(word)) {
			got = append(got, string(part))
		}
		if g := strings.Join(got, " "); g != want && !(word == want && g == "") {
			t.Errorf("%s: got %q, want %q", word, g, want)
		}
	}
}

// Each language has its own stop words and stems, and what all have.
func TestLanguages(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"standard", "The cats' getName 東京タワー", []string{"the", "cats", "getname", "get", "name", "東京", "京タ", "タワ", "ワー"}},
		{"ar", "وكتاب", []string{"كتاب"}},
		{"da", "og husene", []string{"hus"}},
		{"de", "die Häuser des Königs, getHaus", []string{"haus", "konig", "gethaus", "get", "haus"}},
		{"es", "las niñas", []string{"niñ"}},
		{"fa", "کتاب\u200cها", []string{"كتاب"}},
		{"fi", "ja taloissa", []string{"talo"}},
		{"fr", "l'avion des chevaux", []string{"avion", "cheval"}},
		{"hi", "और किताबें", []string{"किताब"}},
		{"hu", "és házban", []string{"ház"}},
		{"it", "dell'amico", []string{"amico"}},
		{"nl", "de huizen", []string{"huiz"}},
		{"no", "og husene", []string{"hus"}},
		{"pt", "as meninas", []string{"menin"}},
		{"ro", "și caselor", []string{"cas"}},
		{"ru", "и столицей", []string{"столиц"}},
		{"sv", "och husen", []string{"hus"}},
		{"tr", "ve İstanbul'da", []string{"istanbul"}},
	}
	tested := []string{defaultName}
	for _, tt := range tests {
		tested = append(tested, tt.name)
		if diff := cmp.Diff(tt.want, analysedBy(t, tt.name, tt.text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if diff := cmp.Diff(Analyzers(), tested); diff != "" {
		t.Errorf("analyzers without a test (-have +tested):\n%s", diff)
	}
}

// FuzzAnalyzer: any text gives valid, short terms, and the same ones again.
func FuzzAnalyzer(f *testing.F) {
	for _, s := range []string{"", "getHTTPResponse", "ภาษาไทย 한국어 日本", "\xff\xe0\xb8", "a\u0301\u0302", "ﾃﾞｰﾀ＿Ｘ", "’s 's", strings.Repeat("ก", 300)} {
		f.Add(uint8(len(s)), s)
	}
	names := Analyzers()
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		name := names[int(which)%len(names)]
		terms := analysedBy(t, name, text)
		for _, term := range terms {
			if !utf8.ValidString(term) || len(term) > maxTerm {
				t.Errorf("term %q of %d bytes: want at most %d of valid UTF-8", term, len(term), maxTerm)
			}
		}
		if diff := cmp.Diff(terms, analysedBy(t, name, text)); diff != "" {
			t.Errorf("analysed again, other terms:\n%s", diff)
		}
	})
}
