package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/internal/breaker"
	"github.com/ragproxy/ragproxy/proxy/sse"
	"github.com/ragproxy/ragproxy/retrieval"
)

// Upstream is an OpenAI-compatible API.
type Upstream struct {
	BaseURL string // with the version, "https://api.openai.com/v1"
	// APIKey replaces the client's Authorization; "" lets the client's pass.
	APIKey string
}

// upstream posts raw bodies through openai-go, which is used as a plain
// client: its typed responses would lose bytes and cost ten times the CPU.
type upstream struct {
	client openai.Client
	key    string
}

func newUpstream(u Upstream, client *http.Client) *upstream {
	return &upstream{
		// Not NewClient: that one reads OPENAI_* from the environment.
		client: openai.Client{Options: []option.RequestOption{
			option.WithBaseURL(strings.TrimRight(u.BaseURL, "/") + "/"),
			option.WithHTTPClient(client),
			option.WithMaxRetries(0),
		}},
		key: u.APIKey,
	}
}

// chat posts a chat completion with the client's headers. An answer of any
// status is an answer; the error is for an upstream that gave none.
func (u *upstream) chat(ctx context.Context, client http.Header, body []byte) (*http.Response, error) {
	return u.post(ctx, u.forward(client), body)
}

// post sends exactly these headers.
func (u *upstream) post(ctx context.Context, header http.Header, body []byte) (*http.Response, error) {
	header.Set("Content-Type", "application/json")
	return u.do(ctx, http.MethodPost, "chat/completions", header, option.WithRequestBody("application/json", body))
}

func (u *upstream) get(ctx context.Context, client http.Header, path string) (*http.Response, error) {
	return u.do(ctx, http.MethodGet, path, u.forward(client))
}

func (u *upstream) do(ctx context.Context, method, path string, header http.Header, opts ...option.RequestOption) (*http.Response, error) {
	propagate(ctx, header)
	var resp *http.Response
	err := u.client.Execute(ctx, method, path, nil, &resp, append(opts,
		option.WithMiddleware(func(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
			req.Header = header // the client's own, not openai-go's
			return next(req)
		}))...)
	// openai-go makes an error of a status from 400 on, with the body kept.
	if resp != nil && (err == nil || resp.StatusCode >= http.StatusBadRequest) {
		return resp, u.scrub(resp)
	}
	if err == nil {
		err = errors.New("no response")
	}
	return nil, err
}

// forward is what of the client's headers goes upstream.
func (u *upstream) forward(client http.Header) http.Header {
	h := client.Clone()
	dropHopByHop(h)
	for name := range h {
		if strings.HasPrefix(name, "X-Rag-") {
			delete(h, name)
		}
	}
	for _, name := range []string{"Host", "Cookie", "Accept-Encoding", "Content-Length"} {
		h.Del(name)
	}
	if u.key != "" {
		h.Set("Authorization", "Bearer "+u.key)
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = nil // else net/http adds its own
	}
	return h
}

// hopByHop are the headers of RFC 9110, section 7.6.1, and their like.
var hopByHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

func dropHopByHop(h http.Header) {
	for _, list := range h["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			h.Del(textproto.TrimString(name))
		}
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}

// PurposeHeader tells the upstream what a call of ragproxy's own is for, so
// that a gateway can route or count it. Its only value is "rewrite".
const PurposeHeader = "X-RAG-Purpose"

// rewriter makes the rewrite with one client's credentials; it implements
// retrieval.Completer.
type rewriter struct {
	up           *upstream
	header       http.Header // as forward gives it
	model        string
	includeUsage bool // the client asks for usage, so the upstream can tell it
	breaker      *breaker.Breaker
}

// maxRewrite bounds what is read of a rewrite: a query, not an essay.
const maxRewrite = 1 << 20

// Complete implements retrieval.Completer. Where the breaker is open it returns
// breaker.ErrOpen at once.
func (r rewriter) Complete(ctx context.Context, req retrieval.CompletionRequest) (done retrieval.Completion, err error) {
	err = r.breaker.Do(ctx, func() error {
		done, err = r.complete(ctx, req)
		return err
	})
	return done, err
}

