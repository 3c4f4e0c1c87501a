package main

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// transcript is a whole answer of two tokens, a line each, to stream 7.
func transcript(revision int) []string {
	source := func(id string) string {
		return fmt.Sprintf(`{"id":"%s#chunk-0","text":"in revision r%d, as","metadata":{"revision":%d}}`, id, revision, revision)
	}
	rag := func(kind string) string {
		return `,"rag":{"type":"` + kind + `","degraded":[],"sources":[` + strings.Join([]string{source("doc-1"), source("doc-2"), source("doc-4"), source(temporary(revision))}, ",") + `]}`
	}
	delta := func(content, finish, more string) string {
		return `data: {"choices":[{"index":0,"delta":{"content":"` + content + `"},"finish_reason":` + finish + `}]` + more + `}`
	}
	return []string{
		delta("", "null", rag("retrieval.done")), "", delta(token(7, 0), "null", ""), "", ": keep-alive",
		delta(token(7, 1), "null", ""), "", delta("", `"stop"`, rag("summary")), "", "data: [DONE]", "",
	}
}

func check(lines []string, state *published) error {
	a := newAnswer(7, 2, state)
	for _, line := range lines {
		if err := a.line([]byte(line)); err != nil {
			return err
		}
	}
	return a.end()
}

func at(begun, committed, deleted int64) *published {
	p := &published{}
	p.begun.Store(begun)
	p.committed.Store(committed)
	p.deleted.Store(deleted)
	return p
}

func replaced(line int, old, new string) func([]string) []string {
	return func(l []string) []string {
		if !strings.Contains(l[line], old) {
			panic("the transcript has no " + old)
		}
		l[line] = strings.Replace(l[line], old, new, 1)
		return l
	}
}

