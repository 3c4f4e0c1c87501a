package proxy

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ragproxy/ragproxy/index"
)

// Documents is the index as /v1/rag/documents reads and changes it. An
// implementation is safe for concurrent use, and its errors are those of
// package index.
type Documents interface {
	Documents(ctx context.Context, collection string, q index.DocumentsQuery) (list []index.DocumentInfo, more bool, err error)
	Document(ctx context.Context, collection, id string, filters map[string]any) (index.DocumentInfo, []index.Chunk, error)
	// DeleteDocument and Ingest wait a while for another run that writes the
	// collection; then they fail with [index.ErrBusy].
	DeleteDocument(ctx context.Context, collection, id string) (index.Manifest, error)
	// Ingest indexes what a client handed in, and calls on with how far it is,
	// for the first time once nothing keeps it from beginning. What fails of the
	// sources is in the result; after an error nothing has changed.
	Ingest(ctx context.Context, in Ingest, on func(IngestProgress)) (Ingested, error)
	// Extensions are those of the files that Ingest reads, in lower case, with
	// their dots.
	Extensions() []string
}

// Writing says who may change documents.
type Writing int

// The zero value lets nobody. WriteGuarded lets keys that may write and, where
// none is needed, everybody on loopback; WriteOpen everybody where none is
// needed.
const (
	WriteNever Writing = iota
	WriteGuarded
	WriteOpen
)

// mayWrite is asked before the body is read.
func (s *Server) mayWrite(c *gin.Context) error {
	client := clientOf(c)
	reason := ""
	switch {
	case s.opts.Writing == WriteNever:
		reason = "documents.write is false: the documents of this server are changed with `ragproxy index` only"
	case client.Filtered():
		reason = "a key with a filter may not change documents"
	case client != nil && client.MayWrite():
		return nil
	case client != nil || s.opts.Keys.Required():
		reason = "the key may not change documents: make one that may with `ragproxy keys add NAME --write`"
	case s.opts.Writing == WriteOpen || s.opts.Web.Loopback:
		return s.opts.Web.checkOrigin(c.Request) // a form of any web page could send files
	default:
		reason = "other machines reach this server without a key: make one with `ragproxy keys add NAME --write`, or set documents.write: true"
	}
	return forbidden("write_forbidden", "", reason)
}

// documentsQuery reads the query parameters, which may be those named, once
// each.
func documentsQuery(c *gin.Context, names ...string) (map[string]string, error) {
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return nil, badRequest("invalid_rag_option", "", "the query of the URL cannot be read: "+err.Error())
	}
	out := map[string]string{}
	for _, name := range names {
		if len(values[name]) > 1 {
			return nil, invalidOption(name, "given once")
		}
		out[name] = values.Get(name)
		delete(values, name)
	}
	for name := range values {
		return nil, badRequest("unknown_rag_option", name, "unknown query parameter "+strconv.Quote(name)+": there are "+strings.Join(names, ", ")+
			"; in a document's id write ? as %3F, # as %23 and % as %25")
	}
	return out, nil
}

// documentScope is the collection that a request is about, with the filters of
// its client.
func (s *Server) documentScope(c *gin.Context, collection string) (string, map[string]any, error) {
	collection, filters, err := s.scope(c, "collection", collection, nil)
	if collection == "" {
		collection = s.opts.Collection
	}
	return collection, filters, err
}

const (
	documentsPage = 100
	documentsMost = 1000
)

type documentJSON struct {
	ID       string         `json:"id"`
	URL      string         `json:"url"`
	Title    string         `json:"title"`
	Chunks   any            `json:"chunks"` // how many, or they themselves
	Metadata map[string]any `json:"metadata"`
}

func toDocument(d index.DocumentInfo) documentJSON {
	meta := d.Meta
	if meta == nil {
		meta = map[string]any{}
	}
	return documentJSON{d.ID, d.URL, d.Title, d.Chunks, meta}
}

type chunkJSON struct {
	ID       string `json:"id"`
	Position struct {
		Chunk int `json:"chunk"`
		Start int `json:"start"`
		End   int `json:"end"`
	} `json:"position"`
	Text string `json:"text"`
}