func (r rewriter) complete(ctx context.Context, req retrieval.CompletionRequest) (retrieval.Completion, error) {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	type options struct {
		IncludeUsage bool `json:"include_usage"`
	}
	call := struct {
		Model    string    `json:"model,omitempty"`
		Messages []message `json:"messages"`
		Stream   bool      `json:"stream"`
		Options  *options  `json:"stream_options,omitempty"`
	}{Model: r.model, Messages: []message{{"system", req.System}}, Stream: req.OnDelta != nil}
	for _, m := range req.Messages {
		call.Messages = append(call.Messages, message{m.Role, m.Text})
	}
	if call.Stream && r.includeUsage {
		call.Options = &options{true}
	}
	body, err := json.Marshal(call)
	if err != nil {
		return retrieval.Completion{}, fmt.Errorf("write rewrite: %w", err)
	}
	header := r.header.Clone()
	header.Set(PurposeHeader, "rewrite")
	header.Del("Idempotency-Key") // the client's means its own request
	resp, err := r.up.post(ctx, header, body)
	if err != nil {
		return retrieval.Completion{}, fmt.Errorf("ask for rewrite: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		err := fmt.Errorf("ask for rewrite: upstream answered %s", resp.Status)
		if resp.StatusCode >= 400 && resp.StatusCode < 500 { // this client's key, model or rate, or this request
			err = breaker.Uncounted(err)
		}
		return retrieval.Completion{}, err
	}
	limited := io.LimitReader(resp.Body, maxRewrite)
	if isEventStream(resp.Header) {
		return readStream(limited, r.model, req.OnDelta)
	}
	return readWhole(limited, r.model, req.OnDelta)
}

func readWhole(body io.Reader, model string, onDelta func(string)) (retrieval.Completion, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return retrieval.Completion{}, fmt.Errorf("read rewrite: %w", err)
	}
	if !gjson.ValidBytes(b) {
		return retrieval.Completion{}, errors.New("read rewrite: the answer is not JSON")
	}
	done := retrieval.Completion{Model: model}
	take(&done, gjson.ParseBytes(b))
	done.Text = gjson.GetBytes(b, "choices.0.message.content").String()
	if onDelta != nil && done.Text != "" {
		onDelta(done.Text)
	}
	return done, nil
}

func readStream(body io.Reader, model string, onDelta func(string)) (retrieval.Completion, error) {
	done := retrieval.Completion{Model: model}
	var text strings.Builder
	lines := sse.NewReader(body, nil)
	defer lines.Close()
	for {
		line, err := lines.Next()
		if err != nil {
			return done, fmt.Errorf("read rewrite: %w", noEOF(err))
		}
		from, to, ok := sse.Data(line)
		if !ok {
			continue
		}
		if sse.IsDone(line[from:to]) {
			done.Text = text.String()
			return done, nil
		}
		chunk := gjson.ParseBytes(bytes.Clone(line[from:to]))
		if e := chunk.Get("error"); e.Exists() && e.Type != gjson.Null {
			return done, errors.New("read rewrite: the upstream sent an error")
		}
		take(&done, chunk)
		if delta := chunk.Get("choices.0.delta.content").String(); delta != "" {
			text.WriteString(delta)
			if onDelta != nil {
				onDelta(delta)
			}
		}
	}
}

// noEOF makes an early end an error that says so.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// take reads model and usage, which any chunk may carry.
func take(done *retrieval.Completion, v gjson.Result) {
	if m := v.Get("model").String(); m != "" {
		done.Model = m
	}
	if u := v.Get("usage"); u.IsObject() {
		done.Usage = &retrieval.Usage{PromptTokens: u.Get("prompt_tokens").Int(), CompletionTokens: u.Get("completion_tokens").Int()}
	}
}

func isEventStream(h http.Header) bool {
	return strings.HasPrefix(strings.ToLower(h.Get("Content-Type")), "text/event-stream")
}
