package proxy

import (
	"bytes"
	"io"
	"mime"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/retrieval"
)

// takeTokens takes what a chat completion's text needs from the client's
// tokens a minute, before anything is done for it. The answer is charged when
// it is there.
func (s *Server) takeTokens(c *gin.Context, req *chatRequest) error {
	v := visitOf(c)
	limit, counted := v.countsTokens()
	if !counted {
		return nil
	}
	n, err := s.countTokens(req, limit, false)
	if err != nil {
		return err
	}
	return v.takeTokens(c.Writer.Header(), n)
}

// takeBytes does so for other requests, which are not understood: some four
// bytes of JSON make a token, files make none.
func takeBytes(c *gin.Context, body []byte) error {
	v := visitOf(c)
	kind, _, _ := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	if _, counted := v.countsTokens(); !counted || kind != "application/json" {
		return nil
	}
	return v.takeTokens(c.Writer.Header(), len(body)/bytesPerToken)
}

const bytesPerToken = 4

// chargeRetrieval charges the rewrite, whose tokens its upstream told.
func chargeRetrieval(c *gin.Context, res *retrieval.Result) {
	if v := visitOf(c); v != nil && v.meter != nil && res.Usage != nil {
		v.meter.Charge(int(res.Usage.PromptTokens + res.Usage.CompletionTokens))
	}
}

// countUsage charges and notes what an answer turns out to have taken, when it
// is read. The notes see the lines of a chat completion's stream themselves.
func countUsage(c *gin.Context, resp *http.Response) {
	v, n := visitOf(c), notesOf(c)
	stream := isEventStream(resp.Header)
	if !n.wanted || n.chat && stream {
		n = nil
	}
	if _, counted := v.countsTokens(); !counted {
		v = nil
	}
	if v == nil && n == nil || resp.StatusCode != http.StatusOK {
		return
	}
	resp.Body = &usageBody{ReadCloser: resp.Body, visit: v, notes: n, stream: stream}
}

// usage is what an upstream says that a request and its answer took, in tokens.
type usage struct{ input, output, total int }

// usageBody keeps the end of an answer, where the usage stands, streamed or
// not; it looks at nothing else.
type usageBody struct {
	io.ReadCloser
	visit  *visit // nil where nobody is charged
	notes  *notes // nil where nothing is noted
	stream bool
	size   int
	lines  int
	tail   []byte
}

// tailSize holds the usage of every known API with what may follow it.
const tailSize = 16 << 10

func (u *usageBody) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	u.size += n
	if u.stream {
		u.lines += bytes.Count(p[:n], []byte{'\n'})
	}
	u.keep(p[:n])
	return n, err
}

// keep lets the tail grow to twice its size before it moves it down.
func (u *usageBody) keep(p []byte) {
	if u.tail == nil {
		u.tail = make([]byte, 0, 2*tailSize)
	}
	if len(p) >= tailSize {
		u.tail = append(u.tail[:0], p[len(p)-tailSize:]...)
		return
	}
	if len(u.tail)+len(p) > cap(u.tail) {
		u.tail = u.tail[:copy(u.tail, u.tail[len(u.tail)-(tailSize-len(p)):])]
	}
	u.tail = append(u.tail, p...)
}

// Close charges once.
func (u *usageBody) Close() error {
	told := u.told()
	if u.visit != nil {
		switch {
		case told.total > 0:
			u.visit.charge(told.total, true)
		case u.stream:
			u.visit.charge(u.lines/2, false) // a guess: a token for each event
		default:
			u.visit.charge(u.size/bytesPerToken, false)
		}
		u.visit = nil
	}
	if u.notes != nil {
		u.notes.ended(told, u.tail, u.size)
		u.notes = nil
	}
	return u.ReadCloser.Close()
}

// told is what the upstream says that request and answer took.
func (u *usageBody) told() usage {
	rest := u.tail
	for {
		at := bytes.LastIndex(rest, []byte(`"usage"`))
		if at < 0 {
			return usage{}
		}
		if n := usageAt(u.tail[at+len(`"usage"`):]); n.total > 0 {
			return n
		}
		rest = rest[:at]
	}
}

// usageAt reads the object behind a member's name, as chat completions,
// embeddings and responses write it.
func usageAt(b []byte) usage {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 || b[0] != ':' {
		return usage{}
	}
	v := gjson.ParseBytes(bytes.TrimLeft(b[1:], " \t\r\n"))
	if !v.IsObject() {
		return usage{}
	}
	return usageOf(v)
}

func usageOf(v gjson.Result) usage {
	sum := func(a, b string) int { return int(max(0, v.Get(a).Int()) + max(0, v.Get(b).Int())) }
	u := usage{input: sum("prompt_tokens", "input_tokens"), output: sum("completion_tokens", "output_tokens")}
	u.total = u.input + u.output
	if n := v.Get("total_tokens").Int(); n > 0 {
		u.total = int(n)
	}
	return u
}
