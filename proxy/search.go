package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/retrieval"
)

// Hit is one hit as /v1/rag/search and `ragproxy search --json` write it. A
// leg that does not have the hit is null. Start and End count characters of
// the document.
type Hit struct {
	Rank       int       `json:"rank"`
	ID         string    `json:"id"`
	DocumentID string    `json:"document_id"`
	URL        string    `json:"url"`
	Title      string    `json:"title"`
	Text       string    `json:"text"`
	Start      int       `json:"start"`
	End        int       `json:"end"`
	Score      float64   `json:"score"`
	Scores     HitScores `json:"scores"`
}

// HitScores are the legs' own scores.
type HitScores struct {
	Vector *float64 `json:"vector"`
	BM25   *float64 `json:"bm25"`
}

// Hits gives sources the form of hits; never nil.
func Hits(sources []retrieval.Source) []Hit {
	out := make([]Hit, len(sources))
	for i, s := range sources {
		out[i] = Hit{
			Rank: s.N, ID: s.Chunk.ID, DocumentID: s.Chunk.DocumentID, URL: s.Chunk.URL, Title: s.Chunk.Title, Text: s.Chunk.Text,
			Start: s.Chunk.Start, End: s.Chunk.End, Score: s.Score, Scores: HitScores{s.Vector, s.Keyword},
		}
	}
	return out
}

// search answers POST /v1/rag/search.
func (s *Server) search(c *gin.Context) error {
	body, leave, err := s.readBody(c)
	if err != nil {
		return err
	}
	defer leave()
	if err := takeBytes(c, body); err != nil {
		return err
	}
	now := s.settings.Load()
	req := retrieval.SearchRequest{}
	if err := s.readSearch(body, now.limits, &req); err != nil {
		return err
	}
	if req.Collection, req.Filters, err = s.scope(c, "collection", req.Collection, req.Filters); err != nil {
		return err
	}
	if req.Collection == "" {
		req.Collection = s.opts.Collection
	}
	found, err := s.find(c, now.retriever, req)
	if err != nil {
		return stageFailed(c, unknownCollection(err, "collection", req.Collection))
	}
	degraded, causes := []string{}, []error{}
	for _, f := range found.Failed {
		degraded, causes = append(degraded, f.Leg), append(causes, f.Err)
	}
	tellDegraded(c, degraded)
	logDegraded(c, degraded, causes)
	c.JSON(http.StatusOK, gin.H{"data": Hits(found.Sources), "degraded": degraded})
	return nil
}

func (s *Server) readSearch(body []byte, limits Limits, to *retrieval.SearchRequest) error {
	var in struct {
		Query      string         `json:"query"`
		Collection string         `json:"collection"`
		TopK       *int           `json:"top_k"`
		Filters    map[string]any `json:"filters"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	if err := dec.Decode(&in); err != nil {
		return badRequest("invalid_json", "", "the request body is not {query, collection, top_k, filters}: "+err.Error())
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badRequest("invalid_json", "", "the request body goes on after the JSON object")
	}
	*to = retrieval.SearchRequest{Query: in.Query, Collection: in.Collection, TopK: s.opts.TopK, Filters: in.Filters}
	if in.TopK != nil {
		to.TopK = *in.TopK
	}
	if in.TopK != nil && (to.TopK < 1 || to.TopK > limits.topK()) {
		return invalidOption("top_k", "a whole number from 1 to "+strconv.Itoa(limits.topK()))
	}
	return checkFilters("filters", in.Filters)
}

// collections answers GET /v1/rag/collections.
func (s *Server) collections(c *gin.Context) error {
	list, err := s.opts.Collections()
	if len(list) == 0 && errors.Is(err, index.ErrOpen) { // of all of them: an empty list would be wrong
		return engineUnavailable(err)
	}
	if err != nil { // of single collections; the others are listed
		s.opts.Logger.Warn("collection cannot be read", "error", err)
	}
	data, client := []gin.H{}, clientOf(c)
	for _, x := range list {
		if !client.May(x.Name) {
			continue
		}
		entry := gin.H{"name": x.Name, "generation": x.Manifest.Generation, "space": x.Manifest.Space}
		if !client.Filtered() { // the counts are of all documents
			entry["documents"], entry["chunks"] = x.Manifest.Documents, x.Manifest.Chunks
		}
		data = append(data, entry)
	}
	c.JSON(http.StatusOK, gin.H{"data": data})
	return nil
}
