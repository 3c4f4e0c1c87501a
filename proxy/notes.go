package proxy

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unsafe"

	"github.com/gin-gonic/gin"
	"github.com/tidwall/gjson"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/ragproxy/ragproxy/proxy/sse"
	"github.com/ragproxy/ragproxy/retrieval"
)

// notes are what is learnt of one request on its way, for its log line, the
// metrics, its trace and its explanation. They belong to the request's
// goroutine.
type notes struct {
	begin time.Time
	id    string // X-RAG-Request-Id
	route string // bounded; see routeOf

	wanted bool // by somebody else than the log

	chat       bool   // a chat completion
	model      string // as the client named it
	asked      string // as the upstream is asked
	stream     bool
	choices    int
	collection string            // that was searched; "" if none was
	result     *retrieval.Result // nil if nothing was retrieved
	stages     []retrieval.Stage
	degraded   []string // stages that failed, whether the answer came without them or not

	status     int           // of the upstream's last answer; 0 if none came
	header     time.Duration // until its header was there; 0 if it was not asked
	headerErr  string        // why no answer came
	firstDelta time.Time     // zero if none came
	looked     int           // lines, for it
	last       [2][]byte     // chunks of a stream, the latest at [seen-1]
	seen       int
	reply      reply
	usage      usage

	span, call trace.Span // the request's, and the running call's for the answer; never nil
	called     time.Time
	// The attributes are set at a span's end, all at once: each time costs a copy.
	spanAttrs, callAttrs []attribute.KeyValue
	content              content
	record               *record // for explain; nil if it is off

	prompt string // with the passages, for the record to count
}

// notesKey holds the *notes in gin's context.
const notesKey = "ragproxy.notes"

func notesOf(c *gin.Context) *notes {
	v, ok := c.Get(notesKey)
	if !ok {
		return newNotes()
	}
	return v.(*notes)
}

func newNotes() *notes {
	none := trace.SpanFromContext(context.Background())
	return &notes{begin: time.Now(), span: none, call: none}
}

// observe takes notes of a request and tells what they say.
func (s *Server) observe(c *gin.Context) {
	n := newNotes()
	n.wanted = s.metrics != nil || s.tracer != nil
	n.id, n.route = c.Writer.Header().Get(requestIDHeader), routeOf(c)
	c.Set(notesKey, n)
	quiet := isHealth(c.Request.URL.Path) || c.Request.URL.Path == metricsPath
	if !quiet {
		s.startRequest(c, n)
	}
	returned := false
	defer func() {
		status := c.Writer.Status()
		if last := c.Errors.Last(); last != nil && status < http.StatusBadRequest {
			status = asError(last.Err).Status // the stream broke off
		} else if last == nil && !returned {
			status = http.StatusInternalServerError // a panic, whose answer is the recoverer's
		}
		s.logLine(c, n, quiet)
		if !quiet {
			s.endRequest(c, n, status)
		}
	}()
	c.Next()
	returned = true
}

// endRequest tells all but the log.
func (s *Server) endRequest(c *gin.Context, n *notes, status int) {
	n.readLast()
	s.metrics.request(n, status)
	s.endSpans(c, n, status)
	if n.record != nil {
		s.fillRecord(n, status, true)
	}
}

// routeOf is the path's pattern, so that clients cannot make up names.
func routeOf(c *gin.Context) string {
	route := c.FullPath()
	if route == "" && strings.HasPrefix(c.Request.URL.Path, "/v1/") {
		return "/v1/*"
	}
	return cmp.Or(route, "other")
}

// chatAsked notes what a chat completion asks.
func (s *Server) chatAsked(c *gin.Context, req *chatRequest) {
	n := notesOf(c)
	n.chat, n.model, n.stream, n.choices = true, strings.Clone(req.model), req.stream, req.choices
	n.asked = n.model
	if a, ok := s.alias(n.model); ok {
		n.asked = a.Model
	} else if n.model == "" {
		n.asked = s.opts.Model
	}
	if s.opts.Observe.TraceContent && n.span.IsRecording() {
		n.content.readMessages(req)
	}
	s.explained.begin(n, clientOf(c).ID())
}

// retrieve is Retrieve with notes of it.
func (s *Server) retrieve(c *gin.Context, r *retrieval.Retriever, req retrieval.Request, on func(retrieval.Event)) (*retrieval.Result, error) {
	n := notesOf(c)
	req.Explain = n.record != nil
	ctx, span := s.startRetrieval(c.Request.Context(), cmp.Or(req.Collection, s.opts.Collection), cmp.Or(req.TopK, s.opts.TopK))
	req.Completer = s.tracedRewrite(req.Completer)
	result, err := r.Retrieve(ctx, req, on)
	if err != nil {
		n.refused(err)
		endWithError(span, err)
		return nil, err
	}
	n.collection, n.result, n.stages, n.degraded = cmp.Or(req.Collection, s.opts.Collection), result, result.Stages, result.Degraded
	s.endRetrieval(span, result)
	return result, nil
}

// find is Search with notes of it.
func (s *Server) find(c *gin.Context, r *retrieval.Retriever, req retrieval.SearchRequest) (retrieval.Found, error) {
	n := notesOf(c)
	ctx, span := s.startRetrieval(c.Request.Context(), req.Collection, req.TopK)
	found, err := r.Search(ctx, req)
	if err != nil {
		n.refused(err)
		endWithError(span, err)
		return found, err
	}
	result := &retrieval.Result{Query: req.Query, Original: req.Query, Sources: found.Sources, Stages: found.Stages}
	for _, f := range found.Failed {
		result.Degraded = append(result.Degraded, f.Leg)
	}
	n.collection, n.result, n.stages, n.degraded = req.Collection, result, found.Stages, result.Degraded
	s.endRetrieval(span, result)
	return found, nil
}

