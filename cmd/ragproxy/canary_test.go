package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCanary puts a secret of its own into every place that can hold one, asks
// in many forms, most of which fail, of upstreams that repeat what they were
// sent, and looks for the secrets in all that comes out: logs, traces, metrics,
// answers to clients, explanations, the output of commands.
func TestCanary(t *testing.T) {
	c := &canaries{secrets: map[string]string{}}
	hostile := httptest.NewServer(http.HandlerFunc(echo))
	defer hostile.Close()
	for name, tell := range map[string]func(*testing.T, *canaries, string){
		"own keys":          scanOwnKeys,
		"keys of clients":   scanClientsKeys,
		"dead upstreams":    scanDeadUpstreams,
		"secrets in URLs":   scanURLs,
		"pages with login":  scanLoad,
		"malformed headers": scanMalformed,
	} {
		t.Run(name, func(t *testing.T) { tell(t, c, hostile.URL) })
	}
	bytes, hits := 0, 0
	for _, s := range c.seen {
		bytes += len(s.text)
		for name, secret := range c.secrets {
			if strings.Contains(strings.ToLower(s.text), strings.ToLower(secret)) && !slices.Contains(s.own, name) {
				hits++
				t.Errorf("%s: got the %s in:\n%s", s.where, name, s.text)
			}
		}
	}
	if len(c.seen) < 80 || len(c.secrets) < 14 {
		t.Errorf("got %d outputs and %d secrets, want the scan to have looked at more", len(c.seen), len(c.secrets))
	}
	t.Logf("%d hits of %d secrets in %d outputs, %d bytes", hits, len(c.secrets), len(c.seen), bytes)
}

// canaries are the secrets by what they are, and all that came out.
type canaries struct {
	secrets map[string]string
	seen    []output
}

type output struct {
	where, text string
	own         []string // secrets that may be there: the reader sent them himself
}

// secret makes one. What is looked for is its middle: a part is a leak, too.
func (c *canaries) secret(name string) string {
	core := strings.ToLower(rand.Text())[:20]
	c.secrets[name] = core
	return "sk-" + core + "wxyz"
}

func (c *canaries) saw(where, text string, own ...string) {
	c.seen = append(c.seen, output{where, text, own})
}

