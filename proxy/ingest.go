package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/proxy/sse"
)

// Ingest is what a client hands in to be indexed: files, or a page.
type Ingest struct {
	Collection string
	// Classes and Select keep parts of HTML, as the flags of `ragproxy index`
	// do; at most one of them is set.
	Classes []string
	Select  string
	URL     string   // http or https; "" where there are files
	Files   []Upload // at least one where there is no URL
}

// Upload is a file that a client sent. Path is where it is until the request
// ends; Name is the client's, without folders, fit for a document's id.
type Upload struct{ Name, Path string }

// The stages of an ingestion, as [IngestProgress] tells them.
const (
	StageLoad   = "load"
	StageEmbed  = "embed"
	StageCommit = "commit"
)

// IngestProgress is how far an ingestion is: documents that were loaded, and
// the chunks of those that are new or changed, of which Done are embedded.
type IngestProgress struct {
	Stage     string `json:"stage"`
	Documents int    `json:"documents"`
	Chunks    int    `json:"chunks"`
	Done      int    `json:"done"`
	Total     int    `json:"total"`
}

// Ingested is what came of an ingestion. Documents and Chunks are the
// collection's, the rest is this run's.
type Ingested struct {
	Documents  int             `json:"documents"`
	Chunks     int             `json:"chunks"`
	Added      int             `json:"added"`
	Updated    int             `json:"updated"`
	Deleted    int             `json:"deleted"`
	Unchanged  int             `json:"unchanged"`
	Failed     []IngestFailure `json:"failed"` // not nil
	Generation int             `json:"generation"`
	IDs        []string        `json:"ids"` // of the documents that did not fail; not nil
}

// IngestFailure is a document, or a whole source, that could not be indexed.
type IngestFailure struct {
	Source string `json:"source"` // the file's name or the page's URL
	Error  string `json:"error"`
}

// ingest answers POST /v1/rag/documents.
func (s *Server) ingest(c *gin.Context) error {
	c.Request.Body = io.NopCloser(s.boundedBody(c))
	if err := s.mayWrite(c); err != nil {
		drainBody(c)
		return err
	}
	in, remove, err := s.readIngest(c)
	defer remove()
	if err != nil {
		drainBody(c)
		return err
	}
	if in.Collection, _, err = s.documentScope(c, in.Collection); err != nil {
		return err
	}
	if err := index.CheckName(in.Collection); err != nil {
		return badRequest("invalid_rag_option", "collection", err.Error())
	}
	leave, err := s.takeSlot(c)
	if err != nil {
		return err
	}
	defer leave()
	if strings.Contains(c.Request.Header.Get("Accept"), "text/event-stream") {
		return s.ingestStream(c, in)
	}
	done, err := s.opts.Documents.Ingest(c.Request.Context(), in, func(IngestProgress) {})
	if err != nil {
		return documentError(err, in.Collection)
	}
	logIngested(c, in, done)
	c.JSON(http.StatusOK, done)
	return nil
}

// drainBody reads what a refused client still sends: browsers and others that do
// not read before they have sent it all would see a broken connection in place
// of the answer.
func drainBody(c *gin.Context) {
	if c.Request.Header.Get("Expect") == "" { // who asked first reads first
		_, _ = io.Copy(io.Discard, c.Request.Body) // bounded, and nothing depends on it
	}
}

func logIngested(c *gin.Context, in Ingest, done Ingested) {
	c.Set(logKey, []slog.Attr{slog.String("collection", in.Collection), slog.Int("added", done.Added), slog.Int("updated", done.Updated),
		slog.Int("unchanged", done.Unchanged), slog.Int("failed", len(done.Failed))})
}

// ingestStream tells the progress as it comes. Until there is any, an error is
// an HTTP status.
func (s *Server) ingestStream(c *gin.Context, in Ingest) error {
	out := sse.NewWriter(c.Writer, s.opts.KeepAlive, &s.buffers)
	defer out.Close()
	p := progressWriter{out: out, begin: func() {
		h := c.Writer.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no") // nginx would gather the events
		c.Writer.WriteHeader(http.StatusOK)
		out.KeepAlive()
	}}
	done, err := s.opts.Documents.Ingest(c.Request.Context(), in, p.progress)
	if err != nil {
		err = documentError(err, in.Collection)
		if p.begun && c.Request.Context().Err() == nil {
			out.Event(asError(err).body())
			out.Flush()
		}
		return err
	}
	logIngested(c, in, done)
	if err := p.done(done); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// progressWriter writes progress as events, the first of each stage and then
// some a second.
type progressWriter struct {
	out   *sse.Writer
	begin func()

	begun bool
	stage string
	last  time.Time
}

const betweenProgress = 100 * time.Millisecond

func (p *progressWriter) progress(x IngestProgress) {
	if p.stage == x.Stage && time.Since(p.last) < betweenProgress {
		return
	}
	p.stage, p.last = x.Stage, time.Now()
	_ = p.event(struct { // a client that has gone ends the run by its context
		Type string `json:"type"`
		IngestProgress
	}{"progress", x})
}

func (p *progressWriter) done(x Ingested) error {
	err := p.event(struct {
		Type string `json:"type"`
		Ingested
	}{"done", x})
	if err != nil {
		return err
	}
	p.out.Event([]byte("[DONE]"))
	return p.out.Flush()
}

func (p *progressWriter) event(v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if !p.begun {
		p.begun = true
		p.begin()
	}
	p.out.Event(payload)
	return p.out.Flush()
}

// readIngest reads a request's body. remove must be called, also after an
// error.
func (s *Server) readIngest(c *gin.Context) (in Ingest, remove func(), err error) {
	kind, _, _ := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	remove = func() {}
	switch kind {
	case "multipart/form-data":
		in, remove, err = s.readUpload(c)
	case "application/json", "", "application/x-www-form-urlencoded": // what curl -d says, too
		in, err = s.readPage(c)
	default:
		err = &Error{Status: http.StatusUnsupportedMediaType, Type: "invalid_request_error", Code: "unsupported_media_type",
			Message: "send multipart/form-data with a part \"file\", or application/json with a \"url\""}
	}
	if err == nil && len(in.Classes) > 0 && in.Select != "" {
		err = badRequest("invalid_rag_option", "select", "class and select exclude each other: give one of them")
	}
	return in, remove, err
}

// readPage reads {"url", "collection", "class", "select"}.
func (s *Server) readPage(c *gin.Context) (Ingest, error) {
	body, err := io.ReadAll(c.Request.Body)
	if err != nil {
		return Ingest{}, bodyError(err)
	}
	var in struct {
		URL        string `json:"url"`
		Collection string `json:"collection"`
		Class      string `json:"class"`
		Select     string `json:"select"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return Ingest{}, badRequest("invalid_json", "", "the request body is not {url, collection, class, select}: "+err.Error())
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Ingest{}, badRequest("invalid_json", "", "the request body goes on after the JSON object")
	}
	in.URL = strings.TrimSpace(in.URL)
	// Nothing else may reach the loaders: a path would be one of this machine.
	u, err := url.Parse(in.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return Ingest{}, badRequest("invalid_url", "url", "url must be the address of a page, http:// or https://")
	}
	return Ingest{URL: in.URL, Collection: in.Collection, Classes: splitClasses(in.Class), Select: strings.TrimSpace(in.Select)}, nil
}

func splitClasses(list string) []string {
	var out []string
	for class := range strings.SplitSeq(list, ",") {
		if class = strings.TrimSpace(class); class != "" {
			out = append(out, class)
		}
	}
	return out
}
