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

// countUsage charges what an answer turns out to have taken, when it is read.
func countUsage(c *gin.Context, resp *http.Response) {
	v := visitOf(c)
	if _, counted := v.countsTokens(); !counted || resp.StatusCode != http.StatusOK {
		return
	}
	resp.Body = &usageBody{ReadCloser: resp.Body, visit: v, stream: isEventStream(resp.Header)}
}

// usageBody keeps the end of an answer, where the usage stands, streamed or
// not; it looks at nothing else.
type usageBody struct {
	io.ReadCloser
	visit  *visit
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
	if u.visit != nil {
		u.visit.charge(u.total())
		u.visit = nil
	}
	return u.ReadCloser.Close()
}

// total is what the upstream says that request and answer took, else a guess
// at the answer: a token for each event of a stream.
func (u *usageBody) total() (tokens int, told bool) {
	rest := u.tail
	for {
		at := bytes.LastIndex(rest, []byte(`"usage"`))
		switch {
		case at >= 0:
			if n := usageAt(u.tail[at+len(`"usage"`):]); n > 0 {
				return n, true
			}
			rest = rest[:at]
		case u.stream:
			return u.lines / 2, false
		default:
			return u.size / bytesPerToken, false
		}
	}
}

// usageAt reads the object behind a member's name, as chat completions,
// embeddings and responses write it.
func usageAt(b []byte) int {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 || b[0] != ':' {
		return 0
	}
	v := gjson.ParseBytes(bytes.TrimLeft(b[1:], " \t\r\n"))
	if !v.IsObject() {
		return 0
	}
	if n := v.Get("total_tokens").Int(); n > 0 {
		return int(n)
	}
	return int(max(0, v.Get("prompt_tokens").Int()) + max(0, v.Get("completion_tokens").Int()) +
		max(0, v.Get("input_tokens").Int()) + max(0, v.Get("output_tokens").Int()))
}