// echo is a hostile upstream of every kind: it answers as the text in the body
// says, and repeats the headers and the address wherever it can.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // what was sent is enough
	sent := fmt.Sprintf("%s Authorization %s %s x-api-key %s Proxy %s", r.URL, r.Header.Get("Authorization"), r.Header.Get("X-Login"), r.Header.Get("X-Api-Key"), r.Header.Get("Proxy-Authorization"))
	quoted, _ := json.Marshal("bad key: " + sent) // a string can always be written
	text := string(body)
	switch {
	case strings.Contains(r.URL.Path, "/traces"), strings.Contains(text, "do-401"), strings.Contains(r.URL.Path, "/page"):
		w.Header().Set("X-Sent", sent)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error":{"message":%s,"code":"invalid_api_key","type":"x"}}`, quoted)
	case strings.Contains(text, "do-500"):
		http.Error(w, sent, http.StatusInternalServerError)
	case strings.HasSuffix(r.URL.Path, "/embeddings") && !strings.Contains(text, "embed-bad"):
		io.WriteString(w, `{"data":[{"index":0,"embedding":[1,0]}]}`)
	case strings.HasSuffix(r.URL.Path, "/embeddings"):
		fmt.Fprintf(w, `{"data":[],"error":%s}`, quoted)
	case strings.HasSuffix(r.URL.Path, "/rerank"):
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, `{"message":%s}`, quoted)
	case strings.Contains(text, "do-event"):
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"error\":{\"message\":%s}}\n\n", quoted)
	case strings.Contains(text, "do-cut"):
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n")
	case strings.Contains(text, "do-hang-up"):
		panic(http.ErrAbortHandler)
	case strings.Contains(text, `"stream":true`):
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n")
	default:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"choices":[{"index":0,"message":{"role":"assistant","content":"apples"}}]}`)
	}
}

// forms are bodies of chat completions; what the upstream does is in the text.
func forms() []string {
	var out []string
	for _, does := range []string{"answer", "do-401", "do-500", "do-event", "do-cut", "do-hang-up", "embed-bad"} {
		for _, shape := range []string{
			`{"model":"m","messages":[{"role":"user","content":"apples %s"}]}`,
			`{"model":"m","stream":true,"messages":[{"role":"user","content":"apples"},{"role":"assistant","content":"fruit"},{"role":"user","content":"more %s"}]}`,
			`{"model":"m","stream":true,"rag":{"live":true,"events":"all"},"messages":[{"role":"user","content":"apples %s"}]}`,
			`{"model":"m","stream":true,"rag":{"enabled":false},"messages":[{"role":"user","content":"apples %s"}]}`,
		} {
			out = append(out, fmt.Sprintf(shape, does))
		}
	}
	return append(out, `{"model":"m"}`, `{`, `{"model":"m","rag":{"collection":"none"},"messages":[{"role":"user","content":"q"}]}`)
}

// askAll sends everything; own are the secrets that these headers hold.
func (c *canaries) askAll(t *testing.T, p *process, own []string, headers ...string) {
	for _, body := range forms() {
		_, all := p.ask(t, "POST", "/v1/chat/completions", body, headers...)
		c.saw("answer to "+body, all, own...)
		if _, id, ok := strings.Cut(all, "X-Rag-Request-Id: "); ok {
			id, _, _ = strings.Cut(id, "\r")
			_, told := p.ask(t, "GET", "/v1/rag/requests/"+id, "", headers...)
			c.saw("explanation of "+body, told, own...)
		}
	}
	for _, r := range [][3]string{
		{"POST", "/v1/embeddings", `{"input":"do-401"}`}, {"GET", "/v1/models", ""}, {"GET", "/v1/files?page=1", ""}, {"POST", "/v1/rag/search", `{"query":"embed-bad apples"}`},
		{"GET", "/v1/rag/collections", ""}, {"GET", "/nothing", ""}, {"GET", "/", ""},
	} {
		_, all := p.ask(t, r[0], r[1], r[2], headers...)
		c.saw(r[1], all, own...)
	}
}

// end stops a server and takes what it logged; the metrics come first.
func (c *canaries) end(t *testing.T, p *process, metricsKey string) {
	status, metrics := p.ask(t, "GET", "/metrics", "", "Authorization", "Bearer "+metricsKey)
	if status != http.StatusOK {
		t.Errorf("got %d from /metrics: %s", status, metrics)
	}
	c.saw("metrics", metrics)
	p.stop(t)
	c.saw("log", p.said.String())
}

func (c *canaries) sawTraces(t *testing.T, r *receiver) {
	if len(r.spans()) == 0 {
		t.Error("got no spans, want the scan to see some")
	}
	c.saw("traces", fmt.Sprint(r.requests))
}

// newHome is a folder with an index and two keys of clients.
func newHome(t *testing.T, c *canaries, name string) (dir, key string) {
	dir = t.TempDir()
	indexApples(t, dir)
	more := `{"_id": "b", "text": "More apples."}` + "\n" + `{"_id": "c", "text": "Apples and pears."}` + "\n" // for the re-ranker
	if err := os.WriteFile(filepath.Join(dir, "more.jsonl"), []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	c.saw("index", runIn(t, dir, nil, "index", "more.jsonl"))
	words := strings.Fields(runIn(t, dir, nil, "keys", "add", "ann"))
	key = words[len(words)-1]
	c.secrets[name] = strings.ToLower(key[8:28])
	c.saw("keys list", runIn(t, dir, nil, "keys", "list")+runIn(t, dir, nil, "keys", "list", "--json"))
	return dir, key
}

// scanOwnKeys: ragproxy holds all keys. The embedder is another one than the
// index was made with, so that leg fails, too.
func scanOwnKeys(t *testing.T, c *canaries, hostile string) {
	dir, key := newHome(t, c, "client's key")
	otlp := newReceiver(t)
	basic := base64.StdEncoding.EncodeToString([]byte("pk:" + c.secret("password of OTEL headers")))
	c.secrets["OTEL headers"] = basic[4:30]
	metricsKey := c.secret("metrics key")
	env := []string{
		"RAGPROXY_UPSTREAM_BASE_URL=" + hostile + "/v1", "RAGPROXY_UPSTREAM_API_KEY=" + c.secret("upstream key"),
		"RAGPROXY_REWRITE_BASE_URL=" + strings.Replace(hostile, "127.0.0.1", "localhost", 1) + "/v1", "RAGPROXY_REWRITE_API_KEY=" + c.secret("rewrite key"),
		"RAGPROXY_EMBEDDING_PROVIDER=openai", "RAGPROXY_EMBEDDING_MODEL=e", "RAGPROXY_EMBEDDING_BASE_URL=" + hostile + "/e/v1", "RAGPROXY_EMBEDDING_API_KEY=" + c.secret("embedding key"),
		"RAGPROXY_RERANK_KIND=cohere", "RAGPROXY_RERANK_BASE_URL=" + hostile + "/r/v1", "RAGPROXY_RERANK_API_KEY=" + c.secret("rerank key"),
		"RAGPROXY_OBSERVABILITY_METRICS_KEY=" + metricsKey, "RAGPROXY_OBSERVABILITY_EXPLAIN=100", "RAGPROXY_LOG_LEVEL=debug",
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + otlp.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Basic%20" + basic,
		"LANGSMITH_TRACING=true", "LANGSMITH_API_KEY=" + c.secret("LangSmith key"), "LANGSMITH_ENDPOINT=" + hostile,
	}
	c.saw("config", runIn(t, dir, env, "config"))
	p := startServe(t, dir, env...)
	for _, content := range []string{key, "rag-wrong", ""} {
		c.askAll(t, p, nil, "Authorization", "Bearer "+content)
	}
	_, refused := p.ask(t, "GET", "/metrics", "", "Authorization", "Bearer "+key)
	c.saw("metrics with another key", refused)
	c.end(t, p, metricsKey)
	c.sawTraces(t, otlp)
	for _, stage := range []string{"rewrite", "vector", "rerank"} { // each was asked with its key, and failed
		if !strings.Contains(p.said.String(), stage) {
			t.Errorf("got no failure of %s in the log", stage)
		}
	}
}

// scanClientsKeys: the upstream's key is the client's, beside one of ours.
func scanClientsKeys(t *testing.T, c *canaries, hostile string) {
	dir, key := newHome(t, c, "client's key beside the upstream's")
	otlp := newReceiver(t)
	p := startServe(t, dir, "RAGPROXY_UPSTREAM_BASE_URL="+hostile+"/v1", "RAGPROXY_OBSERVABILITY_EXPLAIN=100", "RAGPROXY_OBSERVABILITY_METRICS_KEY=m", "RAGPROXY_LOG_LEVEL=debug",
		"OTEL_EXPORTER_OTLP_ENDPOINT="+otlp.URL, "RAGPROXY_OBSERVABILITY_TRACE_CONTENT=true")
	theirs := c.secret("X-Upstream-Authorization")
	// What the upstream says to its own client of that client's key is theirs.
	c.askAll(t, p, []string{"X-Upstream-Authorization"}, "Authorization", "Bearer "+key, "X-Upstream-Authorization", "Bearer "+theirs)
	c.end(t, p, "m")
	c.sawTraces(t, otlp)
}

// scanDeadUpstreams: errors of the network hold addresses.
func scanDeadUpstreams(t *testing.T, c *canaries, hostile string) {
	dir := t.TempDir()
	indexApples(t, dir)
	for name, env := range map[string][]string{
		"closed": {"RAGPROXY_UPSTREAM_BASE_URL=http://127.0.0.1:1/v1", "RAGPROXY_EMBEDDING_PROVIDER=openai", "RAGPROXY_EMBEDDING_BASE_URL=http://127.0.0.1:1/v1",
			"RAGPROXY_RERANK_KIND=tei", "RAGPROXY_RERANK_BASE_URL=http://127.0.0.1:1"},
		"by proxy": {"RAGPROXY_UPSTREAM_BASE_URL=http://192.0.2.1/v1", "RAGPROXY_UPSTREAM_PROXY_URL=http://user:" + c.secret("proxy's password") + "@" + strings.TrimPrefix(hostile, "http://")},
		"by dead proxy": {"RAGPROXY_UPSTREAM_BASE_URL=https://192.0.2.1/v1",
			"RAGPROXY_UPSTREAM_PROXY_URL=http://user:" + c.secret("dead proxy's password") + "@127.0.0.1:1"},
	} {
		env = append(env, "RAGPROXY_UPSTREAM_API_KEY="+c.secret("key of "+name), "RAGPROXY_LOG_LEVEL=debug", "RAGPROXY_OBSERVABILITY_EXPLAIN=50")
		c.saw("config", runIn(t, dir, env, "config"))
		p := startServe(t, dir, env...)
		c.askAll(t, p, nil)
		c.end(t, p, "")
	}
}

// scanURLs: what must not stand in an address is refused without repeating it.
func scanURLs(t *testing.T, c *canaries, hostile string) {
	dir := t.TempDir()
	for _, key := range []string{"UPSTREAM_BASE_URL", "REWRITE_BASE_URL", "EMBEDDING_BASE_URL", "RERANK_BASE_URL"} {
		for _, form := range []string{"http://user:%s@127.0.0.1:1/v1", "http://127.0.0.1:1/v1?key=%s", "%s", "http://127.0.0.1:%s/v1", "http://127.0.0.1:1/v1#%s"} {
			env := []string{"RAGPROXY_" + key + "=" + fmt.Sprintf(form, c.secret("secret in "+key+" as "+form)), "RAGPROXY_EMBEDDING_PROVIDER=openai", "RAGPROXY_RERANK_KIND=tei"}
			c.saw("config with "+key, runIn(t, dir, env, "config"))
		}
	}
	for _, form := range []string{"ftp://user:%s@h", "http://user:%s@127.0.0.1:1x", "%s"} {
		env := []string{"RAGPROXY_UPSTREAM_PROXY_URL=" + fmt.Sprintf(form, c.secret("secret in proxy_url as "+form))}
		c.saw("config with proxy_url", runIn(t, dir, env, "config"))
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "LANGSMITH_ENDPOINT", "OPENAI_BASE_URL"} {
		env := []string{name + "=http://user:" + c.secret("password in "+name) + "@127.0.0.1:1", "LANGSMITH_TRACING=true", "LANGSMITH_API_KEY=" + c.secret("key beside "+name)}
		c.saw("config with "+name, runIn(t, dir, env, "config"))
	}
}

// scanLoad: pages behind a login refuse, repeat and redirect.
func scanLoad(t *testing.T, c *canaries, hostile string) {
	dir := t.TempDir()
	env := []string{"RAGPROXY_LOAD_ALLOW_PRIVATE=true", "RAGPROXY_LOAD_HEADERS=" + hostile + " X-Login: " + c.secret("load.headers")}
	c.saw("config", runIn(t, dir, env, "config"))
	for _, source := range []string{hostile + "/page", hostile + "/page.pdf", "http://127.0.0.1:1/page", hostile + "/ok"} {
		c.saw("index "+source, runIn(t, dir, env, "index", source))
	}
	bad := []string{"RAGPROXY_LOAD_HEADERS=X-Login: " + c.secret("load.headers without an address")}
	c.saw("index with bad headers", runIn(t, dir, bad, "index", hostile+"/page"))
}

// scanMalformed: headers that cannot be read, in .env as in the environment.
func scanMalformed(t *testing.T, c *canaries, hostile string) {
	dir := t.TempDir()
	indexApples(t, dir)
	otel := c.secret("OTEL headers that cannot be read")
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("LANGSMITH_TRACING=true\nLANGSMITH_API_KEY="+c.secret("LangSmith key in .env")+"\nLANGSMITH_ENDPOINT="+hostile+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, headers := range []string{otel, "authorization: " + otel, "a b=" + otel, "a=%zz" + otel} {
		p := startServe(t, dir, "OTEL_EXPORTER_OTLP_HEADERS="+headers, "OTEL_EXPORTER_OTLP_ENDPOINT="+hostile, "OTEL_TRACES_SAMPLER=unknown", "RAGPROXY_LOG_LEVEL=debug")
		_, all := p.ask(t, "POST", "/v1/chat/completions", applesTurn)
		c.saw("answer", all)
		c.end(t, p, "")
	}
}
