package proxy

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ragproxy/ragproxy/proxy/dialect"
	"github.com/ragproxy/ragproxy/proxy/sse"
	"github.com/ragproxy/ragproxy/retrieval"
)

// chat answers POST /v1/chat/completions, top to bottom.
func (s *Server) chat(c *gin.Context) error {
	body, leave, err := s.readBody(c)
	if err != nil {
		return err
	}
	defer leave()
	now := s.settings.Load()
	req, err := parseRequest(body, now.limits.bounds())
	if err != nil {
		return err
	}
	s.chatAsked(c, req)
	if err := s.takeTokens(c, req); err != nil {
		return err
	}
	opts, err := s.requestOptions(req, c.Request.Header, now.limits)
	if err != nil {
		return err
	}
	if !opts.on(req) {
		return s.relayUntouched(c, req)
	}
	if opts.collection, opts.filters, err = s.scope(c, "rag.collection", opts.collection, opts.filters); err != nil {
		return err
	}
	x := s.newExchange(c, req, opts)
	defer x.out.Close()
	question, err := s.retrievalRequest(c, req, opts, x)
	if err != nil {
		return err
	}
	result, err := s.retrieve(c, now.retriever, question, x.note)
	if err != nil {
		return x.fail(stageFailed(c, unknownCollection(err, "rag.collection", opts.collection)))
	}
	tellDegraded(c, result.Degraded)
	chargeRetrieval(c, result)
	found := len(result.Sources)
	resp, err := x.ask(c.Request, req, result, opts.placement, now.retriever)
	s.logRetrieval(c, result, found)
	if err != nil {
		return x.fail(upstreamFailure(c.Request.Context(), err))
	}
	countUsage(c, resp)
	defer resp.Body.Close()
	if s.opts.GuardLinks && !x.plain {
		result.Guard = retrieval.NewLinkGuard(result.Sources, req.said())
	}
	x.encoder.Answer(result)
	result.Prompt, x.noted = "", nil // streams are long, and there may be many
	return x.relay(resp, result)
}

// requestOptions is what holds for this request: body, then header, then
// alias, then configuration.
func (s *Server) requestOptions(req *chatRequest, h http.Header, limits Limits) (ragOptions, error) {
	opts, err := parseRag(req.rag)
	if err != nil {
		return opts, err
	}
	if err := opts.withHeaders(h); err != nil {
		return opts, err
	}
	if opts.topK > limits.topK() {
		return opts, invalidOption("rag.top_k", "a whole number from 1 to "+strconv.Itoa(limits.topK()))
	}
	if a, ok := s.alias(req.model); ok {
		opts.withAlias(a)
		req.upstreamModel = a.Model
	}
	opts.withDefaults(s.opts)
	return opts, nil
}

// on says whether this request is retrieved for.
func (o ragOptions) on(req *chatRequest) bool {
	return (o.enabled == nil || *o.enabled) && req.wantsRetrieval()
}

func (s *Server) retrievalRequest(c *gin.Context, req *chatRequest, opts ragOptions, x *exchange) (retrieval.Request, error) {
	tokens, err := s.tokens(req)
	if err != nil {
		return retrieval.Request{}, err
	}
	model := cmp.Or(s.opts.RewriteModel, req.upstreamModel, req.model, s.opts.Model)
	header := s.rewrite.forward(c.Request.Header)
	if s.opts.RewriteForeign && s.opts.Rewrite.APIKey == "" {
		header.Del("Authorization")
	}
	return retrieval.Request{
		History:    req.history,
		Turn:       req.question.text,
		Completer:  rewriter{s.rewrite, header, model, req.includeUsage, s.opts.RewriteBreaker},
		Collection: opts.collection,
		TopK:       opts.topK,
		Rewrite:    opts.rewrite,
		Deltas:     x.live && (x.selection["rewrite.delta"] || *opts.reasoning),
		Filters:    opts.filters,
		Tokens:     tokens,
	}, nil
}

func (s *Server) logRetrieval(c *gin.Context, res *retrieval.Result, found int) {
	attrs := []slog.Attr{
		slog.Int("sources", len(res.Sources)),
		slog.Int64("retrieval_ms", res.Took.Milliseconds()),
		slog.Bool("rewritten", res.Query != res.Original),
		slog.String("degraded", strings.Join(res.Degraded, ",")),
	}
	if left := found - len(res.Sources); left > 0 {
		attrs = append(attrs, slog.Int("sources_left_out", left)) // the model's context had no room
	}
	if len(res.Causes) > 0 {
		attrs = append(attrs, slog.String("cause", loggable(errors.Join(res.Causes...))))
	}
	c.Set(logKey, attrs)
}

// relayUntouched is the whole of a request without retrieval: its bytes less
// the member "rag", and upstream's bytes back.
func (s *Server) relayUntouched(c *gin.Context, req *chatRequest) error {
	resp, err := s.askUpstream(c.Request.Context(), notesOf(c), c.Request.Header, req.strip(s.opts.Model))
	if err != nil {
		return upstreamFailure(c.Request.Context(), err)
	}
	countUsage(c, resp)
	defer resp.Body.Close()
	x := &exchange{server: s, notes: notesOf(c), w: c.Writer, out: sse.NewWriter(c.Writer, 0, &s.buffers), plain: true}
	x.encoder = x.newPlain()
	defer x.out.Close()
	return x.relay(resp, nil)
}

// upstreamFailure tells a client that went away from an upstream that did.
func upstreamFailure(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return upstreamError(err)
}

// newExchange sets up the answer's side of a request.
func (s *Server) newExchange(c *gin.Context, req *chatRequest, opts ragOptions) *exchange {
	selection := opts.filter.Select()
	if len(selection) == 0 {
		opts.dialect = "plain" // no extras at all, and the id stays
	}
	switches := dialect.Switches{Markdown: *opts.markdown, Reasoning: *opts.reasoning}
	d, _ := dialect.Lookup(opts.dialect) // checked where it was read
	x := &exchange{
		server: s, notes: notesOf(c), w: c.Writer, dialect: d.With(switches), selection: selection,
		plain: d.Name == "plain" && switches == (dialect.Switches{}),
		live:  req.stream && (selection.Live() || switches.Reasoning || opts.live != nil && *opts.live),
	}
	keepAlive := s.opts.KeepAlive
	if x.plain {
		keepAlive, x.live = 0, false
	}
	x.out = sse.NewWriter(c.Writer, keepAlive, &s.buffers)
	x.request = dialect.Request{
		ID: "chatcmpl-" + rand.Text(), Model: strings.Clone(req.model), Choices: req.choices, IncludeUsage: req.includeUsage,
		Select: selection, Text: opts.text, Now: time.Now,
	}
	x.encoder = x.dialect.Stream(x.request, x)
	return x
}