func TestAnswersAreChecked(t *testing.T) {
	same := func(l []string) []string { return l }
	for _, tt := range []struct {
		name     string
		revision int
		state    *published
		change   func([]string) []string
		want     string // of the error; "" is none
	}{
		{"whole", 3, at(3, 3, 2), same, ""},
		{"while a revision is published", 3, at(4, 2, 2), same, ""},
		{"a token is lost", 3, at(3, 3, 2), func(l []string) []string { return append(l[:2], l[4:]...) }, `token "7.1 " where "7.0 " was due`},
		{"the last token is lost", 3, at(3, 3, 2), func(l []string) []string { return append(l[:5], l[7:]...) }, "1 tokens of 2"},
		{"a token comes twice", 3, at(3, 3, 2), func(l []string) []string { l[5] = l[2]; return l }, `token "7.0 " where "7.1 " was due`},
		{"another stream's token", 3, at(3, 3, 2), replaced(2, "7.0 ", "8.0 "), `token "8.0 " where "7.0 " was due`},
		{"no end", 3, at(3, 3, 2), func(l []string) []string { return l[:9] }, "[DONE] false"},
		{"no finish chunk", 3, at(3, 3, 2), replaced(7, `"stop"`, `null`), "finish chunk false"},
		{"more behind the end", 3, at(3, 3, 2), func(l []string) []string { return append(l, l[0]) }, "behind [DONE]"},
		{"an error event", 3, at(3, 3, 2), func(l []string) []string { l[5] = `data: {"error":{"message":"x"}}`; return l }, "an error event"},
		{"half a line", 3, at(3, 3, 2), func(l []string) []string { l[5] = l[5][3:]; return l }, "no data"},
		{"degraded", 3, at(3, 3, 2), replaced(0, `"degraded":[]`, `"degraded":["vector"]`), "degraded"},
		{"the rewrite failed", 3, at(3, 3, 2), replaced(0, "retrieval.done", "rewrite.failed"), "rewrite.failed"},
		{"no sources", 3, at(3, 3, 2), func(l []string) []string { return l[2:] }, "the summary has sources"},
		{"a source less", 3, at(3, 3, 2), replaced(0, `{"id":"doc-1#chunk-0","text":"in revision r3, as","metadata":{"revision":3}},`, ""), "3 sources"},
		{"two generations", 3, at(3, 2, 2), replaced(0, `"metadata":{"revision":3}},{"id":"doc-4`, `"metadata":{"revision":2}},{"id":"doc-4`), "two generations"},
		{"another revision's text", 3, at(3, 3, 2), replaced(0, "revision r3,", "revision r2,"), "text of another"},
		{"a replaced generation", 3, at(4, 4, 3), same, "sources of revision 3, published are 4 to 4"},
		{"a generation to come", 3, at(2, 2, 2), same, "sources of revision 3, published are 2 to 2"},
		{"deleted by name", 3, at(3, 3, 3), same, "temp-3 was deleted"},
		{"pruned", 3, at(3, 3, 2), replaced(0, "doc-2", "doc-7"), "doc-7 was pruned"},
		{"of nowhere", 3, at(3, 3, 2), replaced(0, "doc-2", "else"), "none of the collection's"},
		{"even revisions have all", 4, at(4, 4, 3), replaced(0, "doc-2", "doc-7"), "the summary has sources"},
	} {
		err := check(tt.change(transcript(tt.revision)), tt.state)
		if got := fmt.Sprint(err); tt.want == "" && err != nil || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestClientsFindWhatIsLost has the program's own client meet its own
// upstream, without ragproxy between them: the sources are missing.
func TestClientsFindWhatIsLost(t *testing.T) {
	u := newUpstream()
	srv := httptest.NewUnstartedServer(u.Handler)
	srv.Config.ConnState = u.ConnState
	srv.Start()
	defer srv.Close()
	found := &findings{}
	c := newClients(srv.URL+"/v1", "key", plan{tokens: 5, pace: time.Millisecond}, at(1, 1, 1), found)
	defer c.http.CloseIdleConnections()
	c.ask(t.Context(), 1, 0)
	c.ask(t.Context(), 2, 3)
	var said bytes.Buffer
	if n := found.print(&said); n != 1 || !strings.Contains(said.String(), "stream 1, after 5 tokens: no sources") {
		t.Errorf("got %d findings, want the one that has no sources:\n%s", n, &said)
	}
	if c.tokens.Load() != 8 || c.left.Load() != 1 || c.lost.Load() != 0 {
		t.Errorf("got %d tokens, %d left, %d lost, want 8, 1, 0", c.tokens.Load(), c.left.Load(), c.lost.Load())
	}
}

func TestGrowth(t *testing.T) {
	var level, rising []sample
	for i := range 60 {
		wave := float64(i%2) * 4
		level = append(level, sample{at: time.Duration(i) * time.Minute, rss: 100 + wave})
		rising = append(rising, sample{at: time.Duration(i) * time.Minute, rss: 100 + wave + float64(i)*0.1})
	}
	if got, mean, ok := growth(level, 10*time.Minute); !ok || got > 0.005 || mean < 101 || mean > 103 {
		t.Errorf("got %.4f of %.1f (%v), want about none of 102", got, mean, ok)
	}
	if got, _, ok := growth(rising, 10*time.Minute); !ok || got < 0.04 || got > 0.055 {
		t.Errorf("got %.4f (%v), want about 0.047", got, ok)
	}
	if _, _, ok := growth(level, time.Hour); ok {
		t.Error("got a line through no samples")
	}
	w := &watcher{samples: rising}
	if err := w.report(&bytes.Buffer{}, time.Hour); err == nil {
		t.Error("got no error for memory that grows")
	}
	if err := w.report(&bytes.Buffer{}, time.Minute); err != nil {
		t.Errorf("got %v for a run that is too short to judge", err)
	}
}

const dump = `listening on http://127.0.0.1:1
SIGQUIT: quit
PC=0x47 m=0 sigcode=0

goroutine 0 gp=0x1 m=0 mp=0x2 [idle]:
runtime.futex(0x1)
	runtime/sys_linux_amd64.s:558 +0x21

goroutine 1 gp=0xc000002380 m=nil [select, 2 minutes]:
runtime.gopark(0x1)
	runtime/proc.go:435 +0xce
main.serve(0x1)
	github.com/x/serve.go:10 +0x1
main.main()
	github.com/x/main.go:10 +0x1

goroutine 9 gp=0xc000002381 m=nil [IO wait]:
internal/poll.(*FD).Read(0xc000, {0x1, 0x2})
	internal/poll/fd_unix.go:165 +0x27a
net/http.(*persistConn).readLoop(0xc000)
	net/http/transport.go:2205 +0x185
created by net/http.(*Transport).dialConn in goroutine 8
	net/http/transport.go:1800 +0x1

goroutine 10 gp=0xc000002382 m=nil [IO wait]:
net/http.(*persistConn).readLoop(0xc001)
	net/http/transport.go:2205 +0x185
created by net/http.(*Transport).dialConn in goroutine 8
	net/http/transport.go:1800 +0x1

rax    0xca
rbx    0x0
`

func TestGoroutines(t *testing.T) {
	got, err := goroutines([]byte(dump))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"main.main": 1, "net/http.(*persistConn).readLoop of net/http.(*Transport).dialConn": 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := more(map[string]int{"main.main": 1}, got); !strings.HasPrefix(got, "2 more of net/http.(*persistConn).readLoop") {
		t.Errorf("got %q, want two more", got)
	}
	for _, none := range []string{"listening", "SIGQUIT: quit\n\nrax 0\n"} {
		if got, err := goroutines([]byte(none)); err == nil {
			t.Errorf("got %v of %q, want an error", got, none)
		}
	}
}

func TestKinds(t *testing.T) {
	got := kinds([]string{"socket:[1]", "socket:[2]", "/d/collections/c/seg/x", "/d/collections/c/seg/y (deleted)", "/dev/null"})
	want := map[string]int{"socket": 2, "index file": 1, removedFile: 1, "/dev/null": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestUnexpectedLines(t *testing.T) {
	log := "upstream: http://x\nlistening on http://y\nlevel=ERROR msg=\"" + notReloaded + "\"\nlevel=ERROR msg=panic\nSIGQUIT: quit\nstacks\n"
	if diff := cmp.Diff([]string{"level=ERROR msg=panic"}, unexpected(log)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
