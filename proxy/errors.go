package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ragproxy/ragproxy/index"
)

// Error is what a client is told, in OpenAI's shape. Err, the cause, is for
// the log only.
type Error struct {
	Status  int
	Type    string
	Code    string
	Param   string // the key at fault; "" if none is
	Message string
	Err     error
	// RetryAfter goes into the header of that name, in whole seconds; 0 sends
	// none.
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// body is {"error":{"message","type","param","code"}}, the only shape that
// every SDK reads.
func (e *Error) body() []byte {
	var out struct {
		Error struct {
			Message string  `json:"message"`
			Type    string  `json:"type"`
			Param   *string `json:"param"`
			Code    string  `json:"code"`
		} `json:"error"`
	}
	out.Error.Message, out.Error.Type, out.Error.Code = e.Message, e.Type, e.Code
	if e.Param != "" {
		out.Error.Param = &e.Param
	}
	b, err := json.Marshal(out)
	if err != nil { // strings only: cannot happen
		return []byte(`{"error":{"message":"internal error","type":"server_error","param":null,"code":"internal"}}`)
	}
	return b
}

func badRequest(code, param, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Code: code, Param: param, Message: message}
}

func notFound(code, param, message string) *Error {
	return &Error{Status: http.StatusNotFound, Type: "not_found_error", Code: code, Param: param, Message: message}
}

func forbidden(code, param, message string) *Error {
	return &Error{Status: http.StatusForbidden, Type: "permission_error", Code: code, Param: param, Message: message}
}

// unknownCollection names the collection that a client asked for in vain;
// any other error stays what it is.
func unknownCollection(err error, param, name string) error {
	if !errors.Is(err, index.ErrNotFound) {
		return err
	}
	e := notFound("collection_not_found", param, fmt.Sprintf("collection %q does not exist: index something into it first", name))
	e.Err = err
	return e
}

// engineUnavailable tells a server that holds the collections and does not
// answer. Where it is stays out of the message.
func engineUnavailable(err error) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Type: "service_unavailable", Code: "engine_unavailable", Err: err,
		Message: "the engine that holds the collections cannot be reached: the log says why"}
}

// upstreamError tells an upstream that gave no answer. Its address stays out
// of the message: clients need not know it.
func upstreamError(err error) *Error {
	if isTimeout(err) {
		return &Error{Status: http.StatusGatewayTimeout, Type: "upstream_error", Code: "upstream_timeout", Message: "the upstream did not answer in time", Err: err}
	}
	return badGateway("upstream_unreachable", "the upstream cannot be reached: check upstream.base_url and that it is running", err)
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// upstreamClosed tells an answer that broke off.
func upstreamClosed(err error) *Error {
	if isTimeout(err) {
		return &Error{Status: http.StatusGatewayTimeout, Type: "upstream_error", Code: "upstream_timeout", Message: "the upstream fell silent in the middle of its answer", Err: err}
	}
	return badGateway("upstream_closed", "the upstream closed its answer before the end", err)
}

func badGateway(code, message string, err error) *Error {
	return &Error{Status: http.StatusBadGateway, Type: "upstream_error", Code: code, Message: message, Err: err}
}

// asError finds the client's words for an error.
func asError(err error) *Error {
	var e *Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &tooLarge):
		return &Error{Status: http.StatusRequestEntityTooLarge, Type: "invalid_request_error", Code: "request_too_large",
			Message: "the request body is larger than limits.max_body_bytes allows", Err: err}
	case errors.Is(err, context.Canceled):
		// 499 is nginx's "client closed request"; nobody is there to read it.
		return &Error{Status: 499, Type: "invalid_request_error", Code: "client_closed_request", Message: "the client closed the request", Err: err}
	default:
		return &Error{Status: http.StatusInternalServerError, Type: "server_error", Code: "internal", Message: "internal error: see the server's log", Err: err}
	}
}
