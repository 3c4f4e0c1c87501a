package minilm

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTokenizer(t *testing.T) {
	tokens := newTokenizer(vocabText)
	for _, test := range []struct {
		name, text, want string
	}{
		{"empty", "", ""},
		{"pieces", "Embeddings", "em ##bed ##ding ##s"},
		{"names of special tokens are text", "[CLS] [unk]", "[ cl ##s ] [ un ##k ]"},
		{"accents", "Übér e\u0301", "uber e"},
		{"final sigma", "ΟΔΟΣ", "ο ##δ ##ο ##σ"},
		{"dotted capital i", "İI", "ii"},
		{"ideographs are words", "a中b", "a 中 b"},
		{"control characters vanish", "a\x00\u200b\vb", "ab"},
		{"broken UTF-8 vanishes", "a\xff\xc3b\xe2\x82", "ab"},
		{"odd white space", "a\u3000b\u00a0c\u2028d", "a b c d"},
		{"a part without a piece", "ok \U00010330x ok", "ok [UNK] ok"},
		{"101 characters", strings.Repeat("x", 101), "[UNK]"},
		{"punctuation", "a-b_c", "a - b _ c"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ids := tokens.encode(test.text)
			if diff := cmp.Diff(test.want, pieces(ids[1:len(ids)-1])); diff != "" {
				t.Errorf("pieces of %q (-want +got):\n%s", test.text, diff)
			}
		})
	}
}

// pieces names the ids.
func pieces(ids []int32) string {
	vocab := strings.Split(vocabText, "\n")
	var names []string
	for _, id := range ids {
		names = append(names, vocab[id])
	}
	return strings.Join(names, " ")
}

func TestTokenizerStopsAtLimit(t *testing.T) {
	for _, words := range []int{253, 254, 255, 1000} {
		ids := newTokenizer(vocabText).encode(strings.Repeat("word ", words))
		want := min(words+2, 256)
		if len(ids) != want || ids[0] != startID || ids[len(ids)-1] != endID {
			t.Errorf("%d words: got %d ids, %d first, %d last, want %d, %d, %d", words, len(ids), ids[0], ids[len(ids)-1], want, startID, endID)
		}
	}
}

func FuzzTokenizer(f *testing.F) {
	for _, seed := range []string{"", "[CLS] hello", "naïve İ Σ", "中\u0301文", "한국어", "\xff\x80", "x\u200d👍🏽", strings.Repeat("é", 101), "ﬁ ½ K", "a b\x00\t"} {
		f.Add(seed)
	}
	tokens := newTokenizer(vocabText)
	f.Fuzz(func(t *testing.T, text string) {
		ids := tokens.encode(text)
		if len(ids) < 2 || len(ids) > maxTokens || ids[0] != startID || ids[len(ids)-1] != endID {
			t.Fatalf("got ids %v, want %d ... %d, at most %d", ids, startID, endID, maxTokens)
		}
		for _, id := range ids[1 : len(ids)-1] {
			if id != unknownID && (id < 999 || id >= vocabSize) {
				t.Errorf("got id %d, want a piece and no special token", id)
			}
		}
		if again := tokens.encode(strings.ToValidUTF8(text, "")); !slices.Equal(again, ids) {
			t.Errorf("got %v without the broken bytes, want %v", again, ids)
		}
		if again := tokens.encode(" " + text + "\n"); !slices.Equal(again, ids) {
			t.Errorf("got %v with white space around, want %v", again, ids)
		}
	})
}
