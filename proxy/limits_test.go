package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragproxy/ragproxy/proxy/access"
)

func TestRatesOfAKey(t *testing.T) {
	store, secrets := addKeys(t, access.Key{Name: "slow", RPM: 2, TPM: 1000}, access.Key{Name: "free"})
	synctest.Test(t, func(t *testing.T) {
		s, _ := guarded(t, func(o *Options) { o.Keys = store })
		ask := func(key string) *httptest.ResponseRecorder {
			return serve(s, "POST", "/v1/chat/completions", chatOnce, "Authorization", "Bearer "+secrets[key])
		}
		// A request's words are charged before, the rest of the answer's 42 tokens afterwards.
		for i, want := range [][]string{{"2", "1", "30s", "1000", "991", "540ms"}, {"2", "0", "1m0s", "1000", "949", "3.06s"}} {
			w := ask("slow")
			var got []string
			for _, what := range []string{"requests", "tokens"} {
				for _, name := range []string{"limit", "remaining", "reset"} {
					got = append(got, w.Header().Get("x-ratelimit-"+name+"-"+what))
				}
			}
			if diff := cmp.Diff(want, got); w.Code != http.StatusOK || diff != "" {
				t.Errorf("request %d: %d %s (-want +got):\n%s", i, w.Code, w.Body, diff)
			}
		}
		w := ask("slow")
		if got, want := errorCode(t, w)+" after "+w.Header().Get("Retry-After"), "429 rate_limit_error rate_limit_exceeded after 30"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		for range 5 {
			if w := ask("free"); w.Code != http.StatusOK || w.Header().Get("X-RateLimit-Remaining-Requests") != "9999" {
				t.Errorf("got %d %v, want 200 and upstream's own headers for a key without rates", w.Code, w.Header())
			}
		}
		time.Sleep(30 * time.Second)
		if w := ask("slow"); w.Code != http.StatusOK {
			t.Errorf("got %d after Retry-After, want 200", w.Code)
		}
	})
}

func TestTokensOfAllKindsOfAnswers(t *testing.T) {
	const event = `data: {"id":"a","choices":[{"index":0,"delta":{"content":"x"}}],"usage":null}` + "\n\n"
	streamed := strings.Replace(chatOnce, `"model"`, `"stream":true,"model"`, 1)
	for _, tt := range []struct {
		name, path, body, kind, answer string
		want                           int // a chat's own words are 9
	}{
		{"whole", "/v1/chat/completions", chatOnce, "application/json", answer, 42},
		{"whole, untouched", "/v1/chat/completions", strings.Replace(chatOnce, `"model"`, `"rag":{"enabled":false},"model"`, 1), "application/json", answer, 42},
		{"stream with usage", "/v1/chat/completions", streamed, "text/event-stream",
			event + `data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":99}}` + "\n\ndata: [DONE]\n\n", 100},
		{"stream without", "/v1/chat/completions", streamed, "text/event-stream", strings.Repeat(event, 20) + "data: [DONE]\n\n", 9 + 21},
		{"long stream with usage", "/v1/chat/completions", streamed, "text/event-stream",
			strings.Repeat(event, 2000) + `data: {"choices":[],"usage" : {"total_tokens":77}}` + "\n\ndata: [DONE]\n\n", 77},
		{"embeddings", "/v1/embeddings", `{"input":"x"}`, "application/json", `{"data":[],"usage":{"prompt_tokens":50,"total_tokens":50}}`, 50},
		{"responses", "/v1/responses", `{"input":"x"}`, "application/json", `{"usage":{"input_tokens":5,"output_tokens":6,"x":{}}}`, 11},
		{"quoted usage", "/v1/embeddings", `{"input":"x"}`, "application/json", `{"text":"\"usage\":{\"total_tokens\":900}"}`, 3 + 10},
		{"no tokens", "/v1/files", "", "application/json", ``, 0},
	} {
		store, secrets := addKeys(t, access.Key{Name: "k", TPM: 1000})
		synctest.Test(t, func(t *testing.T) {
			s, _ := guarded(t, func(o *Options) {
				o.Keys = store
				o.HTTPClient = &http.Client{Transport: transport{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", tt.kind)
					io.WriteString(w, tt.answer)
				})}}
			})
			if w := serve(s, "POST", tt.path, tt.body, "Authorization", "Bearer "+secrets["k"]); w.Code != http.StatusOK {
				t.Fatalf("%s: got %d %s, want 200", tt.name, w.Code, w.Body)
			}
			client, err := store.Check(secrets["k"])
			if err != nil {
				t.Fatal(err)
			}
			if got := 1000 - client.Meter().Standings()[0].Remaining; got != tt.want {
				t.Errorf("%s: got %d tokens taken, want %d", tt.name, got, tt.want)
			}
		})
	}
}

