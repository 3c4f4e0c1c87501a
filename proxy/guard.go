package proxy

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ragproxy/ragproxy/proxy/access"
)

// visit is a request's part in what its client may do; nil where nothing
// bounds it.
type visit struct {
	client *access.Client // nil without a key
	meter  *access.Meter  // nil without limits
	taken  int            // tokens
}

// visitKey holds the *visit in gin's context.
const visitKey = "ragproxy.visit"

func visitOf(c *gin.Context) *visit {
	v, ok := c.Get(visitKey)
	if !ok {
		return nil
	}
	return v.(*visit)
}

func clientOf(c *gin.Context) *access.Client {
	if v := visitOf(c); v != nil {
		return v.client
	}
	return nil
}

func (v *visit) countsTokens() (limit int, ok bool) {
	if v == nil || v.meter == nil {
		return 0, false
	}
	return v.meter.CountsTokens()
}

func (v *visit) takeTokens(h http.Header, n int) error {
	err := v.meter.Tokens(n)
	tellRates(h, v.meter)
	if err != nil {
		return limitError(err)
	}
	v.taken = n
	return nil
}

// charge takes an answer's tokens; told ones include the request's, which
// were taken before.
func (v *visit) charge(n int, told bool) {
	if told {
		n -= v.taken
	}
	v.meter.Charge(max(0, n))
}

// guard lets in who may come in, and counts who is.
func (s *Server) guard(c *gin.Context) {
	if isHealth(c.Request.URL.Path) || c.FullPath() == metricsPath {
		return
	}
	if !s.running.begin() {
		c.Header("Connection", "close")
		s.refuse(c, &Error{Status: http.StatusServiceUnavailable, Type: "service_unavailable", Code: "not_ready", Message: "the server is stopping", RetryAfter: time.Second})
		return
	}
	defer s.running.end()
	s.bodyDeadline(c)
	if err := s.checkWeb(c); err != nil {
		s.refuse(c, err)
		return
	}
	if c.IsAborted() { // a preflight, answered
		return
	}
	if isPlayground(c.Request) { // it holds no data
		return
	}
	leave, err := s.enter(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	defer leave()
	c.Next()
}

func isHealth(path string) bool { return path == "/livez" || path == "/healthz" || path == "/readyz" }

// enter finds the client and holds it to its rates. leave must be called.
func (s *Server) enter(c *gin.Context) (leave func(), err error) {
	anyone, needsKey := s.settings.Load().anyone, s.opts.Keys.Required()
	if !needsKey && anyone == nil {
		return func() {}, nil
	}
	v := &visit{meter: anyone}
	if needsKey {
		if v.client, err = s.authenticate(c.Request.Header); err != nil {
			return nil, err
		}
		v.meter = v.client.Meter()
	}
	c.Set(visitKey, v)
	if v.meter == nil {
		return func() {}, nil
	}
	err = v.meter.Request()
	tellRates(c.Writer.Header(), v.meter)
	if err != nil {
		return nil, limitError(err)
	}
	leave, err = v.meter.Slots().Take(c.Request.Context(), s.settings.Load().limits.QueueTimeout)
	return leave, limitError(err)
}

// upstreamAuthorization is how a client with a key of ours gives the
// upstream's Authorization, where ragproxy holds none.
const upstreamAuthorization = "X-Upstream-Authorization"

// authenticate checks the client's key and takes it out of the headers, so
// that nothing behind can send it on.
func (s *Server) authenticate(h http.Header) (*access.Client, error) {
	scheme, secret, _ := strings.Cut(strings.TrimSpace(h.Get("Authorization")), " ")
	if secret = strings.TrimSpace(secret); !strings.EqualFold(scheme, "Bearer") {
		secret = ""
	}
	client, err := s.opts.Keys.Check(secret)
	if err != nil {
		return nil, unauthorized(err)
	}
	theirs := h.Values(upstreamAuthorization)
	h.Del("Authorization")
	h.Del(upstreamAuthorization)
	if len(theirs) == 1 && !strings.Contains(theirs[0], secret) {
		h.Set("Authorization", theirs[0])
	}
	for name, values := range h { // clients that send it twice: api-key, x-api-key
		if strings.Contains(strings.Join(values, "\n"), secret) {
			delete(h, name)
		}
	}
	return client, nil
}

func unauthorized(err error) *Error {
	message := "the key is not valid: send Authorization: Bearer with a key that `ragproxy keys add` made"
	switch {
	case errors.Is(err, access.ErrMissing):
		message = "this server needs a key: send Authorization: Bearer with one that `ragproxy keys add` made"
	case errors.Is(err, access.ErrExpired):
		message = "the key has expired"
	case errors.Is(err, access.ErrRevoked):
		message = "the key was revoked"
	}
	return &Error{Status: http.StatusUnauthorized, Type: "authentication_error", Code: "invalid_api_key", Message: message, Err: err}
}

// scope is the collection that is searched and the filters that hold, for the
// client whose request it is. collection is what was asked for, "" if nothing
// was; param names it.
func (s *Server) scope(c *gin.Context, param, collection string, filters map[string]any) (string, map[string]any, error) {
	client := clientOf(c)
	if client == nil {
		return collection, filters, nil
	}
	if collection == "" {
		if mine := client.Collection(s.opts.Collection); mine != s.opts.Collection {
			collection = mine
		}
	}
	searched := collection
	if searched == "" {
		searched = s.opts.Collection
	}
	if !client.May(searched) {
		return "", nil, forbidden("collection_forbidden", param, "the key may not use the collection "+strconv.Quote(searched))
	}
	filters = client.Filters(filters)
	return collection, filters, checkFilters("filters", filters) // together they may be nested too deep
}
