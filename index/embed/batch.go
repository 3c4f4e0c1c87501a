package embed

import "unicode/utf8"

// batches cuts texts into runs of at most size texts and about maxTokens
// tokens. A longer single text is a batch of its own.
func batches(texts []string, size, maxTokens int) [][]string {
	var out [][]string
	start, tokens := 0, 0
	for i, t := range texts {
		n := estimateTokens(t)
		if i > start && (i-start == size || tokens+n > maxTokens) {
			out = append(out, texts[start:i])
			start, tokens = i, 0
		}
		tokens += n
	}
	if start < len(texts) {
		out = append(out, texts[start:])
	}
	return out
}

// estimateTokens is rather too high: on English prose and documentation the
// median is 1.6 times the count of OpenAI's cl100k_base. The worst seen is .42,
// on hexadecimal digits; the default of BatchTokens leaves room for it.
func estimateTokens(text string) int {
	wide := 0
	for i := 0; i < len(text); i++ {
		if text[i] >= utf8.RuneSelf && utf8.RuneStart(text[i]) {
			wide++
		}
	}
	return 1 + wide + len(text)/3
}
