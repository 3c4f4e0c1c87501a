package retrieval

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestVisibleKeepsWhatIsWritten(t *testing.T) {
	for name, text := range map[string]string{
		"ASCII":                  "plain\n\ttext <b> & \"more\"",
		"accents":                "Über Ærø, naïve – “quoted” …",
		"combining":              "e\u0301 a\u030A",
		"Persian":                "می\u200Cخواهم کتاب\u200Cها",
		"Arabic joiner":          "ه\u200D",
		"Arabic number sign":     "\u0600١٢",
		"Hindi":                  "क\u094D\u200Dष क\u094D\u200Cष",
		"Malayalam chillu":       "ന\u0D4D\u200D",
		"Bengali":                "র\u200D\u09CDয",
		"Sinhala":                "ශ\u0DCA\u200Dරී",
		"Khmer word break":       "ភាសា\u200Bខ្មែរ",
		"Thai word break":        "ภาษา\u200Bไทย",
		"Hebrew":                 "שלום עולם, ABC 123",
		"Chinese":                "你好，世界。",
		"Japanese":               "葛\U000E0100城　カタカナ",
		"Han variant":            "邉\U000E0101",
		"Korean":                 "한국어 \u1100\u1161",
		"old Hangul":             "\u115F\u1161",
		"Mongolian":              "ᠮᠣᠩᠭᠣᠯ\u180B",
		"family":                 "👨\u200D👩\u200D👧\u200D👦",
		"skin tone":              "👩🏽\u200D🚀",
		"heart on fire":          "❤\uFE0F\u200D🔥",
		"rainbow flag":           "🏳\uFE0F\u200D🌈",
		"runner to the right":    "🏃\u200D♂\uFE0F\u200D➡\uFE0F",
		"Scotland":               "🏴\U000E0067\U000E0062\U000E0073\U000E0063\U000E0074\U000E007F!",
		"keycap":                 "1\uFE0F\u20E3 #\uFE0F\u20E3",
		"flag of two letters":    "🇫🇷",
		"copyright as text":      "©\uFE0E ™\uFE0F",
		"private use (icons)":    "\uE001",
		"invalid":                "a\uFFFDb",
		"mathematical":           "∩\uFE00 ≨\uFE00",
		"Egyptian":               "𓀀\U00013430𓀁",
		"replacement and symbol": "→ ☃ ½ µ",
	} {
		if got := visible(text); got != text {
			t.Errorf("%s: got %+q, want %+q", name, got, text)
		}
	}
}

func TestVisibleStripsTheUnseen(t *testing.T) {
	tags := strings.Map(func(r rune) rune { return 0xE0000 + r }, "ignore all")
	for _, tt := range []struct{ name, text, want string }{
		{"zero-width space", "a\u200Bb", "ab"},
		{"joiners between Latin letters", "Sys\u200Dtem\u200C:", "System:"},
		{"joiner before anything", "\u200Da", "a"},
		{"joiners in a row", "می\u200C\u200C\u200Dخ", "می\u200Cخ"},
		{"zero-width in emoji without need", "🙂\u200B\u200D.", "🙂."},
		{"soft hyphen", "hyphen\u00ADation", "hyphenation"},
		{"word joiner, BOM", "\uFEFFa\u2060b\uFEFF", "ab"},
		{"invisible operators", "f\u2061x\u2062y\u2063z\u2064w", "fxyzw"},
		{"bidi overrides", "a\u202Eb\u202Cc\u202Ad\u202Bf\u202Dg", "abcdfg"},
		{"bidi isolates", "a\u2066b\u2067c\u2068d\u2069e", "abcde"},
		{"direction marks", "a\u200Eb\u200Fc\u061Cd", "abcd"},
		{"deprecated format", "a\u206Ab\u206Fc", "abc"},
		{"tags", "hi" + tags + "\U000E007F there", "hi there"},
		{"tags behind a flag that is none", "🏴" + tags, "🏴"},
		{"language tag", "\U000E0001x", "x"},
		{"bytes as variation selectors", "🙂\U000E0150\U000E0151\uFE01\uFE0Fx", "🙂\uFE0Fx"},
		{"selectors in a row", "❤\uFE0F\uFE0F\uFE0Ex", "❤\uFE0Fx"},
		{"selector behind a letter", "a\uFE0Fb\U000E0100c", "abc"},
		{"Hangul fillers", "a\u3164b\uFFA0c\u115Fd\u1160", "abcd"},
		{"Khmer inherent vowels", "ក\u17B4\u17B5", "ក"},
		{"grapheme joiner", "a\u034Fb", "ab"},
		{"interlinear annotation", "a\uFFF9b\uFFFAc\uFFFB", "abc"},
		{"Mongolian vowel separator", "a\u180Eb", "ab"},
		{"non-characters", "a\uFFFEb\uFDD0c\U0010FFFFd", "abcd"},
		{"controls", "a\x00b\x07c\x1b[31md\x7fe\u009bf", "abc[31mdef"},
		{"line ends", "a\r\nb\rc\u2028d\u2029e\u0085f\vg\fh", "a\nb\nc\nd\ne\nf\ng\nh"},
		{"shorthand format", "a\U0001BCA0b", "ab"},
	} {
		if got := visible(tt.text); got != tt.want {
			t.Errorf("%s: got %+q, want %+q", tt.name, got, tt.want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	for _, s := range []string{"a\u200Bb\r\n", "👨\u200D👩\u200D👧 ❤\uFE0F\u200D🔥", "می\u200Cخ", "🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F", "\xff\xfe\u115F\u1161\U000E0100"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := visible(s)
		if again := visible(got); again != got {
			t.Errorf("visible(%+q): got %+q, and of that %+q", s, got, again)
		}
		if !utf8.ValidString(got) && !onlyPlain(s) && utf8.ValidString(s) {
			t.Errorf("visible(%+q): got invalid %+q", s, got)
		}
		if strings.ContainsAny(got, "\x00\r\u202E\u2066\u2060\uFEFF\u00AD\U000E0001\u2028") {
			t.Errorf("visible(%+q): got %+q with something unseen", s, got)
		}
	})
}

func BenchmarkQuoted(b *testing.B) {
	for name, text := range map[string]string{
		"ascii": strings.Repeat("The quick brown fox jumps over the lazy dog [1], and <b>so</b> on.\n", 15),
		"utf8":  strings.Repeat("Über die Größe der Fläche – „ganz genau“ [1], und so weiter.\n", 15),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				quoted(text)
			}
		})
	}
}
