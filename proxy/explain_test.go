package proxy

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/proxy/access"
	"github.com/ragproxy/ragproxy/retrieval"
)

func TestExplainRequest(t *testing.T) {
	s := observed(t, speaks, func(o *Options) { o.MaxContextTokens, o.Tokens = 0, &retrieval.TokenCounter{} })
	w := serve(s, "POST", "/v1/chat/completions", followUp)
	id := w.Header().Get(requestIDHeader)
	w = serve(s, "GET", "/v1/rag/requests/"+id, "")
	if w.Code != http.StatusOK {
		t.Fatalf("got %d %s, want 200", w.Code, w.Body)
	}
	got := w.Body.String()
	for pattern, with := range map[string]string{
		regexp.QuoteMeta(id): "ID", `"time":"[^"]*"`: `"time":"T"`, `"ms":[0-9.]+`: `"ms":0`, `"tokens":[1-9][0-9]*`: `"tokens":1`,
	} {
		got = regexp.MustCompile(pattern).ReplaceAllString(got, with)
	}
	const want = `{"id":"ID","time":"T","collection":"default","original":"what is it?","query":"what is planning","rewrite":"done",` +
		`"stages":[{"name":"rewrite","ms":0},{"name":"vector","ms":0},{"name":"bm25","ms":0},{"name":"budget","ms":0},{"name":"upstream_header","ms":0},{"name":"first_delta","ms":0},{"name":"total","ms":0}],` +
		`"hits":[{"n":1,"id":"agents.html#chunk-3","document_id":"agents.html","title":"LLM \"agents\"","url":"https://example.org/agents","vector":{"rank":1,"score":0.75},"bm25":{"rank":1,"score":7.5},"score":1,"cut":""},` +
		`{"n":2,"id":"notes.md#chunk-0","document_id":"notes.md","title":"Notes","url":"","vector":{"rank":2,"score":0.25},"bm25":null,"score":0,"cut":""}],` +
		`"context":{"passages":2,"tokens":1,"max_tokens":0},"degraded":[],"status":200}` + "\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("explanation (-want +got):\n%s", diff)
	}
}

// TestExplainFailure has a dead upstream and a leg that failed.
func TestExplainFailure(t *testing.T) {
	s := observed(t, speaks, func(o *Options) {
		*o = testOptions(t, "http://127.0.0.1:1/v1", &fakeSearcher{VectorError: "no secret detail"})
		o.Observe.Explain = 1
	})
	w := serve(s, "POST", "/v1/chat/completions", ask)
	w = serve(s, "GET", "/v1/rag/requests/"+w.Header().Get(requestIDHeader), "")
	var got explainedJSON
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("got %s: %v", w.Body, err)
	}
	stages := map[string]string{}
	for _, st := range got.Stages {
		stages[st.Name] = st.Error
	}
	want := map[string]string{"vector": "leg_failed: this part of the search is not available", "bm25": "", "budget": "", "upstream_header": "upstream_unreachable", "total": ""}
	if diff := cmp.Diff(want, stages); diff != "" || got.Status != http.StatusBadGateway || !cmp.Equal(got.Degraded, []string{"vector"}) {
		t.Errorf("got status %d, degraded %v, stages (-want +got):\n%s", got.Status, got.Degraded, diff)
	}
	if strings.Contains(w.Body.String(), "secret detail") {
		t.Errorf("got a cause that is for the log: %s", w.Body)
	}
}

func TestExplainKeepsTheLast(t *testing.T) {
	s := observed(t, speaks, func(o *Options) { o.Observe.Explain = 2 })
	var ids []string
	for range 3 {
		ids = append(ids, serve(s, "POST", "/v1/chat/completions", ask).Header().Get(requestIDHeader))
	}
	for i, want := range []int{http.StatusNotFound, http.StatusOK, http.StatusOK} {
		if w := serve(s, "GET", "/v1/rag/requests/"+ids[i], ""); w.Code != want {
			t.Errorf("got %d for request %d of 3, want %d", w.Code, i+1, want)
		}
	}
	if len(s.explained.byID) != 2 {
		t.Errorf("got %d records, want 2", len(s.explained.byID))
	}
}

func TestExplainIsTheKeysOwn(t *testing.T) {
	keys, secrets := addKeys(t, access.Key{Name: "ann"}, access.Key{Name: "bob"})
	s := observed(t, speaks, func(o *Options) { o.Keys = keys })
	as := func(name string) string { return "Bearer " + secrets[name] }
	id := serve(s, "POST", "/v1/chat/completions", ask, "Authorization", as("ann")).Header().Get(requestIDHeader)
	unknown := serve(s, "GET", "/v1/rag/requests/req-unknown", "", "Authorization", as("bob"))
	bob := serve(s, "GET", "/v1/rag/requests/"+id, "", "Authorization", as("bob"))
	if bob.Code != http.StatusNotFound || bob.Body.String() != unknown.Body.String() {
		t.Errorf("got %d %s for another key's request, want what an unknown one gives: %s", bob.Code, bob.Body, unknown.Body)
	}
	if w := serve(s, "GET", "/v1/rag/requests/"+id, ""); w.Code != http.StatusUnauthorized {
		t.Errorf("got %d without a key, want 401", w.Code)
	}
	if w := serve(s, "GET", "/v1/rag/requests/"+id, "", "Authorization", as("ann")); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"key":"ann"`) {
		t.Errorf("got %d %s for its own request, want 200", w.Code, w.Body)
	}
}

func TestExplainOff(t *testing.T) {
	s := observed(t, speaks, func(o *Options) { o.Observe.Explain = 0 })
	id := serve(s, "POST", "/v1/chat/completions", ask).Header().Get(requestIDHeader)
	w := serve(s, "GET", "/v1/rag/requests/"+id, "")
	if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "unknown_request") || !strings.Contains(w.Body.String(), "observability.explain") {
		t.Errorf("got %d %s, want a 404 that says how to switch it on", w.Code, w.Body)
	}
}

// TestExplainWithoutRetrieval: what was not retrieved for is explained as such.
func TestExplainWithoutRetrieval(t *testing.T) {
	s := observed(t, speaks, nil)
	id := serve(s, "POST", "/v1/chat/completions", `{"model":"m","rag":{"enabled":false},"messages":[{"role":"user","content":"q"}]}`).Header().Get(requestIDHeader)
	w := serve(s, "GET", "/v1/rag/requests/"+id, "")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"rewrite":"none"`) || !strings.Contains(w.Body.String(), `"hits":[]`) {
		t.Errorf("got %d %s, want 200 without hits", w.Code, w.Body)
	}
}