// refused notes the stage without which there was to be no answer.
func (n *notes) refused(err error) {
	var failed *retrieval.StageFailed
	if errors.As(err, &failed) {
		n.degraded = []string{failed.Leg}
	}
}

// askUpstream asks for the answer.
func (s *Server) askUpstream(ctx context.Context, n *notes, client http.Header, body []byte) (*http.Response, error) {
	ctx = s.startCall(ctx, n)
	resp, err := s.upstream.chat(ctx, client, body)
	n.header, n.status, n.headerErr = time.Since(n.called), 0, ""
	if err != nil {
		n.headerErr = upstreamError(err).Code
		return nil, err
	}
	n.status = resp.StatusCode
	if resp.StatusCode >= http.StatusBadRequest {
		n.headerErr = "upstream_status"
	}
	if n.record != nil {
		if n.result != nil {
			n.prompt = n.result.Prompt
		}
		s.fillRecord(n, resp.StatusCode, false)
	}
	return resp, nil
}

// maxLooked bounds the lines in which a first delta is looked for.
const maxLooked = 64

// maxLine bounds the lines that are kept.
const maxLine = 16 << 10

// line sees each line of a stream of chunks. It copies the last two: usage,
// reason and model stand there, and to look for them in all costs more.
func (n *notes) line(line []byte) {
	from, to, ok := sse.Data(line)
	if !ok || to-from > maxLine || line[from] != '{' {
		return
	}
	data := line[from:to]
	if n.firstDelta.IsZero() && n.looked < maxLooked {
		n.looked++
		if hasDelta(data) {
			n.firstDelta = time.Now()
		}
	}
	if n.content.on {
		n.content.answer(data)
	}
	if !n.wanted || bytes.HasSuffix(data, midway) && n.seen > 0 {
		return
	}
	to = n.seen % len(n.last)
	n.last[to] = append(n.last[to][:0], data...)
	n.seen++
}

// midway ends a chunk that tells neither reason nor usage, as most upstreams
// write it.
var midway = []byte(`"finish_reason":null}]}`)

// hasDelta says whether a chunk has anything of the answer, thoughts and tool
// calls among it.
func hasDelta(chunk []byte) bool {
	found := false
	gjson.GetBytes(chunk, "choices.0.delta").ForEach(func(key, value gjson.Result) bool {
		found = key.Str != "role" && value.Type != gjson.Null && value.Raw != `""`
		return !found
	})
	return found
}

// readLast reads what the end of a stream tells.
func (n *notes) readLast() {
	for i := n.seen - 1; i >= max(0, n.seen-len(n.last)); i-- {
		n.readReply(n.last[i%len(n.last)])
	}
	n.seen = 0
}

// reply is what an answer says of itself.
type reply struct {
	id, model string
	reasons   []string // why each choice ended
}

// readReply reads a chunk, or a whole answer; what is known already stays.
func (n *notes) readReply(b []byte) {
	// b stays as it is and where it is: what is read of it need not be copied.
	gjson.Parse(unsafe.String(unsafe.SliceData(b), len(b))).ForEach(func(key, value gjson.Result) bool {
		switch {
		case key.Str == "usage" && n.usage == (usage{}) && value.IsObject():
			n.usage = usageOf(value)
		case key.Str == "id" && n.reply.id == "":
			n.reply.id = value.Str
		case key.Str == "model" && n.reply.model == "":
			n.reply.model = value.Str
		case key.Str == "choices" && n.reply.reasons == nil && n.call.IsRecording():
			n.reply.reasons = reasons(value)
		}
		return true
	})
}

func reasons(choices gjson.Result) (out []string) {
	choices.ForEach(func(_, choice gjson.Result) bool {
		if r := choice.Get("finish_reason"); r.Type == gjson.String {
			out = append(out, shortened(r.Str))
		}
		return len(out) < 16
	})
	return out
}

// ended takes what the end of an answer that is no stream of chunks tells.
func (n *notes) ended(u usage, tail []byte, size int) {
	n.usage = u
	if n.call.IsRecording() && len(tail) == size && gjson.ValidBytes(tail) {
		n.readReply(tail)
		if n.content.on {
			n.content.text.WriteString(gjson.GetBytes(tail, "choices.0.message.content").String())
		}
	}
}

// attrs are what the notes add to the log line.
func (n *notes) attrs() []slog.Attr {
	var out []slog.Attr
	if n.model != "" {
		out = append(out, slog.String("model", shortened(n.model)))
	}
	if n.collection != "" {
		out = append(out, slog.String("collection", n.collection))
	}
	if n.status != 0 {
		out = append(out, slog.Int("upstream_status", n.status))
	}
	if !n.firstDelta.IsZero() {
		out = append(out, slog.Int64("first_delta_ms", n.firstDelta.Sub(n.begin).Milliseconds()))
	}
	return out
}

// shortened bounds what a client names.
func shortened(s string) string {
	const most = 128
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// loggable is an error without the query of an address in it: clients of some
// APIs put their key there.
func loggable(err error) string {
	text := err.Error()
	var at *url.Error
	if errors.As(err, &at) {
		if bare, _, ok := strings.Cut(at.URL, "?"); ok {
			text = strings.ReplaceAll(text, at.URL, bare+"?…")
		}
	}
	return text
}
