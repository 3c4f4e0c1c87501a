package main

import (
	"encoding/json"
	"hash/fnv"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// fakeDims is the dimensions of the fake embedder.
const fakeDims = 8

// embedServe VAR [STATUS] serves /v1/embeddings until the script ends and sets
// VAR to its base URL. Each word of a text counts in one of a few dimensions,
// so equal words make near vectors. With STATUS every answer is that error.
func embedServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: embedserve var [status]")
	}
	status := http.StatusOK
	if len(args) == 2 {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		status = n
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status != http.StatusOK {
			http.Error(w, `{"error":{"message":"no such key"}}`, status)
			return
		}
		embedTexts(w, r)
	}))
	ts.Defer(srv.Close)
	ts.Setenv(args[0], srv.URL+"/v1")
}

func embedTexts(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Input []string `json:"input"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.URL.Path != "/v1/embeddings" {
		http.Error(w, "not an embeddings request", http.StatusBadRequest)
		return
	}
	type embedding struct {
		Object    string    `json:"object"`
		Index     int       `json:"index"`
		Embedding []float64 `json:"embedding"`
	}
	var out struct {
		Object string      `json:"object"`
		Data   []embedding `json:"data"`
	}
	out.Object = "list"
	for i, text := range in.Input {
		out.Data = append(out.Data, embedding{"embedding", i, countWords(text)})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // a client that is gone needs no answer
}

func countWords(text string) []float64 {
	v := make([]float64, fakeDims)
	v[0] = 0.1 // no text is the zero vector
	for word := range strings.FieldsSeq(strings.ToLower(text)) {
		h := fnv.New32a()
		h.Write([]byte(strings.Trim(word, ".,?!#")))
		v[h.Sum32()%fakeDims]++
	}
	return v
}
