package rerank

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// statusError is an answer whose status is not 200.
type statusError struct {
	code       int
	message    string        // of the body or the redirect, cut
	retryAfter time.Duration // 0 if the server did not say
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("status %d", e.code)
	if e.message != "" {
		text += ": " + e.message
	}
	return text
}

func (c *Client) statusError(res *http.Response) *statusError {
	body, _ := io.ReadAll(io.LimitReader(res.Body, 16<<10)) // the status is what matters
	e := &statusError{code: res.StatusCode, retryAfter: retryAfter(res.Header)}
	// As it is: of the error bodies of these servers no two have one shape.
	e.message = c.scrub(strings.Join(strings.Fields(strings.ToValidUTF8(string(body), "")), " "))
	if to := res.Header.Get("Location"); to != "" {
		e.message = fmt.Sprintf("redirects to %.200q, which is not followed", c.scrub(to))
	}
	if r := []rune(e.message); len(r) > 300 {
		e.message = string(r[:300]) + "…"
	}
	return e
}

// temporary says whether the same request may succeed a moment later.
func (e *statusError) temporary() bool {
	return e.code == http.StatusTooManyRequests || e.code == http.StatusServiceUnavailable
}

// pause is how long to wait before the second attempt.
func (e *statusError) pause() time.Duration {
	if e.retryAfter > 0 {
		return e.retryAfter
	}
	return 100 * time.Millisecond
}

// retryAfter reads Retry-After (RFC 9110, 10.2.3: seconds or a date); 0 if
// there is none to be understood.
func retryAfter(h http.Header) time.Duration {
	const most = 24 * time.Hour
	value := h.Get("Retry-After")
	if n, err := strconv.ParseFloat(value, 64); err == nil && n > 0 {
		return time.Duration(min(n*float64(time.Second), float64(most)))
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), most)
	}
	return 0
}

// hint says what to check, for the errors that have a usual cause.
func hint(err error) string {
	var status *statusError
	var answer *answerFault
	switch {
	case errors.As(err, &answer):
		return "check rerank.kind and rerank.base_url"
	case !errors.As(err, &status):
		return "check rerank.base_url and that the server runs"
	case status.code == http.StatusUnauthorized || status.code == http.StatusForbidden:
		return "check rerank.api_key"
	case status.code == http.StatusNotFound || status.code == http.StatusMethodNotAllowed:
		return "check rerank.base_url, rerank.kind and rerank.model"
	case status.code == http.StatusFailedDependency: // TEI
		return "the server's model may be no re-ranker"
	case status.code == http.StatusBadRequest || status.code == http.StatusRequestEntityTooLarge || status.code == http.StatusUnprocessableEntity:
		return "check rerank.kind and rerank.model; a lower rerank.depth may help"
	}
	return ""
}
