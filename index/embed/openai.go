// Package embed turns texts into vectors through any OpenAI-compatible
// /v1/embeddings; the local model is in the folder minilm below it.
//
// Start at [NewOpenAI]; it is an index.Embedder. A call for documents is cut
// into batches, each tried again on 429, 5xx and lost connections until
// MaxElapsed; a query is tried at most twice, because somebody waits for it.
// An answer that is not one finite vector of the known dimensions for each text
// is an error, never a wrong vector.
package embed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"go.opentelemetry.io/otel/propagation"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/internal/breaker"
)

var (
	_ index.Embedder    = (*OpenAI)(nil)
	_ index.SpaceKnower = (*OpenAI)(nil)
)

// OpenAIOptions configure an [OpenAI].
type OpenAIOptions struct {
	// BaseURL is what OpenAI SDKs call the base URL; it mostly ends in /v1.
	// Required.
	BaseURL string
	// APIKey is sent as a bearer token; "" sends none.
	APIKey string
	// Model as the API names it. Required.
	Model string
	// Dimensions is sent as `dimensions` and every answer must have that many;
	// 0 sends nothing and takes what the model gives.
	Dimensions int
	// BatchSize is the most texts in a request, up to 2048 at OpenAI and 32 at a
	// default text-embeddings-inference. Default 64.
	BatchSize int
	// BatchTokens is the most tokens in a request by a cautious estimate; a
	// single longer text still goes out, alone. Default 100,000 (OpenAI takes
	// 300,000).
	BatchTokens int
	// MaxElapsed is how long one batch may take with all its attempts, hence how
	// long a dead server is waited for. Default 60s.
	MaxElapsed time.Duration
	// HTTPClient makes the requests; nil is one of its own, which [OpenAI.Close]
	// closes.
	HTTPClient *http.Client
	// Logger gets a warning for each retry; nil is none.
	Logger *slog.Logger
	// Breaker may keep queries, not documents, from a server that is dead; nil
	// does not.
	Breaker *breaker.Breaker
}

// OpenAI embeds through an OpenAI-compatible API. It is safe for concurrent
// use.
type OpenAI struct {
	opts    OpenAIOptions
	host    string
	service openai.EmbeddingService
	client  *http.Client
	dims    atomic.Int64  // 0 = not known yet
	probe   chan struct{} // holds one token; who has it may ask for the dimensions
}

// NewOpenAI checks the options; it makes no request.
func NewOpenAI(opts OpenAIOptions) (*OpenAI, error) {
	u, err := url.Parse(opts.BaseURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("new openai embedder: the base URL must be an http:// or https:// URL")
	}
	if opts.Model == "" {
		return nil, errors.New("new openai embedder: the model must be set")
	}
	if opts.Dimensions < 0 || opts.BatchSize < 0 || opts.BatchTokens < 0 || opts.MaxElapsed < 0 {
		return nil, errors.New("new openai embedder: dimensions, batch size, batch tokens and max elapsed must not be negative")
	}
	o := &OpenAI{opts: withDefaults(opts), host: u.Host, client: newClient(opts.HTTPClient), probe: make(chan struct{}, 1)}
	o.dims.Store(int64(opts.Dimensions))
	o.probe <- struct{}{}
	// A service of its own and not openai.NewClient, which reads OPENAI_* from
	// the environment: keys, organization, and OPENAI_CUSTOM_HEADERS that no
	// option can take back.
	o.service = openai.NewEmbeddingService(o.requestOptions()...)
	return o, nil
}