// listDocuments answers GET /v1/rag/documents.
func (s *Server) listDocuments(c *gin.Context) error {
	query, err := documentsQuery(c, "collection", "limit", "after")
	if err != nil {
		return err
	}
	q := index.DocumentsQuery{After: query["after"], Limit: documentsPage}
	if v := query["limit"]; v != "" {
		if q.Limit, err = strconv.Atoi(v); err != nil || q.Limit < 1 || q.Limit > documentsMost {
			return invalidOption("limit", "a whole number from 1 to "+strconv.Itoa(documentsMost))
		}
	}
	collection, filters, err := s.documentScope(c, query["collection"])
	if err != nil {
		return err
	}
	q.Filters = filters
	list, more, err := s.opts.Documents.Documents(c.Request.Context(), collection, q)
	if err != nil && !(errors.Is(err, index.ErrNotFound) && query["collection"] == "") {
		return documentError(err, collection)
	}
	data := make([]documentJSON, len(list))
	for i, d := range list {
		data[i] = toDocument(d)
	}
	c.JSON(http.StatusOK, struct {
		Object  string         `json:"object"`
		Data    []documentJSON `json:"data"`
		HasMore bool           `json:"has_more"`
	}{"list", data, more})
	return nil
}

// documentID is what stands behind the path, slashes included.
func documentID(c *gin.Context) string { return strings.TrimPrefix(c.Param("id"), "/") }

// document answers GET /v1/rag/documents/ID.
func (s *Server) document(c *gin.Context) error {
	query, err := documentsQuery(c, "collection")
	if err != nil {
		return err
	}
	collection, filters, err := s.documentScope(c, query["collection"])
	if err != nil {
		return err
	}
	info, chunks, err := s.opts.Documents.Document(c.Request.Context(), collection, documentID(c), filters)
	if err != nil {
		return documentError(err, collection)
	}
	d, list := toDocument(info), make([]chunkJSON, len(chunks))
	for i, x := range chunks {
		list[i].ID, list[i].Text = x.ID, x.Text
		list[i].Position.Chunk, list[i].Position.Start, list[i].Position.End = x.Ordinal, x.Start, x.End
	}
	d.Chunks = list
	c.JSON(http.StatusOK, d)
	return nil
}

// deleteDocument answers DELETE /v1/rag/documents/ID.
func (s *Server) deleteDocument(c *gin.Context) error {
	if err := s.mayWrite(c); err != nil {
		return err
	}
	query, err := documentsQuery(c, "collection")
	if err != nil {
		return err
	}
	collection, _, err := s.documentScope(c, query["collection"])
	if err != nil {
		return err
	}
	leave, err := s.takeSlot(c)
	if err != nil {
		return err
	}
	defer leave()
	id := documentID(c)
	m, err := s.opts.Documents.DeleteDocument(c.Request.Context(), collection, id)
	if err != nil {
		return documentError(err, collection)
	}
	c.JSON(http.StatusOK, struct {
		ID         string `json:"id"`
		Deleted    bool   `json:"deleted"`
		Generation int    `json:"generation"`
	}{id, true, m.Generation})
	return nil
}

// documentError finds the client's words for what the index says.
func documentError(err error, collection string) error {
	var embedder *index.EmbedderError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, index.ErrNotFound):
		return unknownCollection(err, "collection", collection)
	case errors.Is(err, index.ErrNoDocument):
		e := notFound("document_not_found", "id", "the collection "+strconv.Quote(collection)+" has no such document")
		e.Err = err
		return e
	case errors.Is(err, index.ErrBusy):
		return &Error{Status: http.StatusConflict, Type: "conflict_error", Code: "index_busy", RetryAfter: 5 * time.Second, Err: err,
			Message: "another run is writing the collection " + strconv.Quote(collection) + ": try again"}
	case errors.Is(err, index.ErrSpace):
		return &Error{Status: http.StatusConflict, Type: "conflict_error", Code: "embedder_mismatch", Param: "collection", Err: err,
			Message: "the collection " + strconv.Quote(collection) + " was made with another embedder: choose another collection, set embedding.* back, or run `ragproxy index --reembed`"}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return &Error{Status: http.StatusServiceUnavailable, Type: "service_unavailable", Code: "index_read_only", Err: err,
			Message: "the server cannot write its index: data_dir is read-only"}
	case errors.Is(err, index.ErrReadOnly):
		return &Error{Status: http.StatusServiceUnavailable, Type: "service_unavailable", Code: "index_read_only", Err: err,
			Message: "the engine that holds the collections takes no changes now: the log says why"}
	case errors.Is(err, index.ErrOpen):
		return engineUnavailable(err)
	case errors.As(err, &embedder):
		return badGateway("embedding_failed", "the embedder did not answer: nothing was indexed", err)
	}
	return err
}
