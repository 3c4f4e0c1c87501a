package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ragproxy/ragproxy/proxy/access"
	"github.com/ragproxy/ragproxy/retrieval"
)

// Limits bound what requests may ask; 0 is no bound but where one is named.
type Limits struct {
	MaxMessages int
	MaxParts    int // of all messages together
	MaxDepth    int // of the JSON; 0 and what is above it is 512
	MaxTopK     int // 0 and what is above it is 100
	// BodyTimeout is until when a request's body must be there.
	BodyTimeout time.Duration
	// Concurrency is how many requests are worked on at a time; the others wait
	// QueueTimeout at most.
	Concurrency  int
	QueueTimeout time.Duration
	// Client is each key's, where it has none of its own; without keys it is
	// that of all requests together.
	Client access.Rates
}

// settings is what a reload replaces. A request keeps what it began with.
type settings struct {
	retriever *retrieval.Retriever
	maxBody   int64
	limits    Limits
	slots     access.Slots
	anyone    *access.Meter // of requests without a key
}

// Reload puts a pipeline and limits into force, for requests that begin from
// now on. What was counted against rates that stay the same goes on counting.
func (s *Server) Reload(r *retrieval.Retriever, maxBodyBytes int64, l Limits) {
	next := &settings{retriever: r, maxBody: maxBodyBytes, limits: l}
	old := s.settings.Load()
	if old != nil && old.limits.Concurrency == l.Concurrency {
		next.slots = old.slots
	} else {
		next.slots = access.NewSlots(l.Concurrency)
	}
	if old != nil && old.limits.Client == l.Client {
		next.anyone = old.anyone
	} else {
		next.anyone = access.NewMeter(l.Client)
	}
	if s.opts.Keys != nil {
		s.opts.Keys.SetDefaults(l.Client)
	}
	s.settings.Store(next)
}

// bounds of a chat completion's body.
func (l Limits) bounds() bounds { return bounds{l.MaxDepth, l.MaxMessages, l.MaxParts} }

func (l Limits) topK() int {
	if l.MaxTopK == 0 {
		return maxTopK
	}
	return min(l.MaxTopK, maxTopK)
}

// readBody reads a request to its end and then takes a slot, in this order: a
// client that sends slowly holds nobody up. leave must be called.
func (s *Server) readBody(c *gin.Context) (body []byte, leave func(), err error) {
	if body, err = io.ReadAll(s.boundedBody(c)); err != nil {
		return nil, nil, bodyError(err)
	}
	leave, err = s.takeSlot(c)
	return body, leave, err
}

// boundedBody is the request's body, which is an error above the limit.
func (s *Server) boundedBody(c *gin.Context) io.Reader {
	return http.MaxBytesReader(c.Writer, c.Request.Body, s.settings.Load().maxBody)
}

// takeSlot waits for a request's turn, once its body is there. leave must be
// called.
func (s *Server) takeSlot(c *gin.Context) (leave func(), err error) {
	now := s.settings.Load()
	if now.limits.BodyTimeout > 0 && c.Request.ContentLength != 0 { // net/http reads on, for the connection's end
		_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Time{}) // see bodyDeadline
	}
	leave, err = now.slots.Take(c.Request.Context(), now.limits.QueueTimeout)
	if errors.Is(err, access.ErrBusy) {
		err = &Error{Status: http.StatusServiceUnavailable, Type: "service_unavailable", Code: "overloaded",
			Message: "the server has as much to do as limits.concurrency allows: try again", Err: err, RetryAfter: time.Second}
	}
	return leave, err
}

// bodyDeadline is for a body that comes slowly or never, also where nobody
// reads it: net/http does at the end, to use the connection again.
func (s *Server) bodyDeadline(c *gin.Context) {
	if d := s.settings.Load().limits.BodyTimeout; d > 0 && c.Request.ContentLength != 0 {
		_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(d)) // recorders of tests cannot
	}
}

func bodyError(err error) error {
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return &Error{Status: http.StatusRequestTimeout, Type: "invalid_request_error", Code: "request_timeout",
			Message: "the request body did not come within limits.body_timeout", Err: err}
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) || errors.Is(err, context.Canceled) {
		return err
	}
	e := badRequest("invalid_json", "", "the request body ends before its end, or is cut into chunks wrongly")
	e.Err = err
	return e
}

// limitError tells a client that it has to wait.
func limitError(err error) error {
	var over *access.LimitError
	switch {
	case errors.As(err, &over) && over.Retry == 0:
		return rateLimited(fmt.Sprintf("the request is larger than the limit of %d %s a minute", over.Limit, over.What), err, 0)
	case errors.As(err, &over):
		return rateLimited(fmt.Sprintf("the limit of %d %s a minute is reached: try again in %d s", over.Limit, over.What, seconds(over.Retry)), err, over.Retry)
	case errors.Is(err, access.ErrBusy):
		return rateLimited("as many requests run at a time as the key allows: try again", err, time.Second)
	}
	return err
}

func rateLimited(message string, err error, retry time.Duration) *Error {
	return &Error{Status: http.StatusTooManyRequests, Type: "rate_limit_error", Code: "rate_limit_exceeded", Message: message, Err: err, RetryAfter: retry}
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// tellRates writes OpenAI's headers, so that SDKs and gateways can pace
// themselves.
func tellRates(h http.Header, m *access.Meter) {
	for _, s := range m.Standings() {
		h.Set("X-Ratelimit-Limit-"+s.What, strconv.Itoa(s.Limit))
		h.Set("X-Ratelimit-Remaining-"+s.What, strconv.Itoa(s.Remaining))
		h.Set("X-Ratelimit-Reset-"+s.What, s.Reset.Round(time.Millisecond).String())
	}
}

// tellsRates says whether the answer has such headers of ours: upstream's are
// then of no use to the client.
func tellsRates(h http.Header) bool {
	return h.Get("X-Ratelimit-Limit-Requests") != "" || h.Get("X-Ratelimit-Limit-Tokens") != ""
}
