package proxy

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/internal/splice"
	"github.com/ragproxy/ragproxy/proxy/dialect"
)

// Alias is a model name that stands for a model with settings, for chat UIs
// that can choose a model and nothing else. Empty fields leave a setting as it
// is.
type Alias struct {
	Name, Model string
	Dialect     string
	Collection  string
	Enabled     *bool
	Events      *dialect.Filter
	TopK        int
	Rewrite     string
	Markdown    *bool
	Reasoning   *bool
}

func (s *Server) alias(model string) (Alias, bool) {
	for _, a := range s.opts.Aliases {
		if a.Name == model {
			return a, true
		}
	}
	return Alias{}, false
}

// modelJSON is a model in OpenAI's form. Aliases have no date.
type modelJSON struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int    `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func (a Alias) json() ([]byte, error) {
	return json.Marshal(modelJSON{a.Name, "model", 0, "ragproxy"})
}

// models answers GET /v1/models: upstream's list with the aliases behind it.
func (s *Server) models(c *gin.Context) error {
	resp, err := s.upstream.get(c.Request.Context(), c.Request.Header, "models?"+c.Request.URL.RawQuery)
	if err != nil {
		return upstreamFailure(c.Request.Context(), err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return upstreamError(err)
	}
	if resp.StatusCode == http.StatusOK {
		if body, err = s.withAliases(body); err != nil {
			return err
		}
	}
	copyHeader(c.Writer.Header(), resp.Header)
	c.Header("X-RAG-Applied", "false")
	c.Header("Content-Length", strconv.Itoa(len(body)))
	c.Status(resp.StatusCode)
	_, err = c.Writer.Write(body)
	return err
}

// withAliases puts the aliases at the end of the member "data" of a list.
func (s *Server) withAliases(body []byte) ([]byte, error) {
	if !gjson.ValidBytes(body) {
		return body, nil
	}
	var list [][]byte
	for _, a := range s.opts.Aliases {
		b, err := a.json()
		if err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	var e splice.Edits
	gjson.ParseBytes(body).ForEach(func(key, value gjson.Result) bool {
		if key.Str == "data" && value.IsArray() {
			e.AddElements(body, value, bytes.Join(list, []byte(",")))
		}
		return true
	})
	return e.Apply(body), nil
}

// model answers GET /v1/models/NAME for an alias; other names go upstream.
func (s *Server) model(c *gin.Context) error {
	a, ok := s.alias(strings.TrimPrefix(c.Param("id"), "/"))
	if !ok {
		return s.passOn(c)
	}
	b, err := a.json()
	if err != nil {
		return err
	}
	c.Data(http.StatusOK, "application/json", b)
	return nil
}
