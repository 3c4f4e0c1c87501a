package proxy

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

// The playground: a page that shows what happens to a question. It is served
// as it lies in web/, asks nothing but the API that every client asks, and
// holds no data, so its files need no key.
//
//go:embed web
var playgroundFiles embed.FS

const (
	playgroundPath = "/playground/"
	playgroundPage = "index.html"
)

// playgroundPolicy lets the page run its own files and ask its own server,
// nothing else: what a hostile passage or answer could smuggle in stays text.
const playgroundPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Playground is what the page is told of the server; anyone may read it.
type Playground struct {
	// Questions are a conversation that the page offers to have: the first one
	// where nothing has been asked yet, each other one after the one before it.
	Questions []string
}

// asset is a file of the page, ready to be sent.
type asset struct {
	body, zipped []byte
	contentType  string
	etag         string
}

// loadPlayground reads and compresses the page's files, by their path below
// web/.
func loadPlayground() (map[string]asset, error) {
	out := map[string]asset{}
	err := fs.WalkDir(playgroundFiles, "web", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := playgroundFiles.ReadFile(name)
		if err != nil {
			return err
		}
		out[strings.TrimPrefix(name, "web/")], err = newAsset(name, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load playground: %w", err)
	}
	return out, nil
}

func newAsset(name string, body []byte) (asset, error) {
	var zipped bytes.Buffer
	z, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return asset{}, err
	}
	if _, err := z.Write(body); err != nil {
		return asset{}, err
	}
	if err := z.Close(); err != nil {
		return asset{}, err
	}
	sum := sha256.Sum256(body)
	return asset{body, zipped.Bytes(), contentType(name), `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}, nil
}

// contentType does not ask the system, whose table may call a script text.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "text/plain; charset=utf-8"
}

// isPlayground says whether a request is for the page or its files.
func isPlayground(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && (r.URL.Path == "/" || strings.HasPrefix(r.URL.Path, playgroundPath))
}

// root shows a person with a browser the playground, and says to other
// clients what this is.
func (s *Server) root(c *gin.Context) error {
	c.Header("Vary", "Accept")
	if acceptsHTML(c.Request.Header) {
		return s.sendAsset(c, playgroundPage)
	}
	s.about(c)
	return nil
}

// acceptsHTML asks for the type by its name, which browsers send and tools
// that take anything do not.
func acceptsHTML(h http.Header) bool {
	for _, part := range strings.Split(strings.Join(h.Values("Accept"), ","), ",") {
		kind, params, err := mime.ParseMediaType(part)
		if err != nil || kind != "text/html" {
			continue
		}
		q, err := strconv.ParseFloat(params["q"], 64)
		return err != nil || q > 0
	}
	return false
}

// playground answers what is below /playground/.
func (s *Server) playground(c *gin.Context) error {
	name := strings.TrimPrefix(c.Param("file"), "/")
	switch name {
	case "config.json":
		return s.playgroundConfig(c)
	case "":
		c.Redirect(http.StatusFound, "../")
		return nil
	}
	return s.sendAsset(c, name)
}

func (s *Server) sendAsset(c *gin.Context, name string) error {
	files, err := s.assets()
	if err != nil {
		return err
	}
	file, ok := files[name]
	if !ok {
		return notFound("unknown_url", "", "unknown request URL: "+c.Request.Method+" "+c.Request.URL.Path)
	}
	playgroundHeaders(c)
	h := c.Writer.Header()
	h.Add("Vary", "Accept-Encoding")
	h.Set("Etag", file.etag)
	h.Set("Content-Type", file.contentType)
	if ifNoneMatch(c.Request.Header, file.etag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return nil
	}
	body := file.body
	if acceptsGzip(c.Request.Header) {
		h.Set("Content-Encoding", "gzip")
		body = file.zipped
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.Status(http.StatusOK)
	_, err = c.Writer.Write(body)
	return err
}

func playgroundHeaders(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", playgroundPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache") // asked again each time, answered by the ETag
}

// ifNoneMatch compares weakly (RFC 9110, section 13.1.2).
func ifNoneMatch(h http.Header, etag string) bool {
	for _, tag := range strings.Split(h.Get("If-None-Match"), ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}

func acceptsGzip(h http.Header) bool {
	for _, part := range strings.Split(h.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(params), "q="), 64)
			return err != nil || q > 0
		}
	}
	return false
}

// playgroundConfig tells the page the server's defaults, which it shows where
// the person chooses nothing.
func (s *Server) playgroundConfig(c *gin.Context) error {
	body, err := json.Marshal(struct {
		Version    string   `json:"version"`
		Collection string   `json:"collection"`
		TopK       int      `json:"top_k"`
		Dialect    string   `json:"dialect"`
		Placement  string   `json:"placement"`
		NeedsKey   bool     `json:"needs_key"`
		Explains   bool     `json:"explains"`
		Questions  []string `json:"questions"`
	}{s.opts.Version, s.opts.Collection, s.opts.TopK, s.opts.Dialect, s.opts.Placement, s.opts.Keys.Required(), s.opts.Observe.Explain > 0, append([]string{}, s.opts.Playground.Questions...)})
	if err != nil {
		return err
	}
	playgroundHeaders(c)
	c.Data(http.StatusOK, "application/json; charset=utf-8", body)
	return nil
}
