package embed

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openai/openai-go/v3/option"
)

// policy says how often and after what pauses a request is repeated.
type policy struct {
	attempts int           // at most; 0 = until MaxElapsed
	first    time.Duration // the first pause, doubled each time
	longest  time.Duration // of the pauses that we choose
	obey     time.Duration // a longer Retry-After ends the attempts; 0 = MaxElapsed decides
}

// patient suits an indexing run, hasty a query that somebody waits for.
func patient() policy { return policy{first: 500 * time.Millisecond, longest: 8 * time.Second} }

func hasty() policy {
	const pause = 50 * time.Millisecond
	return policy{attempts: 2, first: pause, longest: pause, obey: 250 * time.Millisecond}
}

// quotaCode in a 429 of OpenAI's means that waiting does not help.
const quotaCode = "insufficient_quota"

// embed makes one request with the policy's retries, bounded by MaxElapsed.
func (o *OpenAI) embed(ctx context.Context, texts []string, p policy) ([][]float32, error) {
	limited, cancel := context.WithTimeout(ctx, o.opts.MaxElapsed)
	defer cancel()
	var last error
	for attempt := 1; ; attempt++ {
		vectors, err := o.request(limited, texts)
		if err == nil {
			return vectors, nil
		}
		if ctx.Err() != nil { // the caller gave up, not we
			return nil, o.fail(len(texts), ctx.Err())
		}
		if limited.Err() != nil {
			return nil, o.fail(len(texts), o.gaveUp(attempt, last))
		}
		last = err
		pause, ok := o.pause(limited, err, attempt, p)
		if !ok {
			return nil, o.fail(len(texts), afterAttempts(attempt, err))
		}
		o.opts.Logger.WarnContext(ctx, "embedding request failed, trying again",
			"host", o.host, "model", o.opts.Model, "attempt", attempt, "pause", pause, "error", err)
		if sleep(limited, pause) != nil {
			return nil, o.fail(len(texts), ctx.Err())
		}
	}
}

func (o *OpenAI) gaveUp(attempt int, last error) error {
	if last == nil {
		return fmt.Errorf("no answer within %s (a slow server wants a lower embedding.batch_size)", o.opts.MaxElapsed)
	}
	return fmt.Errorf("gave up after %s and %d attempts: %w", o.opts.MaxElapsed, attempt, last)
}

func afterAttempts(n int, err error) error {
	if n == 1 {
		return err
	}
	return fmt.Errorf("gave up after %d attempts: %w", n, err)
}

// pause is how long to wait before another attempt; false if there should be
// none, or if it would begin after the deadline.
func (o *OpenAI) pause(ctx context.Context, err error, attempt int, p policy) (time.Duration, bool) {
	if !temporary(err) || attempt == p.attempts {
		return 0, false
	}
	backoff := p.longest
	if shift := attempt - 1; shift < 16 {
		backoff = min(p.first<<shift, p.longest)
	}
	d := backoff/2 + rand.N(backoff) // half to one and a half
	var status *statusError
	if errors.As(err, &status) && status.retryAfter > 0 {
		if p.obey > 0 && status.retryAfter > p.obey {
			return 0, false
		}
		// Never earlier than asked; many clients were told the same second.
		d = status.retryAfter + rand.N(min(status.retryAfter/10, time.Second)+1)
	}
	deadline, ok := ctx.Deadline()
	return d, !ok || time.Until(deadline) > d
}

// temporary tells whether the same request may succeed later: 429, 5xx and
// connections that fail, but no other 4xx, no bad certificate and no answer that
// arrived whole and is wrong.
func temporary(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		return status.code == http.StatusTooManyRequests && status.apiCode != quotaCode || status.code >= 500
	}
	var answer *answerFault
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return !errors.As(err, &answer) && !errors.As(err, &certificate) && !errors.As(err, &record)
}

// sleep is cut short by ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// statusError is an answer whose status is not 200.
type statusError struct {
	code       int
	apiCode    string // error.code of the body
	message    string // of the body, cut
	retryAfter time.Duration
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("status %d", e.code)
	if e.retryAfter > 0 {
		text += fmt.Sprintf(" (asks to wait %s)", e.retryAfter.Round(time.Millisecond))
	}
	if e.message != "" {
		text += ": " + e.message
	}
	return text
}

// checkStatus is a middleware and not a look at openai-go's error, because that
// needs a JSON body: a gateway's HTML page would come out as a syntax error, its
// status lost.
func (o *OpenAI) checkStatus(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	res, err := next(req)
	if err != nil || res.StatusCode == http.StatusOK {
		return res, err
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 16<<10)) // the status is what matters
	e := &statusError{code: res.StatusCode, retryAfter: retryAfter(res.Header)}
	e.apiCode, e.message = errorBody(body)
	if to := res.Header.Get("Location"); to != "" {
		e.message = fmt.Sprintf("redirects to %.200q, which is not followed", to)
	}
	e.message = o.scrub(e.message)
	return nil, e
}

// errorBody reads OpenAI's error object, or takes the body as it is.
func errorBody(body []byte) (code, message string) {
	var parsed struct {
		Error json.RawMessage `json:"error"`
	}
	message = string(bytes.TrimSpace(body))
	if json.Unmarshal(body, &parsed) == nil && len(parsed.Error) > 0 {
		code, message = errorObject(parsed.Error)
	}
	message = strings.Join(strings.Fields(strings.ToValidUTF8(message, "")), " ")
	if r := []rune(message); len(r) > 300 {
		message = string(r[:300]) + "…"
	}
	return code, message
}

// errorObject reads the value of "error": an object at OpenAI, a text at
// others, and code may be a number there.
func errorObject(raw json.RawMessage) (code, message string) {
	var object struct {
		Code    any    `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(raw, &object) == nil && object.Message != "" {
		code, _ = object.Code.(string)
		return code, object.Message
	}
	if json.Unmarshal(raw, &message) == nil {
		return "", message
	}
	return "", string(raw)
}

// retryAfter reads retry-after-ms (OpenAI) and Retry-After (RFC 9110, 10.2.3:
// seconds or a date). 0 if there is none to be understood.
func retryAfter(h http.Header) time.Duration {
	const most = 24 * time.Hour
	if n, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && n > 0 {
		return time.Duration(min(n*float64(time.Millisecond), float64(most)))
	}
	if n, err := strconv.ParseFloat(h.Get("Retry-After"), 64); err == nil && n > 0 {
		return time.Duration(min(n*float64(time.Second), float64(most)))
	}
	if at, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		return min(max(time.Until(at), 0), most)
	}
	return 0
}
