package proxy

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// live answers while the process can.
func (s *Server) live(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{"status": "ok", "version": s.opts.Version})
}

// ready answers 503 once the server is about to stop, so that a balancer
// sends no more, and while it needs an engine that is away: see
// [Options.EngineReady].
func (s *Server) ready(c *gin.Context) {
	if s.stopping.Load() {
		e := &Error{Status: http.StatusServiceUnavailable, Type: "service_unavailable", Code: "not_ready", Message: "the server is stopping"}
		c.Data(e.Status, "application/json; charset=utf-8", e.body())
		return
	}
	if s.opts.EngineReady == nil {
		c.JSON(http.StatusOK, gin.H{"status": "ok"})
		return
	}
	err := s.opts.EngineReady(c.Request.Context())
	switch {
	case err == nil:
		s.reached.Store(true)
		c.JSON(http.StatusOK, gin.H{"status": "ok"})
	case c.Request.Context().Err() != nil: // nobody reads it, and nothing is known
	case s.opts.EngineRequired || !s.reached.Load():
		s.opts.Logger.Warn("engine cannot be reached", "error", err)
		e := engineUnavailable(err)
		c.Data(e.Status, "application/json; charset=utf-8", e.body())
	default: // answers come without passages: a balancer that sent nothing would be worse
		c.JSON(http.StatusOK, gin.H{"status": "degraded", "engine": "unavailable"})
	}
}

// about tells a person without a browser what this is.
func (s *Server) about(c *gin.Context) {
	c.String(http.StatusOK, `ragproxy %s

An OpenAI-compatible endpoint that adds retrieval. Point an SDK's base_url at
this address with /v1 behind it:

  POST /v1/chat/completions   answers with sources
  POST /v1/rag/search         hits without a language model
  GET  /v1/rag/collections    what is indexed
  any other /v1/*             goes to the upstream untouched
  GET  /livez, /readyz        health
  GET  / in a browser         the playground
`, s.opts.Version)
}
