package retrieval

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// quoted is indexed text as it may stand in a prompt: visible, without what
// a chat template or this prompt gives a meaning to, and with "> " before
// lines that read like the turn of a role. A reader still understands it.
func quoted(text string) string { return quoteRoles(breakTokens(visible(text))) }

// breakTokens puts a space behind the bracket that begins a control token of
// a chat template ("<|im_start|>" becomes "< |im_start|>"): no tokenizer has
// a token with that space in it. It does the same to tags that look like this
// prompt's own. Linear in len(s).
func breakTokens(s string) string {
	if !strings.ContainsAny(s, "<[]") {
		return s
	}
	var b strings.Builder
	for {
		i := strings.IndexAny(s, "<[]")
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i+1])
		if controlToken(s[i:]) {
			b.WriteByte(' ')
		}
		s = s[i+1:]
	}
}

// maxToken is longer than any control token.
const maxToken = 96

// controlToken says whether s, which begins with a bracket, begins with a
// control token. All tokens with a bar next to a bracket are taken, known or
// not: <|...|>, <|...>, <...|>, also with DeepSeek's wide bar. Operators like
// <|> and <| x are none.
func controlToken(s string) bool {
	for _, literal := range []string{"<<SYS>>", "<</SYS>>", "]~b]", "]~!b[", "[e~["} {
		if strings.HasPrefix(s, literal) {
			return true
		}
	}
	if s[0] == ']' {
		return false
	}
	if s[0] == '<' && ownTag(s) {
		return true
	}
	end := strings.IndexAny(s[1:min(len(s), maxToken)], "<>[] \t\n\"'=")
	if end < 1 || s[1+end] != map[byte]byte{'<': '>', '[': ']'}[s[0]] {
		return false
	}
	name := s[1 : 1+end]
	if bare := strings.Trim(name, "|\uFF5C"); bare != name {
		return s[0] == '<' && strings.ContainsFunc(bare, letterOrDigit) || s[0] == '[' && exaoneName(bare)
	}
	name = strings.TrimPrefix(name, "/")
	if s[0] == '[' {
		return squareName(name)
	}
	return angleName(name)
}

// ownTag says whether s begins with a tag of this prompt, open or closing.
func ownTag(s string) bool {
	s = strings.TrimPrefix(s[1:], "/")
	const name = "passage"
	return len(s) >= len(name) && strings.EqualFold(s[:len(name)], name)
}

// angleName: names of control tokens in angle brackets, less the slash of
// those that close.
func angleName(name string) bool {
	switch name {
	case "s", "bos", "eos", "pad", "unk", "sep", "sop", "eop", "endoftext", "BOS_TOKEN", "EOS_TOKEN", "PAD_TOKEN", // Llama 2, Gemma, GLM, Command-R
		"system", "assistant", // as some people write turns
		"start_of_turn", "end_of_turn", "start_of_image", "end_of_image", "image_soft_token", "image", // Gemma, LLaVA
		"think", "tools", "tool_call", "tool_calls", "tool_response", "tool_result", // Qwen, DeepSeek, Hermes, GLM
		"fim_prefix", "fim_middle", "fim_suffix", "fim_pad", "file_sep", "repo_name":
		return true
	}
	return numbered(name, "unused", "SPECIAL_", "reserved_", "extra_id_", "special_", "control_") || strings.HasPrefix(name, "seed:")
}

// exaoneName: EXAONE's are the only ones like [|name|]; other texts have that
// as the array of a program.
func exaoneName(name string) bool {
	switch name {
	case "system", "user", "assistant", "tool", "endofturn":
		return true
	}
	return false
}

