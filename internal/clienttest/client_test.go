package clienttest

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write testdata/matrix.txt and docs/clients.md anew")

// client is one SDK. start makes it ready and gives the function that makes
// one request with it; modes are its ways of making one.
type client struct {
	name  string
	modes []string
	pkg   string // as it is installed; file has its script
	file  string
	start func(*testing.T, client) runner
	about string // for its chapter in docs/clients.md
}

type runner func(*testing.T, ask) result

// ask is one request, as a user of the client would write it.
type ask struct {
	BaseURL  string            `json:"base_url"`
	Mode     string            `json:"mode"`
	Messages []message         `json:"messages"`
	Model    string            `json:"model"`
	Rag      map[string]any    `json:"rag"`     // for clients that can add to the body
	Alias    string            `json:"alias"`   // with the headers, the same for the others:
	Headers  map[string]string `json:"headers"` // a model's name with settings
	Usage    bool              `json:"usage"`
	User     string            `json:"user,omitempty"` // "cut": the upstream's stream breaks off
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// result is what the client gave its user.
type result struct {
	Answer string          `json:"answer"`
	Seen   []seen          `json:"seen"` // what of ragproxy's there was to reach, in order
	Usage  json.RawMessage `json:"usage"`
	Error  string          `json:"error"`
}

// seen is a value at a place, an expression in the client's language that ends
// in the wire's name of the value. The place "snippet" has a list of sources.
type seen struct {
	Place string          `json:"place"`
	Value json.RawMessage `json:"value"`
}

func (r *result) see(place string, value []byte) {
	r.Seen = append(r.Seen, seen{place, value})
}

func clients() []client {
	return []client{
		{
			"openai-go", []string{"stream", "accumulator", "complete"},
			"github.com/openai/openai-go/v3", "openaigo_test.go", startOpenAIGo,
			"Members that it does not know are in `JSON.ExtraFields`; its Accumulator keeps none of them.",
		},
		{
			"go-openai", []string{"stream", "raw", "complete"},
			"github.com/sashabaranov/go-openai", "goopenai_test.go", startGoOpenAI,
			"`Recv` decodes into fixed structs; `RecvRaw` has everything.",
		},
		{
			"openai-python", []string{"stream", "helper", "async", "raw", "complete"},
			"openai", "clients/openai_python.py", startScript,
			"`helper` is `chat.completions.stream()`, of whose extras `final` keeps the first; `raw` is `with_raw_response`.",
		},
		{
			"langchain-openai", []string{"stream", "invoke"},
			"langchain-openai", "clients/langchain_python.py", startScript,
			"`ChatOpenAI` drops what it does not know. A subclass keeps it, as other providers' packages do:",
		},
		{
			"openai-node", []string{"stream", "helper", "runTools", "complete"},
			"openai", "clients/openai_node.mjs", startScript,
			"`helper` is `chat.completions.stream()`, whose `final` keeps the last of the extras.",
		},
		{
			"ai-sdk-openai", []string{"streamText", "tools", "generateText"},
			"@ai-sdk/openai", "clients/ai_sdk_openai.mjs", startScript,
			"With `openai.chat(...)` annotations become sources. `rawValue` needs `includeRawChunks: true`.",
		},
		{
			"ai-sdk-compatible", []string{"streamText", "tools", "generateText"},
			"@ai-sdk/openai-compatible", "clients/ai_sdk_compatible.mjs", startScript,
			"A `metadataExtractor` keeps the extras. `rawValue` needs `includeRawChunks: true`.",
		},
	}
}

var dialects = []string{"rag", "annotations", "openwebui", "azure", "perplexity", "plain"}

// kinds are the conversations in which every dialect is tried: a first turn; a
// follow-up, which is rewritten, with usage asked for; that with all events.
var kinds = []string{"first", "follow-up", "live"}

// switched are the additions to any dialect, and what they add to the answer.
var switched = []struct{ name, dialect, option, footer string }{
	{"rag+markdown", "rag", "markdown", footer},
	{"plain+markdown", "plain", "markdown", footer},
	{"rag+reasoning", "rag", "reasoning", ""},
}

// broken are what an upstream does in place of an answer, and what it says.
var broken = []struct{ name, kind, user, says string }{
	{"cut", "first", "cut", "the upstream closed"},
	{"refused", "first", "refused", refusal},
	{"refused-live", "live", "refused", refusal},
}

var (
	firstTurn = []message{{"user", "What is task decomposition?"}}
	followUp  = []message{{"user", "What is task decomposition?"}, {"assistant", "Breaking tasks up [1]."}, {"user", question}}
)

// TestClients runs every mode of every client in every dialect. The answer
// must be whole; what the client can reach must be what is recorded.
func TestClients(t *testing.T) {
	base := startProxy(t)
	m := readMatrix(t)
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			run := c.start(t, c)
			for _, mode := range c.modes {
				t.Run(mode, func(t *testing.T) { testMode(t, base, mode, run, m.of(c.name, mode)) })
			}
			t.Run("snippet", func(t *testing.T) { testSnippet(t, run(t, newAsk(base, "snippet", "rag", "first"))) })
		})
	}
	if *update {
		m.write(t)
	}
}

