package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ragproxy/ragproxy/config"
)

// TestProbe holds the doctor to telling apart what upstreams answer.
func TestProbe(t *testing.T) {
	const listed = `{"object":"list","data":[{"id":"big"},{"id":"small"}]}`
	for _, tc := range []struct {
		name                 string
		model                string
		models, chat         int
		modelsBody, chatBody string
		status, text, hint   string
		questions            int
	}{
		{name: "listed", model: "small", models: 200, modelsBody: listed, status: statusOK, text: "has the model small"},
		{name: "not listed, answers", model: "alias", models: 200, modelsBody: listed, chat: 200, chatBody: `{}`, status: statusOK, text: "answered with alias", questions: 1},
		{name: "no list", model: "m", models: 404, modelsBody: "nothing", chat: 200, chatBody: `{}`, status: statusOK, questions: 1},
		{name: "no such model", model: "tiny", models: 200, modelsBody: listed, chat: 404, chatBody: `{"error":{"message":"unknown model"}}`,
			status: statusFail, text: "404 for the model tiny: unknown model", hint: "upstream.model to one that it has: big, small", questions: 1},
		{name: "no such model, OpenAI's gateway", model: "tiny", models: 404, chat: 400, chatBody: `{"error":{"message":"no","code":"model_not_found"}}`,
			status: statusFail, text: "400 for the model tiny: no", hint: "correct upstream.base_url", questions: 1},
		{name: "refused", model: "m", models: 401, modelsBody: `{"error":{"message":"who?"}}`, status: statusFail, text: "refuses the key, 401: who?", hint: "upstream.api_key"},
		{name: "refused at the question", model: "m", models: 404, chat: 403, chatBody: `{}`, status: statusFail, text: "refuses the key, 403", questions: 1},
		{name: "no quota", model: "m", models: 404, chat: 429, chatBody: `{"error":{"message":"slowly"}}`, status: statusWarn, text: "429: slowly", questions: 1},
		{name: "broken", model: "m", models: 500, chat: 500, chatBody: "oops", status: statusFail, text: "500: oops", hint: "its log", questions: 1},
		{name: "picky", model: "m", models: 404, chat: 400, chatBody: `{"error":{"message":"max_tokens?"}}`, status: statusWarn, text: "refused the trial question with 400", questions: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			questions := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Authorization"); got != "Bearer the-key" {
					t.Errorf("got the Authorization %q, want the key", got)
				}
				status, body := tc.models, tc.modelsBody
				if r.URL.Path == "/v1/chat/completions" {
					questions++
					status, body = tc.chat, tc.chatBody
				}
				w.WriteHeader(status)
				io.WriteString(w, body)
			}))
			defer srv.Close()
			cfg := testConfig(t, map[string]string{"upstream.base_url": srv.URL + "/v1", "upstream.api_key": "the-key", "upstream.model": tc.model})
			got := checkUpstream(t.Context(), cfg)
			if got.Status != tc.status || !strings.Contains(got.Text, tc.text) || !strings.Contains(got.Hint, tc.hint) {
				t.Errorf("got %+v, want %s, %q and the hint %q", got, tc.status, tc.text, tc.hint)
			}
			if questions != tc.questions {
				t.Errorf("got %d questions to the model, want %d", questions, tc.questions)
			}
		})
	}
}

// TestBoundedLeavesAHangBehind: a check that does not heed its context.
func TestBoundedLeavesAHangBehind(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	c := check{"disk", func(context.Context, *config.Config) []finding { <-hang; return nil }}
	got := bounded(t.Context(), c, nil, 1)
	if len(got) != 1 || got[0].Status != statusFail || got[0].Check != "disk" {
		t.Errorf("got %+v, want one failure of disk", got)
	}
}
