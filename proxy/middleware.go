package proxy

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
)

// handle turns work that returns an error into a handler. Once the answer has
// begun its status cannot be mended, so what fails then says so itself and
// returns errAborted.
func (s *Server) handle(work func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		err := work(c)
		if err == nil {
			return
		}
		_ = c.Error(err) // for the log line
		if c.Writer.Written() {
			linger(c.Request.Context())
			panic(http.ErrAbortHandler)
		}
		writeError(c, err)
	}
}

// refuse ends a request in a middleware.
func (s *Server) refuse(c *gin.Context, err error) {
	_ = c.Error(err)
	c.Abort()
	writeError(c, err)
}

func writeError(c *gin.Context, err error) {
	e := asError(err)
	switch {
	case e.RetryAfter > 0:
		c.Header("Retry-After", strconv.Itoa(seconds(e.RetryAfter)))
	case e.Status == http.StatusTooManyRequests:
		c.Header("X-Should-Retry", "false") // OpenAI's SDKs do as it says
	}
	if e.Status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", "Bearer")
	}
	c.Data(e.Status, "application/json; charset=utf-8", append(e.body(), '\n'))
}

// recoverer answers a panic with a 500 where it still can. It lets
// http.ErrAbortHandler through, which cuts the connection: gin's own recovery
// swallows it, and the client would see a clean end.
func (s *Server) recoverer(c *gin.Context) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(v)
		}
		s.opts.Logger.Error("panic", "value", v, "stack", string(debug.Stack()))
		if c.Writer.Written() {
			panic(http.ErrAbortHandler)
		}
		c.Data(http.StatusInternalServerError, "application/json; charset=utf-8", asError(errors.New("panic")).body())
	}()
	c.Next()
}

const requestIDHeader = "X-Rag-Request-Id"

func (s *Server) requestID(c *gin.Context) {
	c.Header(requestIDHeader, "req-"+rand.Text())
	c.Next()
}

// logLine writes the one Info line of a request: never its text, never a key.
func (s *Server) logLine(c *gin.Context, n *notes, quiet bool) {
	level := slog.LevelInfo
	if quiet {
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{
		slog.String("request_id", n.id),
		slog.String("method", c.Request.Method),
		slog.String("path", c.Request.URL.Path),
		slog.Int("status", c.Writer.Status()),
		slog.Int64("ms", time.Since(n.begin).Milliseconds()),
	}
	if id := clientOf(c).ID(); id != "" {
		attrs = append(attrs, slog.String("key", id))
	}
	attrs = append(attrs, n.attrs()...)
	if extra, ok := c.Get(logKey); ok {
		attrs = append(attrs, extra.([]slog.Attr)...)
	}
	if err := c.Errors.Last(); err != nil {
		attrs = append(attrs, slog.String("error", loggable(err.Err)))
	}
	s.opts.Logger.LogAttrs(c.Request.Context(), level, "request", attrs...)
}

// logKey holds what a handler adds to the log line, as []slog.Attr.
const logKey = "ragproxy.log"
