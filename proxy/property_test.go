package proxy

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/proxy/dialect"
	"github.com/ragproxy/ragproxy/proxy/sse"
)

// cases is how many requests and how many streams the properties are held to.
const cases = 100_000

// TestRequestBytesOutsideTheSplice generates requests as clients may write
// them and wants every byte but the splice's in what goes upstream.
func TestRequestBytesOutsideTheSplice(t *testing.T) {
	n := cases
	if testing.Short() {
		n /= 100
	}
	for seed := range n {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		body, rag := generateRequest(r)
		req, err := parseRequest([]byte(body), bounds{})
		if err != nil {
			t.Fatalf("seed %d: %v in %q", seed, err, body)
		}
		if got := string(req.strip("")); got != strings.Replace(body, rag, "", 1) {
			t.Fatalf("seed %d: strip gave\n%q, want\n%q", seed, got, strings.Replace(body, rag, "", 1))
		}
		if !req.wantsRetrieval() {
			continue
		}
		placement := PlacementSystem
		if seed%4 == 0 {
			placement = PlacementUser
		}
		prompt := "§PROMPT " + randomText(r) + " PROMPT§"
		out := string(req.inject(prompt, "", placement))
		if !gjson.Valid(out) {
			t.Fatalf("seed %d: inject gave invalid JSON %q", seed, out)
		}
		if got, want := takeOut(out, string(escape(prompt))), strings.Replace(body, rag, "", 1); got != want {
			t.Fatalf("seed %d: without the prompt\n%q, want\n%q", seed, got, want)
		}
	}
}

// takeOut undoes the splice: the prompt with what had to be put around it.
func takeOut(out, prompt string) string {
	for _, around := range [][2]string{
		{`{"role":"system","content":"`, `"},`}, {`,{"type":"text","text":"`, `"}`}, {`{"type":"text","text":"`, `"},`}, {`{"type":"text","text":"`, `"}`},
		{`\n\n`, ``}, {``, `\n\n`},
	} {
		if piece := around[0] + prompt + around[1]; strings.Contains(out, piece) {
			return strings.Replace(out, piece, "", 1)
		}
	}
	return strings.Replace(out, prompt, "", 1)
}

// generateRequest writes a request by hand, with white space, escapes, odd
// numbers and members in any order; rag is its member "rag" with its comma.
func generateRequest(r *rand.Rand) (body, rag string) {
	space := func() string { return []string{"", "", " ", "\n", "\t", "\r\n  "}[r.IntN(6)] }
	text := func() string { return string(quoteOddly(r, randomText(r))) }
	content := func() string {
		switch r.IntN(4) {
		case 0:
			return `[` + space() + `{"type":"text","text":` + text() + `}` + space() + `,{"type":"image_url","image_url":{"url":"data:,"}}]`
		default:
			return text()
		}
	}
	var messages []string
	if r.IntN(2) == 0 {
		messages = append(messages, fmt.Sprintf(`{"role":"%s",%s"content":%s}`, []string{"system", "developer"}[r.IntN(2)], space(), content()))
	}
	for range r.IntN(3) {
		messages = append(messages, `{"content":`+content()+`,"role":"user"}`, `{"role":"assistant","content":null,"tool_calls":[{"id":"x","n":1e400}]}`, `{"role":"assistant","content":`+text()+`}`)
	}
	messages = append(messages, `{"role" : "user","x":-0.0,"content":`+content()+`}`)
	members := []string{
		`"messages"` + space() + `:` + space() + `[` + space() + strings.Join(messages, space()+","+space()) + space() + `]`,
		`"model":"m"`, `"temperature":1.0`, `"seed":12345678901234567890`, `"tools":[{"a":{"messages":[]}}]`, `"stream":true`, `"x` + randomKey(r) + `":` + text(),
	}
	r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	at := r.IntN(len(members) + 1)
	body = "{" + space()
	for i, m := range members {
		if i == at {
			rag = `"rag":{"top_k":3},`
			body += rag
		}
		body += m
		if i < len(members)-1 {
			body += ","
		}
	}
	if at == len(members) && r.IntN(2) == 0 {
		rag = `,"rag":null`
		body += rag
	}
	return body + "}" + space(), rag
}

func randomKey(r *rand.Rand) string { return fmt.Sprintf("%x", r.Uint32()) }

func randomText(r *rand.Rand) string {
	runes := []rune("ab \"\\/\n\t é漢字😀<>&[1]{}\u2028\x01")
	var b strings.Builder
	for range 1 + r.IntN(12) {
		b.WriteRune(runes[r.IntN(len(runes))])
	}
	return b.String() + "."
}

// quoteOddly escapes more than has to be, as some clients do.
func quoteOddly(r *rand.Rand, s string) []byte {
	out := []byte{'"'}
	for _, c := range s {
		switch {
		case c < 0x20 || c < 0x80 && c != '"' && c != '\\' && r.IntN(8) == 0:
			out = fmt.Appendf(out, `\u%04x`, c)
		case c == '"' || c == '\\':
			out = append(out, '\\', byte(c))
		default:
			out = append(out, string(c)...)
		}
	}
	return append(out, '"')
}