func TestTokensUsedUp(t *testing.T) {
	store, secrets := addKeys(t, access.Key{Name: "k", TPM: 45})
	synctest.Test(t, func(t *testing.T) {
		s, up := guarded(t, func(o *Options) { o.Keys = store })
		ask := func(body string) *httptest.ResponseRecorder {
			return serve(s, "POST", "/v1/chat/completions", body, "Authorization", "Bearer "+secrets["k"])
		}
		if w := ask(chatOnce); w.Code != http.StatusOK {
			t.Fatalf("got %d %s, want 200", w.Code, w.Body)
		}
		w := ask(chatOnce) // 3 are left of 45, 9 are needed
		if got, want := errorCode(t, w)+" after "+w.Header().Get("Retry-After"), "429 rate_limit_error rate_limit_exceeded after 8"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		w = ask(strings.Replace(chatOnce, `"q"`, `"`+strings.Repeat("q ", 100)+`"`, 1))
		if got, want := errorCode(t, w)+w.Header().Get("Retry-After")+w.Header().Get("X-Should-Retry"), "429 rate_limit_error rate_limit_exceededfalse"; got != want {
			t.Errorf("got %s, want %s for a request that never fits", got, want)
		}
		if len(up.headers) != 1 {
			t.Errorf("the upstream was asked %d times, want once", len(up.headers))
		}
	})
}

func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, secrets := addKeys(t, access.Key{Name: "one", Concurrency: 1}, access.Key{Name: "other"})
		release := make(chan struct{})
		s, _ := guarded(t, func(o *Options) {
			o.Keys, o.Limits = store, Limits{Concurrency: 2, QueueTimeout: 5 * time.Second}
			o.HTTPClient = &http.Client{Transport: transport{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-release })}}
		})
		ask := func(key string) *httptest.ResponseRecorder {
			return serve(s, "POST", "/v1/chat/completions", chatOnce, "Authorization", "Bearer "+secrets[key])
		}
		var running sync.WaitGroup
		running.Go(func() { ask("one") })
		synctest.Wait()
		begin := time.Now()
		w := ask("one")
		if got, want := fmt.Sprint(errorCode(t, w), w.Header().Get("Retry-After"), time.Since(begin)), "429 rate_limit_error rate_limit_exceeded15s"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		running.Go(func() { ask("other") })
		synctest.Wait()
		w = ask("other")
		if got, want := errorCode(t, w)+w.Header().Get("Retry-After"), "503 service_unavailable overloaded1"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		time.AfterFunc(time.Second, func() { close(release) })
		if w := ask("other"); w.Code != http.StatusOK {
			t.Errorf("got %d, want 200 for one that waited its turn", w.Code)
		}
		running.Wait()
	})
}

func TestLimitsWithoutKeysAndReload(t *testing.T) {
	s, _ := guarded(t, func(o *Options) { o.Limits = Limits{Client: access.Rates{RPM: 1}, MaxTopK: 5} })
	ask := func(rag string) int {
		return serve(s, "POST", "/v1/chat/completions", strings.Replace(chatOnce, `"model"`, `"rag":{`+rag+`},"model"`, 1)).Code
	}
	got := []int{ask(""), ask("")}
	s.Reload(s.settings.Load().retriever, 1<<20, Limits{Client: access.Rates{RPM: 1}, MaxTopK: 6})
	got = append(got, ask("")) // the same rate goes on counting
	s.Reload(s.settings.Load().retriever, 1<<20, Limits{MaxTopK: 6})
	got = append(got, ask(""), ask(`"top_k":6`), ask(`"top_k":7`))
	s.Reload(s.settings.Load().retriever, 10, Limits{})
	got = append(got, ask(""))
	if diff := cmp.Diff([]int{200, 429, 429, 200, 200, 400, 413}, got); diff != "" {
		t.Errorf("got other statuses than want (-want +got):\n%s", diff)
	}
}

func TestBoundsOfARequest(t *testing.T) {
	b := bounds{depth: 6, messages: 3, parts: 4}
	message := `{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`
	for _, tt := range []struct {
		messages []string
		extra    string
		want     string
	}{
		{[]string{message, message}, "", ""},
		{[]string{message, message, message}, "", "more than the 4 parts"},
		{[]string{`{}`, `{}`, `{}`}, "", ""},
		{[]string{`{}`, `{}`, `{}`, `{}`}, "", "more than the 3 that"},
		{[]string{`{}`}, `,"x":[[[[[1]]]]]`, ""},
		{[]string{`{}`}, `,"x":[[[[[[1]]]]]]`, "deeper than 6"},
	} {
		_, err := parseRequest([]byte(`{"messages":[`+strings.Join(tt.messages, ",")+`]`+tt.extra+`}`), b)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%d messages%s: got %v, want %q", len(tt.messages), tt.extra, err, tt.want)
		}
	}
}
