package builtin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Model is the one model this upstream lists, and the model named in every
// reply, whatever model the request asked for.
const Model = "builtin-extractive"

const (
	fingerprint   = "builtin-extractive-not-a-language-model"
	purposeHeader = "X-RAG-Purpose"
	maxBodyBytes  = 64 << 20
	// The models list wants a creation time; a constant keeps it the same in
	// every process.
	modelCreated = 1767225600 // 2026-01-01
)

// Options of [New].
type Options struct {
	// Delay is the pause before each content delta of a stream; 0 is none.
	Delay time.Duration
}

type server struct {
	delay time.Duration
}

// New returns the upstream. It is safe for concurrent use, starts no
// goroutines, and a handler returns when the request's context is done.
//
// Shapes follow https://platform.openai.com/docs/api-reference/chat; of the
// request it reads messages, stream, stream_options, n, max_tokens,
// max_completion_tokens and stop, and ignores the rest.
func New(opts Options) http.Handler {
	s := &server{delay: opts.Delay}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", listModels)
	mux.HandleFunc("GET /v1/models/{id}", getModel)
	mux.HandleFunc("POST /v1/chat/completions", s.chat)
	mux.HandleFunc("/", unknownURL)
	return mux
}

func (s *server) chat(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		writeBodyError(w, err)
		return
	}
	req, apiErr := parseRequest(body)
	if apiErr != nil {
		writeError(w, apiErr)
		return
	}
	text := ""
	if strings.EqualFold(r.Header.Get(purposeHeader), "rewrite") {
		text = rewrite(userTurns(req.messages))
	} else {
		text = reply(req.messages)
	}
	out := newCompletion(req, text)
	if req.stream {
		out.stream(r.Context(), w, s.delay)
		return
	}
	writeJSON(w, http.StatusOK, out.object())
}

type modelInfo struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

type modelList struct {
	Object string      `json:"object"`
	Data   []modelInfo `json:"data"`
}

func theModel() modelInfo {
	return modelInfo{ID: Model, Object: "model", Created: modelCreated, OwnedBy: "ragproxy"}
}

func listModels(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, modelList{Object: "list", Data: []modelInfo{theModel()}})
}

func getModel(w http.ResponseWriter, r *http.Request) {
	if id := r.PathValue("id"); id != Model {
		writeError(w, &apiError{
			status: http.StatusNotFound, Type: "invalid_request_error", Param: ptr("model"), Code: ptr("model_not_found"),
			Message: fmt.Sprintf("The model %q does not exist: the builtin upstream has only %q.", id, Model),
		})
		return
	}
	writeJSON(w, http.StatusOK, theModel())
}

func unknownURL(w http.ResponseWriter, r *http.Request) {
	writeError(w, &apiError{
		status: http.StatusNotFound, Type: "invalid_request_error", Code: ptr("unknown_url"),
		Message: fmt.Sprintf("Unknown request URL: %s %s. The builtin upstream is no language model and knows only "+
			"GET /v1/models, GET /v1/models/{id} and POST /v1/chat/completions.", r.Method, r.URL.Path),
	})
}

// apiError is OpenAI's error object with its HTTP status.
type apiError struct {
	status  int
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

func badRequest(param, code, message string) *apiError {
	e := &apiError{status: http.StatusBadRequest, Type: "invalid_request_error", Message: message, Code: ptr(code)}
	if param != "" {
		e.Param = ptr(param)
	}
	return e
}

func writeBodyError(w http.ResponseWriter, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		writeError(w, &apiError{
			status: http.StatusRequestEntityTooLarge, Type: "invalid_request_error", Code: ptr("request_too_large"),
			Message: fmt.Sprintf("The request body is larger than %d bytes.", tooLarge.Limit),
		})
		return
	}
	writeError(w, badRequest("", "invalid_body", "The request body could not be read: "+err.Error()))
}

func writeError(w http.ResponseWriter, e *apiError) {
	writeJSON(w, e.status, map[string]*apiError{"error": e})
}

// writeJSON drops a write error on purpose: the client is gone, and there is
// nobody left to tell.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // only strings, numbers and structs of them get here
		http.Error(w, "encode reply", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func ptr[T any](v T) *T { return &v }

// validText gives a gjson string as valid UTF-8; gjson does not check that.
func validText(r gjson.Result) string { return strings.ToValidUTF8(r.String(), "\uFFFD") }
