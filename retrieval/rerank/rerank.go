// Package rerank asks a re-ranker over HTTP how well each passage answers a
// query; a [Client] is a retrieval.Reranker.
//
//	c, err := rerank.New(rerank.Options{Kind: rerank.TEI, BaseURL: "http://127.0.0.1:8080"})
//	scores, err := c.Rerank(ctx, "who wrote it?", passages)
//
// Two shapes of request cover what people run: [Cohere] and [TEI]. An answer
// that does not give every passage one score is an error, never a guess. The
// client waits no longer than its context says, which should have a deadline.
package rerank

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
)

// Shapes of request.
const (
	// Cohere posts {"model", "query", "documents"}: Cohere's v2 API
	// (https://api.cohere.com/v2), Jina (https://api.jina.ai/v1), Voyage
	// (https://api.voyageai.com/v1), vLLM, the llama.cpp server, LiteLLM,
	// Infinity and others, where the base URL mostly ends in /v1.
	Cohere = "cohere"
	// TEI posts {"query", "texts"}: Hugging Face's text-embeddings-inference.
	// It takes 32 texts at most unless --max-client-batch-size says more.
	TEI = "tei"
)

// Options configure a [Client].
type Options struct {
	Kind string // Cohere or TEI
	// BaseURL is what stands before /rerank. Required.
	BaseURL string
	// APIKey is sent as a bearer token, to BaseURL's origin only; "" sends none.
	APIKey string
	// Model as the API names it, for Cohere; "" sends none, which servers of one
	// model take.
	Model string
	// HTTPClient makes the requests; nil is one of its own, which
	// [Client.Close] closes.
	HTTPClient *http.Client
}

// Client is safe for concurrent use.
type Client struct {
	opts   Options
	url    string
	host   string
	client *http.Client
}

// New checks the options; it makes no request.
func New(opts Options) (*Client, error) {
	if opts.Kind != Cohere && opts.Kind != TEI {
		return nil, fmt.Errorf("new re-ranker: the kind must be %s or %s, got %q", Cohere, TEI, opts.Kind)
	}
	u, err := url.Parse(opts.BaseURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return nil, errors.New("new re-ranker: the base URL must be an http:// or https:// URL without a password")
	}
	return &Client{opts, u.JoinPath("rerank").String(), u.Host, newClient(opts.HTTPClient)}, nil
}

// newClient never follows a redirect: it would carry texts and key elsewhere.
func newClient(given *http.Client) *http.Client {
	client := http.Client{}
	if given != nil {
		client = *given
	} else if t, ok := http.DefaultTransport.(*http.Transport); ok {
		t = t.Clone()
		t.MaxIdleConnsPerHost = t.MaxIdleConns // 2 by default: parallel queries would dial anew
		client.Transport = t
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// Close closes idle connections of a client that [New] made.
func (c *Client) Close() error {
	if c.opts.HTTPClient == nil {
		c.client.CloseIdleConnections()
	}
	return nil
}

// Rerank returns a score for each passage, in their order; higher is better,
// the scale is the model's. No passages cost no request. An error names the
// host and what to check, and never holds the key; ctx's errors stay
// recognisable.
func (c *Client) Rerank(ctx context.Context, query string, passages []string) ([]float64, error) {
	if len(passages) == 0 {
		return nil, nil
	}
	scores, err := c.try(ctx, query, passages)
	if err == nil {
		return scores, nil
	}
	wrapped := fmt.Errorf("re-rank %d passages at %s: %w", len(passages), c.host, err)
	if h := hint(err); h != "" && ctx.Err() == nil {
		return nil, fmt.Errorf("%w; %s", wrapped, h)
	}
	return nil, wrapped
}

// try makes a request, and a second one where the first was refused for the
// moment and there is time left for it.
func (c *Client) try(ctx context.Context, query string, passages []string) ([]float64, error) {
	body, err := c.body(query, passages)
	if err != nil {
		return nil, err
	}
	scores, err := c.request(ctx, body, len(passages))
	var status *statusError
	if !errors.As(err, &status) || !status.temporary() || !sleep(ctx, status.pause()) {
		return scores, err
	}
	return c.request(ctx, body, len(passages))
}

// body writes a request. Neither top_n nor top_k is sent: Voyage refuses the
// one and all others the other, and without either all passages come back. An
// empty passage is sent as a space, because Voyage refuses "".
func (c *Client) body(query string, passages []string) ([]byte, error) {
	texts := make([]string, len(passages))
	for i, p := range passages {
		texts[i] = p
		if p == "" {
			texts[i] = " "
		}
	}
	var call any
	if c.opts.Kind == TEI {
		call = struct {
			Query     string   `json:"query"`
			Texts     []string `json:"texts"`
			RawScores bool     `json:"raw_scores"`
			Truncate  bool     `json:"truncate"` // a text that is too long would be an error
		}{query, texts, false, true}
	} else {
		call = struct {
			Model     string   `json:"model,omitempty"`
			Query     string   `json:"query"`
			Documents []string `json:"documents"`
		}{c.opts.Model, query, texts}
	}
	b, err := json.Marshal(call)
	if err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	return b, nil
}

// maxAnswer bounds what is read of an answer. Jina and vLLM repeat the
// passages in it.
const maxAnswer = 16 << 20

func (c *Client) request(ctx context.Context, body []byte, n int) ([]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header)) // of the trace that the search is part of, if it is
	if c.opts.APIKey != "" {
		req.Header.Set("Authorization", "Bearer "+c.opts.APIKey)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, c.statusError(res)
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(answer) > maxAnswer {
		return nil, answerError("is longer than %d bytes", maxAnswer)
	}
	return decodeAnswer(answer, n)
}

// sleep waits, unless ctx would end before: then it returns false at once.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// scrub takes the key out of a text that a server wrote.
func (c *Client) scrub(text string) string {
	if len(c.opts.APIKey) < 4 {
		return text
	}
	return strings.ReplaceAll(text, c.opts.APIKey, "…")
}