// squareName: the same as angleName in square brackets.
func squareName(name string) bool {
	switch name {
	case "INST", "SYSTEM_PROMPT", "AVAILABLE_TOOLS", "TOOL_CALLS", "TOOL_RESULTS", "TOOL_CONTENT", "CALL_ID", "ARGS", "THINK", "MODEL_SETTINGS",
		"IMG", "IMG_BREAK", "IMG_END", "AUDIO", "BEGIN_AUDIO", "PREFIX", "MIDDLE", "SUFFIX", // Mistral
		"gMASK", "sMASK": // GLM
		return true
	}
	return numbered(name, "UNUSED_TOKEN_", "control_")
}

func numbered(name string, prefixes ...string) bool {
	for _, p := range prefixes {
		if digits, ok := strings.CutPrefix(name, p); ok && digits != "" && strings.Trim(digits, "0123456789") == "" {
			return true
		}
	}
	return false
}

// quoteRoles puts "> " before each line that begins a role's turn in text:
// "System:", "\n\nHuman:", "### Instruction:", "**Assistant**:", "[system]",
// "<user>".
func quoteRoles(s string) string {
	var b strings.Builder
	kept := 0 // s up to there is in b
	for at := 0; at < len(s); {
		end := at + strings.IndexByte(s[at:], '\n') + 1
		if end <= at {
			end = len(s)
		}
		if roleLine(s[at:end]) {
			b.WriteString(s[kept:at])
			b.WriteString("> ")
			kept = at
		}
		at = end
	}
	if kept == 0 && b.Len() == 0 {
		return s
	}
	b.WriteString(s[kept:])
	return b.String()
}

const (
	decoration = " \t#*_-=~([{<|/" // before a role; not the quotes of a JSON key
	closing    = " \t#*_-=~)]}>|"  // behind it
	maxBefore  = 32                // bytes of decoration
)

// roleLine says whether a line begins with a role and a colon, or is a role
// in brackets or behind #.
func roleLine(line string) bool {
	line = strings.TrimRight(line, " \t\n")
	rest := strings.TrimLeft(line, decoration)
	before := line[:len(line)-len(rest)]
	if len(before) > maxBefore {
		return false
	}
	word, rest := cutWord(rest)
	if !isRole(word) && !(isSection(word) && strings.ContainsAny(before, "#*[")) {
		return false
	}
	for range 2 { // "System prompt:", "User message update:"
		next, after := cutWord(strings.TrimLeft(rest, " \t_-"))
		if !isRoleNoun(next) {
			break
		}
		rest = after
	}
	closed := strings.TrimLeft(rest, closing)
	if strings.HasPrefix(closed, ":") || strings.HasPrefix(closed, "\uFF1A") {
		return true
	}
	open := strings.TrimRight(before, " /")
	return strings.ContainsAny(before, "#[<({=*") && (closed == "" || strings.HasSuffix(open, "[") && rest[0] == ']' || strings.HasSuffix(open, "<") && rest[0] == '>')
}

// cutWord cuts the letters off the beginning of s.
func cutWord(s string) (word, rest string) {
	const longest = 16 * utf8.UTFMax
	for i, r := range s[:min(len(s), longest)] {
		if !unicode.IsLetter(r) {
			return s[:i], s[i:]
		}
	}
	if len(s) > longest {
		return "", s
	}
	return s, ""
}

func isRole(word string) bool {
	switch strings.ToLower(word) {
	case "system", "assistant", "user", "human", "ai", "developer", "bot", "chatbot", "chatgpt", "gpt", "系统", "用户", "助手":
		return true
	}
	return false
}

// isSection: words that begin a turn only as a heading ("### Response:").
// Plain, they are keys and tags of programs.
func isSection(word string) bool {
	switch strings.ToLower(word) {
	case "instruction", "instructions", "response", "input", "model", "tool":
		return true
	}
	return false
}

func isRoleNoun(word string) bool {
	switch strings.ToLower(word) {
	case "prompt", "message", "msg", "instruction", "instructions", "note", "notice", "override", "update", "command", "turn", "reply", "role":
		return true
	}
	return false
}

func letterOrDigit(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