// TestPlainBytesInAnySplit sends generated streams, cut into reads at random
// bytes, through the relay with the plain encoder.
func TestPlainBytesInAnySplit(t *testing.T) {
	n := cases
	if testing.Short() {
		n /= 100
	}
	server := Server{upstream: &upstream{}}
	for seed := range n {
		r := rand.New(rand.NewPCG(uint64(seed), 2))
		stream := generateStream(r)
		rec := httptest.NewRecorder()
		c, _ := gin.CreateTestContext(rec)
		x := &exchange{server: &server, notes: newNotes(), w: c.Writer, out: sse.NewWriter(c.Writer, 0, nil), plain: true}
		x.encoder = x.newPlain()
		resp := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(&splitReader{r, []byte(stream)})}
		err := x.relay(resp, nil)
		x.out.Close()
		if got := rec.Body.String(); got != stream {
			t.Fatalf("seed %d: got\n%q, want\n%q (%v)", seed, got, stream, err)
		}
		if done := strings.Contains(stream, "[DONE]"); (err == nil) != done {
			t.Fatalf("seed %d: got error %v for %q", seed, err, stream)
		}
	}
}

func generateStream(r *rand.Rand) string {
	end := []string{"\n", "\r\n"}[r.IntN(2)]
	var b strings.Builder
	for range r.IntN(6) {
		switch r.IntN(5) {
		case 0:
			b.WriteString(": " + strings.ReplaceAll(randomText(r), "\n", " ") + end + end)
		case 1:
			b.WriteString("id: 1" + end + "event: e" + end + "data: {}" + end + end)
		case 2:
			b.WriteString("data:not json" + end + end)
		default:
			fmt.Fprintf(&b, `data: {"id":"x","choices":[{"index":0,"delta":{"content":%s}}],"n":1.0}%s%s`, quoteOddly(r, randomText(r)), end, end)
		}
	}
	switch r.IntN(8) {
	case 0:
		b.WriteString(`data: {"id":"x","cho`)
	case 1:
	default:
		b.WriteString("data: [DONE]" + end + end)
	}
	return b.String()
}

// splitReader hands out its bytes in reads of random size.
type splitReader struct {
	r    *rand.Rand
	left []byte
}

func (s *splitReader) Read(p []byte) (int, error) {
	if len(s.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.left[:min(len(s.left), 1+s.r.IntN(40))])
	s.left = s.left[n:]
	return n, nil
}

// FuzzRagOptions reads any member "rag": a value or an error that names it.
func FuzzRagOptions(f *testing.F) {
	f.Add([]byte(`{"enabled":true,"top_k":4,"events":["rewrite"],"filters":{"a":[1]}}`))
	f.Add([]byte(`{"events":"all","include_tags":["retriever"],"text":"none"}`))
	f.Add([]byte(`{"top_k":1e99,"live":null}`))
	f.Fuzz(func(t *testing.T, rag []byte) {
		if !gjson.ValidBytes(rag) {
			return
		}
		opts, err := parseRag(gjson.ParseBytes(rag))
		if err != nil {
			if e := asError(err); e.Status != http.StatusBadRequest || !strings.HasPrefix(e.Param, "rag") {
				t.Fatalf("%q: got %+v, want a 400 that names the option", rag, e)
			}
			return
		}
		if opts.topK < 0 || opts.topK > maxTopK {
			t.Fatalf("%q: got top_k %d", rag, opts.topK)
		}
		for name := range opts.filter.Select() {
			if !dialect.KnownEvent(name) {
				t.Fatalf("%q: selects the unknown event %q", rag, name)
			}
		}
	})
}

// FuzzChatBody posts any body to the whole handler: an answer in OpenAI's
// shape, never a panic.
func FuzzChatBody(f *testing.F) {
	f.Add([]byte(ask))
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}],"rag":{"dialect":"azure"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		opts := testOptions(t, "http://127.0.0.1:1/v1", &fakeSearcher{})
		opts.HTTPClient = &http.Client{Transport: answering{}}
		w := httptest.NewRecorder()
		New(opts).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", bytes.NewReader(body)))
		if w.Code >= 500 || w.Code >= 400 && !gjson.Get(w.Body.String(), "error.code").Exists() {
			t.Fatalf("%q: got %d %s", body, w.Code, w.Body)
		}
	})
}

// answering is an upstream in the process that answers everything.
type answering struct{}

func (answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	const stream = "data: {\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"[1]\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
	return &http.Response{
		StatusCode: 200, Status: "200 OK", Header: http.Header{"Content-Type": {"text/event-stream"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(stream)), ContentLength: -1,
	}, nil
}