func testMode(t *testing.T, base, mode string, run runner, m matrixOf) {
	for _, d := range dialects {
		for _, kind := range kinds {
			t.Run(d+"/"+kind, func(t *testing.T) {
				a := newAsk(base, mode, d, kind)
				got := run(t, a)
				checkAnswer(t, got, strings.Join(answer, ""))
				m.check(t, d+"/"+kind, cellOf(t, a, got))
			})
		}
	}
	for _, s := range switched {
		t.Run(s.name, func(t *testing.T) {
			a := newAsk(base, mode, s.dialect, "follow-up")
			a.Rag[s.option], a.Alias = true, model+":"+s.option
			got := run(t, a)
			want := strings.Join(answer, "") + s.footer
			if a.callsTool() { // retrieval is off when the tool's result comes
				want = strings.Join(answer, "")
			}
			checkAnswer(t, got, want)
			m.check(t, s.name, cellOf(t, a, got))
		})
	}
	for _, b := range broken {
		t.Run(b.name, func(t *testing.T) {
			a := newAsk(base, mode, "rag", b.kind)
			a.User = b.user
			got := run(t, a)
			t.Logf("error %q", got.Error)
			m.check(t, b.name, errorCell(got, b.says))
		})
	}
}

// testSnippet runs what docs/clients.md shows.
func testSnippet(t *testing.T, got result) {
	checkAnswer(t, got, strings.Join(answer, ""))
	if len(got.Seen) != 1 {
		t.Fatalf("got %d values, want the sources", len(got.Seen))
	}
	if diff := cmp.Diff(links, linksIn(got.Seen[0].Value)); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

func checkAnswer(t *testing.T, got result, want string) {
	t.Helper()
	if got.Error != "" {
		t.Fatalf("got error %s, want an answer", got.Error)
	}
	if got.Answer != want {
		t.Errorf("got answer %q, want %q", got.Answer, want)
	}
}

// callsTool says whether the client brings a tool, which the upstream calls:
// the passages are for that call, and the answer is a second request.
func (a ask) callsTool() bool { return a.Mode == "runTools" || a.Mode == "tools" }

// newAsk says the same in the body and as headers, for the client to choose.
func newAsk(base, mode, dialect, kind string) ask {
	a := ask{
		BaseURL: base, Mode: mode, Messages: firstTurn, Model: model, Alias: model,
		Rag: map[string]any{"dialect": dialect}, Headers: map[string]string{"X-RAG-Dialect": dialect},
	}
	if kind != "first" {
		a.Messages, a.Usage = followUp, true
	}
	if kind == "live" {
		a.Rag["events"], a.Headers["X-RAG-Events"] = "all", "all"
	}
	return a
}

// installed gives the folder with the pinned clients of Python and Node.
func installed(t *testing.T) string {
	dir := os.Getenv("RAGPROXY_TEST_CLIENTS")
	if dir == "" {
		t.Skip("NOT TESTED: RAGPROXY_TEST_CLIENTS is not set. Run\n\tbash internal/clienttest/install.sh /tmp/clients\n\tRAGPROXY_TEST_CLIENTS=/tmp/clients go test ./internal/clienttest")
	}
	return dir
}
