package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/proxy/dialect"
	"github.com/ragproxy/ragproxy/proxy/sse"
	"github.com/ragproxy/ragproxy/retrieval"
)

// exchange is one answer on its way to the client; it is the encoder's sink.
//
// Nothing goes out before upstream's response header is there, so that its
// status and headers reach the client as they are: events wait in held. A
// live exchange sends its own headers with the first event instead.
type exchange struct {
	server    *Server
	notes     *notes
	w         gin.ResponseWriter
	out       *sse.Writer
	dialect   dialect.Dialect
	request   dialect.Request
	encoder   dialect.Encoder
	selection dialect.Selection
	plain     bool // nothing of ours is added
	live      bool

	started bool
	held    [][]byte
	noted   []retrieval.Event // for retell
}

func (x *exchange) newPlain() dialect.Encoder {
	x.dialect, _ = dialect.Lookup("plain")
	return x.dialect.Stream(x.request, x)
}

// Event implements dialect.Sink.
func (x *exchange) Event(payload []byte) {
	switch {
	case x.started:
		x.out.Event(payload)
		if x.live {
			x.out.Flush() // its error is the stream's, seen by the relay
		}
	case x.live:
		x.start(http.StatusOK, http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}, "Cache-Control": {"no-cache"}})
		x.Event(payload)
	default:
		x.held = append(x.held, payload)
	}
}

// Line implements dialect.Sink.
func (x *exchange) Line(line []byte) { x.out.Line(line) }

// start sends the headers and what was held.
func (x *exchange) start(status int, header http.Header) {
	x.started = true
	copyHeader(x.w.Header(), header)
	if !x.plain {
		x.w.Header().Del("Content-Length")
		x.w.Header().Set("X-Accel-Buffering", "no") // nginx would gather the deltas
	}
	x.w.WriteHeader(status)
	for _, payload := range x.held {
		x.out.Event(payload)
	}
	x.held = nil
	x.out.KeepAlive()
}

// relay passes upstream's answer on. The live exchange may have begun.
func (x *exchange) relay(resp *http.Response, result *retrieval.Result) error {
	if !x.plain {
		if err := decompress(resp); err != nil {
			return x.fail(upstreamError(err))
		}
	}
	switch {
	case isEventStream(resp.Header) && resp.StatusCode == http.StatusOK:
		return x.relayStream(resp)
	case x.started:
		return x.failLate(resp)
	case x.plain || resp.StatusCode != http.StatusOK:
		return x.relayAsIs(resp)
	default:
		return x.relayBody(resp, result)
	}
}

// relayStream passes lines on until upstream's end.
func (x *exchange) relayStream(resp *http.Response) error {
	if !x.started {
		x.start(resp.StatusCode, resp.Header)
	}
	if err := x.out.Flush(); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	resp.Request = nil // it holds the whole body that was sent
	lines, ended := sse.NewReader(resp.Body, &x.server.buffers), false
	defer lines.Close()
	for {
		line, err := lines.Next()
		if err != nil {
			return x.end(ended, err)
		}
		x.notes.line(line)
		if endsStream(line) {
			ended, line = true, x.server.upstream.scrubLine(line)
		}
		if sse.Terminated(line) || whole(line) {
			x.encoder.Upstream(line)
		} else {
			x.out.Line(line)
		}
		if !lines.Buffered() {
			if err := x.out.Flush(); err != nil {
				return fmt.Errorf("write answer: %w", err)
			}
		}
	}
}

// endsStream says whether nothing more need come after a line: the end mark,
// or an error of upstream's own.
func endsStream(line []byte) bool {
	from, to, ok := sse.Data(line)
	return ok && (sse.IsDone(line[from:to]) || bytes.Contains(line, []byte(`"error"`)) && dialect.IsError(line))
}

// whole says whether a last line without its line feed is all there.
func whole(line []byte) bool {
	from, to, ok := sse.Data(line)
	return ok && (sse.IsDone(line[from:to]) || gjson.ValidBytes(line[from:to]))
}

