package builtin

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// resolveOther is resolve for scripts other than Latin: a short turn that
// defines nothing new gets the words of the question before it.
func (h *history) resolveOther(turn string) (text, topic string) {
	own := askedWords(turn)
	if h.topic == "" || !isShort(turn) || own != "" && isDefinition(turn) {
		return turn, own
	}
	if strings.Contains(turn, h.topic) {
		return turn, ""
	}
	bare := trimMarks(turn)
	return bare + " " + h.topic + strings.TrimSpace(turn[len(bare):]), ""
}

func isShort(turn string) bool {
	if fields := strings.Fields(turn); len(fields) > 1 {
		return len(fields) <= 4
	}
	return utf8.RuneCountInString(turn) <= 14
}

// isDefinition: such a turn names what it asks about.
func isDefinition(turn string) bool {
	parts := [...]string{"とは", "は何", "什么是", "什麼是", "是什么", "是什麼", "什么叫", "이란", "что такое", "Что такое", "ما هو", "ما هي"}
	return slices.ContainsFunc(parts[:], func(part string) bool { return strings.Contains(turn, part) })
}

// questionWords is what these scripts' questions hold around what they ask
// about, the longer ones first.
func questionWords() []string {
	return []string{
		"とは何ですか", "は何ですか", "について教えてください", "について教えて", "とは何", "ですか", "とは",
		"什么是", "什麼是", "是什么", "是什麼", "请解释", "介绍一下", "什么叫", "有哪些", "怎么样", "为什么", "怎么", "如何", "吗", "呢",
		"이란 무엇인가요", "무엇인가요", "이란", "что такое", "Что такое", "ما هو", "ما هي",
	}
}

// askedWords is the turn without what only makes it a question; "" if too
// little is left to be a topic.
func askedWords(turn string) string {
	for _, part := range questionWords() {
		turn = strings.ReplaceAll(turn, part, " ")
	}
	turn = trimMarks(strings.Join(strings.Fields(turn), " "))
	for _, pointer := range []string{"它", "这", "那", "其", "それ", "これ", "그것", "это", "оно"} {
		if strings.HasPrefix(turn, pointer) {
			return ""
		}
	}
	if utf8.RuneCountInString(turn) < 2 {
		return ""
	}
	return turn
}

func trimMarks(s string) string {
	return strings.TrimRightFunc(s, func(r rune) bool { return unicode.IsPunct(r) || unicode.IsSpace(r) })
}

// mostlyLatin: no letters at all counts as Latin.
func mostlyLatin(s string) bool {
	latin, rest := 0, 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Latin, r):
			latin++
		case unicode.IsLetter(r):
			rest++
		}
	}
	return latin >= 2*rest // one Han character says as much as two or three Latin ones
}