func withDefaults(opts OpenAIOptions) OpenAIOptions {
	if opts.BatchSize == 0 {
		opts.BatchSize = 64
	}
	if opts.BatchTokens == 0 {
		opts.BatchTokens = 100_000
	}
	if opts.MaxElapsed == 0 {
		opts.MaxElapsed = time.Minute
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return opts
}

// newClient never follows a redirect: it would carry the texts elsewhere, and a
// POST comes out as a GET of it.
func newClient(given *http.Client) *http.Client {
	client := http.Client{}
	if given != nil {
		client = *given
	} else {
		client.Transport = newTransport()
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

func newTransport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok { // somebody replaced it; theirs will do
		return http.DefaultTransport
	}
	t = t.Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 512, 512 // 100 and 2 by default: parallel queries would dial anew
	return t
}

func (o *OpenAI) requestOptions() []option.RequestOption {
	opts := []option.RequestOption{
		option.WithBaseURL(o.opts.BaseURL),
		option.WithHTTPClient(o.client),
		option.WithMaxRetries(0),
		option.WithMiddleware(propagate, o.checkStatus),
	}
	if o.opts.APIKey != "" {
		opts = append(opts, option.WithAPIKey(o.opts.APIKey))
	}
	return opts
}

// propagate sends the trace on that a search is part of, if it is.
func propagate(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	propagation.TraceContext{}.Inject(req.Context(), propagation.HeaderCarrier(req.Header))
	return next(req)
}

// EmbedDocuments implements index.Embedder. An empty text is sent as a single
// space, because OpenAI and others refuse "". Batches go out one after the
// other; on an error nothing of the call is kept, so a caller with many texts
// does well to call often.
func (o *OpenAI) EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	vectors := make([][]float32, 0, len(texts))
	for _, batch := range batches(texts, o.opts.BatchSize, o.opts.BatchTokens) {
		got, err := o.embed(ctx, batch, patient())
		if err != nil {
			return nil, err
		}
		vectors = append(vectors, got...)
	}
	return vectors, nil
}

// EmbedQuery implements index.Embedder: one attempt, and one more at once if
// the first was refused for the moment. It respects ctx's deadline, and
// MaxElapsed if that comes first. Where the breaker is open it returns
// breaker.ErrOpen at once.
func (o *OpenAI) EmbedQuery(ctx context.Context, text string) (vector []float32, err error) {
	err = o.opts.Breaker.Do(ctx, func() error {
		got, err := o.embed(ctx, []string{text}, hasty())
		if err != nil {
			return aboutTheText(err)
		}
		vector = got[0]
		return nil
	})
	return vector, err
}

// aboutTheText marks the refusals of one text, which is too long or not to the
// model's liking: other texts may do.
func aboutTheText(err error) error {
	var status *statusError
	if !errors.As(err, &status) {
		return err
	}
	switch status.code {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return breaker.Uncounted(err)
	}
	return err
}

// Space implements index.Embedder. If the dimensions are not known yet it
// embeds a short text, once: calls that come meanwhile wait for the answer, a
// failure is not remembered.
func (o *OpenAI) Space(ctx context.Context) (string, error) {
	if o.dims.Load() == 0 {
		if err := o.ask(ctx); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s@%d", o.opts.Model, o.dims.Load()), nil
}

// KnownSpace implements index.SpaceKnower.
func (o *OpenAI) KnownSpace() string {
	if o.dims.Load() == 0 {
		return o.opts.Model + index.UnknownDims
	}
	return fmt.Sprintf("%s@%d", o.opts.Model, o.dims.Load())
}

func (o *OpenAI) ask(ctx context.Context) error {
	select {
	case <-o.probe:
		defer func() { o.probe <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("ask %s for the dimensions of %s: %w", o.host, o.opts.Model, ctx.Err())
	}
	if o.dims.Load() != 0 {
		return nil
	}
	_, err := o.embed(ctx, []string{"dimensions"}, patient())
	return err
}

// Close closes idle connections of a client that [NewOpenAI] made.
func (o *OpenAI) Close() error {
	if o.opts.HTTPClient == nil {
		o.client.CloseIdleConnections()
	}
	return nil
}

// request makes one attempt.
func (o *OpenAI) request(ctx context.Context, texts []string) ([][]float32, error) {
	params := openai.EmbeddingNewParams{
		Model: o.opts.Model,
		Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: notEmpty(texts)},
		// The one format that every compatible server knows.
		EncodingFormat: openai.EmbeddingNewParamsEncodingFormatFloat,
	}
	if o.opts.Dimensions > 0 {
		params.Dimensions = openai.Int(int64(o.opts.Dimensions))
	}
	// The body comes back raw: the SDK's own decoding reads null and text among
	// the numbers as 0, and wants a JSON content type.
	var response *http.Response
	if _, err := o.service.New(ctx, params, option.WithResponseBodyInto(&response)); err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := readAnswer(response.Body, len(texts))
	if err != nil {
		return nil, err
	}
	vectors, err := decodeAnswer(body, len(texts))
	if fault := (*answerFault)(nil); errors.As(err, &fault) {
		fault.text = o.scrub(fault.text)
	}
	if err != nil {
		return nil, err
	}
	return vectors, o.learn(len(vectors[0]))
}

// learn takes the dimensions of a whole answer, or refuses other ones than
// known.
func (o *OpenAI) learn(dims int) error {
	if o.dims.CompareAndSwap(0, int64(dims)) {
		return nil
	}
	known := o.dims.Load()
	if known == int64(dims) {
		return nil
	}
	if o.opts.Dimensions > 0 {
		return answerError("has %d dimensions where %d were asked for: the model may not support embedding.dimensions", dims, known)
	}
	return answerError("has %d dimensions where earlier answers had %d: has the model been exchanged?", dims, known)
}

func notEmpty(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = t
		if t == "" {
			out[i] = " "
		}
	}
	return out
}

// hint says what to check, for the errors that have a usual cause.
func hint(err error) string {
	var status *statusError
	var answer *answerFault
	switch {
	case errors.As(err, &answer):
		return ""
	case !errors.As(err, &status):
		return "check embedding.base_url and that the server runs"
	case status.code == http.StatusUnauthorized || status.code == http.StatusForbidden:
		return "check embedding.api_key"
	case status.code == http.StatusNotFound || status.code == http.StatusMethodNotAllowed:
		return "check embedding.base_url and embedding.model"
	case status.code == http.StatusRequestEntityTooLarge || status.code == http.StatusUnprocessableEntity:
		return "a lower embedding.batch_size or shorter chunks may help"
	case status.code == http.StatusTooManyRequests && status.apiCode == quotaCode:
		return "the account has no quota left"
	case status.code == http.StatusTooManyRequests:
		return "the rate limit is too low for this run; try again later"
	case status.code == http.StatusBadRequest:
		return "check embedding.model and embedding.dimensions; a text may be too long for the model"
	case status.code >= 500:
		return "the server fails; look at its log"
	}
	return "check embedding.base_url"
}

// fail wraps what ended an embed call. ctx errors stay recognisable.
func (o *OpenAI) fail(texts int, err error) error {
	wrapped := fmt.Errorf("embed %d texts with %s at %s: %w", texts, o.opts.Model, o.host, err)
	if errors.Is(err, context.Canceled) {
		return wrapped
	}
	if h := hint(err); h != "" {
		return fmt.Errorf("%w; %s", wrapped, h)
	}
	return wrapped
}

// scrub takes the key out of a text that a server wrote.
func (o *OpenAI) scrub(text string) string {
	if len(o.opts.APIKey) < 4 {
		return text
	}
	return strings.ReplaceAll(text, o.opts.APIKey, "…")
}
