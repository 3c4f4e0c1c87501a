package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

// Web says which web pages may ask.
type Web struct {
	// Origins get CORS headers: "https://app.example", or "*" for all.
	Origins []string
	// Loopback is a server that only its machine can reach. Without keys that is
	// its whole protection, so Host and Origin are checked: a web page that is
	// open there could ask by a name that it lets point to 127.0.0.1.
	Loopback bool
	// Hosts are names under which such a server may be asked, beside localhost
	// and addresses.
	Hosts []string
}

// checkWeb refuses foreign web pages where no key does, and answers CORS.
func (s *Server) checkWeb(c *gin.Context) error {
	r, web := c.Request, s.opts.Web
	if (web.Loopback || len(web.Hosts) > 0) && !s.opts.Keys.Required() {
		if err := web.checkLocal(r); err != nil {
			return err
		}
	}
	if len(web.Origins) == 0 {
		return nil
	}
	h := c.Writer.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !web.allows(origin) {
		return nil
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Retry-After, X-Request-Id, X-RAG-Request-Id, X-RAG-Sources, X-RAG-Degraded, X-RAG-Applied, X-RateLimit-Limit-Requests, X-RateLimit-Remaining-Requests, "+
		"X-RateLimit-Reset-Requests, X-RateLimit-Limit-Tokens, X-RateLimit-Remaining-Tokens, X-RateLimit-Reset-Tokens")
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
		preflight(c)
	}
	return nil
}

// preflight says yes: what the request may do is seen when it comes.
func preflight(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
	if headers := c.Request.Header.Get("Access-Control-Request-Headers"); headers != "" {
		h.Set("Access-Control-Allow-Headers", headers)
	}
	if c.Request.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	h.Set("Access-Control-Max-Age", "600")
	c.AbortWithStatus(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
}

func (w Web) allows(origin string) bool {
	return slices.Contains(w.Origins, "*") || slices.ContainsFunc(w.Origins, func(o string) bool { return strings.EqualFold(o, origin) })
}

func (w Web) checkLocal(r *http.Request) error {
	if !w.local(r.Host) {
		return forbidden("host_not_allowed", "", "the host "+strconv.Quote(r.Host)+" is not allowed: ask by localhost or an address, or put the name into server.hosts")
	}
	return w.checkOrigin(r)
}

// checkOrigin refuses the web pages of others.
func (w Web) checkOrigin(r *http.Request) error {
	for _, origin := range r.Header["Origin"] {
		u, err := url.Parse(origin)
		own := err == nil && (u.Scheme == "http" || u.Scheme == "https") && strings.EqualFold(u.Host, r.Host)
		if !own && !w.allows(origin) {
			return forbidden("origin_not_allowed", "", "web pages of "+strconv.Quote(origin)+" are not allowed: put the origin into cors.origins, or make a key")
		}
	}
	return nil
}

// local says whether a Host header cannot be a name that somebody else lets
// point here.
func (w Web) local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761, section 6.3
		return true
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return slices.ContainsFunc(w.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}