// end closes the stream: cleanly only where upstream said its end.
func (x *exchange) end(ended bool, err error) error {
	if ended && errors.Is(err, io.EOF) {
		if err := x.out.Flush(); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		return nil
	}
	if !errors.Is(err, io.EOF) && errors.Is(err, context.Canceled) {
		return err // the client went
	}
	return x.fail(upstreamClosed(err))
}

// fail ends the exchange with an error: with an HTTP status while that is
// possible, as an error event afterwards. The connection is then cut, so that
// no client takes the end for a clean one.
func (x *exchange) fail(err error) error {
	if !x.started {
		return err
	}
	if !x.plain && !errors.Is(err, context.Canceled) {
		x.failEvent(asError(err).body())
	} else {
		x.out.Flush()
	}
	return err
}

func (x *exchange) failEvent(payload []byte) {
	if !x.out.Boundary() {
		x.out.Line([]byte("\n\n")) // ends half a line, and the event it is in
	}
	x.out.Event(payload)
	x.out.Flush()
}

// failLate tells an upstream's HTTP error to a client whose stream has begun.
func (x *exchange) failLate(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return x.fail(upstreamClosed(err))
	}
	e := &Error{Status: resp.StatusCode, Type: "upstream_error", Code: "upstream_status", Message: "the upstream answered " + resp.Status}
	payload := e.body()
	if gjson.ValidBytes(body) && gjson.GetBytes(body, "error").IsObject() {
		payload = []byte(gjson.GetBytes(body, "@ugly").Raw) // on one line
	}
	x.failEvent(payload)
	return e
}

// relayAsIs passes on an answer to which nothing is added.
func (x *exchange) relayAsIs(resp *http.Response) error {
	copyHeader(x.w.Header(), resp.Header)
	if resp.ContentLength >= 0 {
		x.w.Header().Set("Content-Length", strconv.FormatInt(resp.ContentLength, 10))
	}
	x.w.WriteHeader(resp.StatusCode)
	x.started = true
	if _, err := io.Copy(x.w, resp.Body); err != nil {
		return fmt.Errorf("relay answer: %w", err)
	}
	return nil
}

// relayBody passes on a whole answer with the result in it.
func (x *exchange) relayBody(resp *http.Response, result *retrieval.Result) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return x.fail(brokenOff(resp.Request, err))
	}
	body = x.dialect.Body(x.request, result, body)
	copyHeader(x.w.Header(), resp.Header)
	x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	x.w.Header().Set("X-RAG-Sources", strconv.Itoa(len(result.Sources)))
	x.w.WriteHeader(resp.StatusCode)
	x.started = true
	if _, err := x.w.Write(body); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// brokenOff tells a client that went from an upstream that did.
func brokenOff(req *http.Request, err error) error {
	if req != nil && context.Cause(req.Context()) != nil {
		return context.Cause(req.Context())
	}
	return upstreamClosed(err)
}

// copyHeader hands over upstream's headers but those of the connection and
// those that are ours to say, which from loses.
func copyHeader(to, from http.Header) {
	dropHopByHop(from)
	ownHeader(from, to)
	for name, values := range from {
		to[name] = values
	}
}

// ownHeader takes out of upstream's headers what we say ourselves: which web
// pages may read the answer, and, where the client has rates of ours, what is
// left of those.
func ownHeader(upstream, ours http.Header) {
	rates := tellsRates(ours)
	for name := range upstream {
		if strings.HasPrefix(name, "Access-Control-") || rates && strings.HasPrefix(name, "X-Ratelimit-") {
			delete(upstream, name)
		}
	}
}

// decompress undoes an encoding that nobody asked the upstream for; some send
// it all the same.
func decompress(resp *http.Response) error {
	if resp.Header.Get("Content-Encoding") != "gzip" {
		return nil
	}
	z, err := gzip.NewReader(resp.Body)
	if err != nil {
		return fmt.Errorf("read gzip answer: %w", err)
	}
	body := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{z, body}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength = -1
	return nil
}
