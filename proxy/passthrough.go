package proxy

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"
)

// passOn answers every path without a handler: what is below /v1 goes to the
// upstream untouched, and says that nothing was retrieved for it.
func (s *Server) passOn(c *gin.Context) error {
	path, ok := strings.CutPrefix(c.Request.URL.EscapedPath(), "/v1/")
	if !ok || strings.HasPrefix(path, "rag/") || path == "rag" || path == "chat/completions" && c.Request.Method == http.MethodPost {
		return notFound("unknown_url", "", "unknown request URL: "+c.Request.Method+" "+c.Request.URL.Path)
	}
	target, err := url.Parse(strings.TrimRight(s.opts.Upstream.BaseURL, "/") + "/" + path)
	if err != nil {
		return notFound("unknown_url", "", "unknown request URL: "+c.Request.URL.Path)
	}
	// Read first: a proxy that answers while the body still comes may cut the
	// answer (golang/go#40747).
	if c.Request.Header.Get("Upgrade") == "" {
		body, leave, err := s.readBody(c)
		if err != nil {
			return err
		}
		defer leave()
		if err := takeBytes(c, body); err != nil {
			return err
		}
		c.Request.Body = io.NopCloser(bytes.NewReader(body))
		c.Request.ContentLength = int64(len(body))
		if len(body) == 0 {
			c.Request.Body = http.NoBody
		}
	}
	var failed error
	(&httputil.ReverseProxy{
		Transport: s.client.Transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			s.redirect(r, target)
			propagate(r.Out.Context(), r.Out.Header)
			if _, counted := visitOf(c).countsTokens(); counted {
				r.Out.Header.Del("Accept-Encoding") // the usage is read
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			ownHeader(resp.Header, c.Writer.Header())
			resp.Header.Set("X-RAG-Applied", "false")
			countUsage(c, resp)
			return s.upstream.scrub(resp)
		},
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) { failed = upstreamFailure(r.Context(), err) },
	}).ServeHTTP(c.Writer, c.Request)
	return failed
}

// redirect points a request at the upstream, with the headers that go there.
// Unlike a chat completion it keeps Accept-Encoding: nothing is edited.
func (s *Server) redirect(r *httputil.ProxyRequest, target *url.URL) {
	encoding := r.In.Header["Accept-Encoding"]
	upgrade, connection := r.Out.Header["Upgrade"], r.Out.Header["Connection"]
	r.Out.Header = s.upstream.forward(r.In.Header)
	for name, values := range map[string][]string{"Accept-Encoding": encoding, "Upgrade": upgrade, "Connection": connection} {
		if values != nil {
			r.Out.Header[name] = values
		}
	}
	query := r.In.URL.RawQuery
	u := *target
	u.RawQuery = query
	r.Out.URL, r.Out.Host = &u, u.Host
}
