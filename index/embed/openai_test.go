package embed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// request is what a server reads of one call.
type request struct {
	header http.Header
	path   string
	body   map[string]any
	input  []string
}

// server is a fake API that answers with handle's status and body.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []request
}

func newServer(t *testing.T, handle func(r request) (status int, body string)) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := readRequest(t, r)
		s.mu.Lock()
		s.requests = append(s.requests, got)
		s.mu.Unlock()
		status, body := handle(got)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s
}

func readRequest(t *testing.T, r *http.Request) request {
	t.Helper()
	got := request{header: r.Header.Clone(), path: r.URL.Path}
	if err := json.NewDecoder(r.Body).Decode(&got.body); err != nil {
		t.Errorf("read request: %v", err)
	}
	list, _ := got.body["input"].([]any)
	for _, text := range list {
		got.input = append(got.input, fmt.Sprint(text))
	}
	return got
}

// vectorsOf answers each text with [its length, 1], last text first.
func vectorsOf(input []string) string {
	var data []string
	for i, text := range slices.Backward(input) {
		data = append(data, fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":[%d, 1]}`, i, len(text)))
	}
	return `{"object":"list","data":[` + strings.Join(data, ",") + `],"model":"m","usage":{}}`
}

func echo(r request) (int, string) { return http.StatusOK, vectorsOf(r.input) }

func newEmbedder(t *testing.T, opts OpenAIOptions) *OpenAI {
	t.Helper()
	if opts.Model == "" {
		opts.Model = "m"
	}
	o, err := NewOpenAI(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

func TestDocumentsKeepTheirOrderOverBatches(t *testing.T) {
	s := newServer(t, echo)
	o := newEmbedder(t, OpenAIOptions{BaseURL: s.URL + "/v1/", BatchSize: 2})
	got, err := o.EmbedDocuments(t.Context(), []string{"a", "", "ccc", "dddd", "eeeee"})
	if err != nil {
		t.Fatal(err)
	}
	// The empty text is sent as one space.
	want := [][]float32{{1, 1}, {1, 1}, {3, 1}, {4, 1}, {5, 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("got other vectors than want (-want +got):\n%s", diff)
	}
	if len(s.requests) != 3 {
		t.Errorf("got %d requests, want 3", len(s.requests))
	}
	wantBody := map[string]any{"input": []any{"a", " "}, "model": "m", "encoding_format": "float"}
	if diff := cmp.Diff(wantBody, s.requests[0].body); diff != "" {
		t.Errorf("got another body than want (-want +got):\n%s", diff)
	}
	if got := s.requests[0].path; got != "/v1/embeddings" {
		t.Errorf("got path %s, want /v1/embeddings", got)
	}
}

func TestNoTextsNoRequest(t *testing.T) {
	s := newServer(t, echo)
	got, err := newEmbedder(t, OpenAIOptions{BaseURL: s.URL}).EmbedDocuments(t.Context(), nil)
	if err != nil || len(got) != 0 || len(s.requests) != 0 {
		t.Errorf("got %v, %v after %d requests, want nothing", got, err, len(s.requests))
	}
}

func TestDimensionsAreSentWhenConfigured(t *testing.T) {
	s := newServer(t, echo)
	o := newEmbedder(t, OpenAIOptions{BaseURL: s.URL, Dimensions: 2, APIKey: "k"})
	if _, err := o.EmbedQuery(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	if got := s.requests[0].body["dimensions"]; got != 2.0 {
		t.Errorf("got dimensions %v, want 2", got)
	}
	if got := s.requests[0].header.Get("Authorization"); got != "Bearer k" {
		t.Errorf("got Authorization %q, want Bearer k", got)
	}
	if space, err := o.Space(t.Context()); err != nil || space != "m@2" || len(s.requests) != 1 {
		t.Errorf("got %q, %v after %d requests, want m@2 without asking", space, err, len(s.requests))
	}
}

// openai-go takes keys, organization and any header from the environment.
func TestEnvironmentIsNotRead(t *testing.T) {
	s := newServer(t, echo)
	for name, value := range map[string]string{
		"OPENAI_API_KEY": "leaked", "OPENAI_ADMIN_KEY": "leaked", "OPENAI_ORG_ID": "leaked", "OPENAI_PROJECT_ID": "leaked",
		"OPENAI_BASE_URL": "http://127.0.0.1:1/leaked", "OPENAI_CUSTOM_HEADERS": "X-Custom: leaked",
	} {
		t.Setenv(name, value)
	}
	if _, err := newEmbedder(t, OpenAIOptions{BaseURL: s.URL}).EmbedQuery(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	h := s.requests[0].header
	if h.Get("Authorization") != "" || strings.Contains(fmt.Sprint(h), "leaked") {
		t.Errorf("got headers %v, want none from the environment", h)
	}
}

func TestWrongAnswersAreErrorsAndNotRepeated(t *testing.T) {
	for _, tc := range []struct{ name, body, want string }{
		{"no json", `<html>`, "no embeddings JSON"},
		{"empty", ``, "no embeddings JSON"},
		{"NaN", `{"data":[{"index":0,"embedding":[NaN]},{"index":1,"embedding":[1]}]}`, "no embeddings JSON"},
		{"too few", `{"data":[{"index":0,"embedding":[1]}]}`, "1 vectors for 2 texts"},
		{"too many", `{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1]},{"index":2,"embedding":[1]}]}`, "3 vectors for 2 texts"},
		{"twice", `{"data":[{"index":1,"embedding":[1]},{"index":1,"embedding":[1]}]}`, "index 1 twice"},
		{"all zero index", `{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}`, "index 0 twice"},
		{"out of range", `{"data":[{"index":0,"embedding":[1]},{"index":2,"embedding":[1]}]}`, "index 2 for 2 texts"},
		{"negative", `{"data":[{"index":0,"embedding":[1]},{"index":-1,"embedding":[1]}]}`, "index -1 for 2 texts"},
		{"mixed dimensions", `{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1,2]}]}`, "1 and 2 dimensions"},
		{"null among numbers", `{"data":[{"index":0,"embedding":[1,null]},{"index":1,"embedding":[1,2]}]}`, "finite number"},
		{"text among numbers", `{"data":[{"index":0,"embedding":["1",2]},{"index":1,"embedding":[1,2]}]}`, "finite number"},
		{"nested", `{"data":[{"index":0,"embedding":[[1,2]]},{"index":1,"embedding":[[1,2]]}]}`, "finite number"},
		{"beyond float32", `{"data":[{"index":0,"embedding":[1e39]},{"index":1,"embedding":[1]}]}`, "finite number"},
		{"base64 NaN", `{"data":[{"index":0,"embedding":"AADAfw=="},{"index":1,"embedding":"AACAPw=="}]}`, "not finite"},
		{"base64 cut", `{"data":[{"index":0,"embedding":"AACA"},{"index":1,"embedding":"AACAPw=="}]}`, "base64"},
		{"empty vector", `{"data":[{"index":0,"embedding":[]},{"index":1,"embedding":[]}]}`, "empty vector"},
		{"no vector", `{"data":[{"index":0},{"index":1}]}`, "else than a vector"},
		{"error with 200", `{"error":{"message":"no such model, key sk-secret"}}`, "is an error: no such model, key …"},
		{"other than configured", `{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1]}]}`, "1 dimensions where 2 were asked for"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t, func(request) (int, string) { return http.StatusOK, tc.body })
			o := newEmbedder(t, OpenAIOptions{BaseURL: s.URL, Dimensions: 2, APIKey: "sk-secret"})
			got, err := o.EmbedDocuments(t.Context(), []string{"a", "b"})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, %v, want an error with %q", got, err, tc.want)
			}
			if len(s.requests) != 1 {
				t.Errorf("got %d requests, want 1", len(s.requests))
			}
		})
	}
}

func TestRightAnswersInOtherForms(t *testing.T) {
	want := [][]float32{{1, -0.5}, {2, 0}}
	for name, body := range map[string]string{
		"base64":            `{"data":[{"index":0,"embedding":"AACAPwAAAL8="},{"index":1,"embedding":"AAAAQAAAAAA="}]}`,
		"no index":          `{"data":[{"embedding":[1,-0.5]},{"embedding":[2,0]}]}`,
		"zero index absent": `{"data":[{"index":1,"embedding":[2,0]},{"embedding":[1,-0.5]}]}`,
		"white space":       "{\"data\" : [ {\"embedding\" : [ 1.0 ,\n -5e-1 ] , \"index\":0}, {\"index\":1,\"embedding\":[2,0]}]}\n",
		"null error":        `{"error":null,"data":[{"index":0,"embedding":[1,-0.5]},{"index":1,"embedding":[2,0]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(request) (int, string) { return http.StatusOK, body })
			got, err := newEmbedder(t, OpenAIOptions{BaseURL: s.URL}).EmbedDocuments(t.Context(), []string{"a", "b"})
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("got %v, other than want (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestOtherDimensionsThanBefore(t *testing.T) {
	var calls atomic.Int64
	s := newServer(t, func(request) (int, string) {
		if calls.Add(1) == 1 {
			return 200, `{"data":[{"index":0,"embedding":[1,2]}]}`
		}
		return 200, `{"data":[{"index":0,"embedding":[1,2,3]}]}`
	})
	o := newEmbedder(t, OpenAIOptions{BaseURL: s.URL})
	if _, err := o.EmbedDocuments(t.Context(), []string{"a"}); err != nil {
		t.Fatal(err)
	}
	if got, err := o.EmbedQuery(t.Context(), "q"); err == nil || !strings.Contains(err.Error(), "earlier answers had 2") {
		t.Errorf("got %v, %v, want an error about the dimensions", got, err)
	}
}

func TestSpaceAsksOnce(t *testing.T) {
	var calls atomic.Int64
	s := newServer(t, func(r request) (int, string) {
		if calls.Add(1) == 1 {
			return http.StatusUnauthorized, `{"error":{"message":"bad key"}}`
		}
		return echo(r)
	})
	o := newEmbedder(t, OpenAIOptions{BaseURL: s.URL, Model: "org/model"})
	if space, err := o.Space(t.Context()); err == nil {
		t.Fatalf("got %q, want the first failure", space)
	}
	if got := o.KnownSpace(); got != "org/model@?" {
		t.Errorf("got %q, want org/model@? before the first answer", got)
	}
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			if space, err := o.Space(t.Context()); err != nil || space != "org/model@2" {
				t.Errorf("got %q, %v, want org/model@2", space, err)
			}
		})
	}
	group.Wait()
	if got := o.KnownSpace(); got != "org/model@2" {
		t.Errorf("got %q, want org/model@2", got)
	}
	if got := calls.Load(); got != 2 {
		t.Errorf("got %d requests, want 2: a failed one and a good one", got)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := newServer(t, echo)
	o := newEmbedder(t, OpenAIOptions{BaseURL: s.URL, BatchSize: 3})
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			texts := slices.Repeat([]string{strings.Repeat("x", n+1)}, 10)
			got, err := o.EmbedDocuments(t.Context(), texts)
			if err != nil || len(got) != 10 || got[9][0] != float32(n+1) {
				t.Errorf("got %v, %v, want ten vectors with %d", got, err, n+1)
			}
		})
	}
	group.Wait()
}

func TestErrorsNameWhatToCheck(t *testing.T) {
	for _, tc := range []struct {
		status int
		body   string
		want   []string
	}{
		{401, `{"error":{"message":"Incorrect API key provided: sk-secret","code":"invalid_api_key"}}`, []string{"status 401: Incorrect API key provided: …", "check embedding.api_key"}},
		{404, `{"error":{"message":"The model m does not exist"}}`, []string{"does not exist", "embedding.model"}},
		{400, `{"error":"input too long"}`, []string{"status 400: input too long", "too long for the model"}},
		{413, `batch size 64 > maximum allowed batch size 32`, []string{"maximum allowed", "lower embedding.batch_size"}},
		{422, `{"detail":"x"}`, []string{`{"detail":"x"}`, "batch_size"}},
		{429, `{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}`, []string{"no quota left"}},
		{405, "", []string{"status 405; check embedding.base_url"}},
	} {
		t.Run(fmt.Sprint(tc.status), func(t *testing.T) {
			s := newServer(t, func(request) (int, string) { return tc.status, tc.body })
			o := newEmbedder(t, OpenAIOptions{BaseURL: s.URL, Model: "the-model", APIKey: "sk-secret"})
			_, err := o.EmbedDocuments(t.Context(), []string{"a"})
			if err == nil {
				t.Fatal("got no error, want one")
			}
			for _, want := range append(tc.want, "the-model", strings.TrimPrefix(s.URL, "http://")) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), "sk-secret") || len(s.requests) != 1 {
				t.Errorf("got %q after %d requests, want one request and no key", err, len(s.requests))
			}
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	other := newServer(t, echo)
	s := httptest.NewServer(http.RedirectHandler(other.URL+"/v1/embeddings", http.StatusTemporaryRedirect))
	defer s.Close()
	_, err := newEmbedder(t, OpenAIOptions{BaseURL: s.URL, APIKey: "sk-secret"}).EmbedDocuments(t.Context(), []string{"a"})
	if err == nil || !strings.Contains(err.Error(), "not followed") || len(other.requests) != 0 {
		t.Errorf("got %v and %d requests elsewhere, want an error and none", err, len(other.requests))
	}
}

func TestAnswerOfUnboundedLength(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for line := make([]byte, 1<<16); ; {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	_, err := newEmbedder(t, OpenAIOptions{BaseURL: s.URL}).EmbedDocuments(t.Context(), []string{"a"})
	if err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v, want an error about the length", err)
	}
}

func TestCancelledCallerIsRecognised(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newServer(t, func(request) (int, string) { cancel(); return 503, "" })
	_, err := newEmbedder(t, OpenAIOptions{BaseURL: s.URL}).EmbedDocuments(ctx, []string{"a"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestNewOpenAIRefuses(t *testing.T) {
	for name, opts := range map[string]OpenAIOptions{
		"no url":   {Model: "m"},
		"builtin":  {BaseURL: "builtin", Model: "m"},
		"no host":  {BaseURL: "http://", Model: "m"},
		"no model": {BaseURL: "http://h"},
		"negative": {BaseURL: "http://h", Model: "m", BatchSize: -1},
	} {
		if _, err := NewOpenAI(opts); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
}
