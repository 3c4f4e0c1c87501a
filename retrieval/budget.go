package retrieval

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/pkoukk/tiktoken-go"
	loader "github.com/pkoukk/tiktoken-go-loader"
)

// TokenCounter counts tokens as OpenAI's cl100k_base does. Other models' counts
// differ; cl100k_base gives more than o200k_base does, so it errs on the safe
// side there. The vocabulary is read with the first count. Safe for concurrent
// use.
type TokenCounter struct {
	once sync.Once
	enc  *tiktoken.Tiktoken
	err  error
}

// pattern parts text into pieces before they are encoded (tiktoken's
// cl100k_base).
const pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

func (c *TokenCounter) load() {
	ranks, err := loader.NewOfflineLoader().LoadTiktokenBpe("cl100k_base.tiktoken")
	if err != nil {
		c.err = fmt.Errorf("read token vocabulary: %w", err)
		return
	}
	bpe, err := tiktoken.NewCoreBPE(ranks, map[string]int{}, pattern)
	if err != nil {
		c.err = fmt.Errorf("read token vocabulary: %w", err)
		return
	}
	c.enc = tiktoken.NewTiktoken(bpe, &tiktoken.Encoding{Name: "cl100k_base"}, map[string]any{})
}

// block is how many bytes are encoded at once: the cost of one piece grows
// with the square of its length, and a client may send a word of a megabyte.
// A word that is cut counts a token or two more.
const block = 256

// Count counts the tokens of text, but stops soon after limit: then it returns
// some number above it.
func (c *TokenCounter) Count(text string, limit int) (int, error) {
	c.once.Do(c.load)
	if c.err != nil {
		return 0, c.err
	}
	n := 0
	for len(text) > 0 && n <= limit {
		at := cutAt(text)
		n += len(c.enc.EncodeOrdinary(text[:at]))
		text = text[at:]
	}
	return n, nil
}

// cutAt ends a block before white space, which begins a token anyway, or at
// least at a character.
func cutAt(text string) int {
	if len(text) <= block {
		return len(text)
	}
	if at := strings.LastIndexAny(text[:block], " \n\t"); at > block/2 {
		return at
	}
	at := block
	for at > block-utf8.UTFMax && !utf8.RuneStart(text[at]) {
		at--
	}
	return at
}

// messageTokens is what a message costs beside its text.
const messageTokens = 4

// fit writes the prompt for as many of the sources, best first, as the budget
// has room for, and returns them. Without a budget that is all.
func (r *Retriever) fit(query string, sources []Source, used int) ([]Source, string, error) {
	for ; len(sources) > 0; sources = sources[:len(sources)-1] {
		prompt, err := r.opts.Prompts.Answer(query, sources)
		if err != nil || r.opts.MaxContextTokens == 0 {
			return sources, prompt, err
		}
		room := r.opts.MaxContextTokens - used - messageTokens
		n, err := r.opts.Tokens.Count(prompt, room)
		if err != nil {
			return nil, "", err
		}
		if n <= room {
			return sources, prompt, nil
		}
	}
	return nil, "", nil
}

// Shorten leaves the first n of a result's sources and writes the prompt anew,
// for an upstream that has no room for all. On an error, the template's, the
// result stays as it is.
func (r *Retriever) Shorten(res *Result, n int) error {
	n = max(0, min(n, len(res.Sources)))
	if n == 0 {
		res.Sources, res.Prompt = nil, ""
		return nil
	}
	prompt, err := r.opts.Prompts.Answer(res.Query, res.Sources[:n])
	if err != nil {
		return err
	}
	res.Sources, res.Prompt = res.Sources[:n:n], prompt
	return nil
}
