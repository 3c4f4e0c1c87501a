package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// emptyTemp fails the test if anything is left in the temporary folder, which
// is the test's own.
func emptyTemp(t *testing.T) (check func(what string)) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir)
	return func(what string) {
		t.Helper()
		left, err := os.ReadDir(dir)
		if err != nil || len(left) > 0 {
			t.Errorf("%s: got %v left in the temporary folder (%v), want nothing", what, left, err)
		}
	}
}

func TestForms(t *testing.T) {
	check := emptyTemp(t)
	long := strings.Repeat("x", maxField+1)
	for _, test := range []struct {
		name, body string
		asked      string // or else
		want       string
	}{
		{name: "file", body: form("file/a.md", "x"), asked: `ingest default [] "" ["a.md"] `},
		{name: "fields before and behind", body: form("collection", " docs ", "file/a.md", "x", "class", "a, b,,", "file/b.TXT", "y"), asked: `ingest docs ["a" "b"] "" ["a.md" "b.TXT"] `},
		{name: "selector", body: form("select", "main", "file/a.md", "x"), asked: `ingest default [] "main" ["a.md"] `},
		{name: "folders in the name", body: form("file/../../etc/a.md", "x", `file/..\\..\\b.md`, "x"), asked: `ingest default [] "" ["a.md" "b.md"] `},
		{name: "name in other letters", body: form("file/Größe 日本.md", "x"), asked: `ingest default [] "" ["Größe 日本.md"] `},
		{name: "name as of RFC 5987", body: strings.Replace(form("file/a.md", "x"), `filename="a.md"`, `filename*=UTF-8''na%C3%AFve%2F..%2Fb.md`, 1), asked: `ingest default [] "" ["b.md"] `},
		{name: "empty file", body: form("file/a.md", ""), asked: `ingest default [] "" ["a.md"] `},
		{name: "page", body: `{"url":" https://e.example/a ","collection":"c","class":"a,b"}`, asked: `ingest c ["a" "b"] "" [] https://e.example/a`},

		{name: "no file", body: form("collection", "docs"), want: "400 invalid_request_error invalid_multipart"},
		{name: "no parts", body: "--xyz--\r\n", want: "400 invalid_request_error invalid_multipart"},
		{name: "nothing", body: "", want: "400 invalid_request_error invalid_multipart"},
		{name: "other boundary", body: strings.ReplaceAll(form("file/a.md", "x"), "xyz", "abc"), want: "400 invalid_request_error invalid_multipart"},
		{name: "broken off", body: strings.TrimSuffix(form("file/a.md", "x"), "--xyz--\r\n"), want: "400 invalid_request_error invalid_multipart"},
		{name: "broken off in the file", body: form("file/a.md", "x")[:80], want: "400 invalid_request_error invalid_multipart"},
		{name: "no name", body: form("file/", "x"), want: "400 invalid_request_error invalid_multipart"},
		{name: "dots for a name", body: form("file/..", "x"), want: "400 invalid_request_error invalid_multipart"},
		{name: "a file without a file name", body: form("file", "x"), want: "400 invalid_request_error invalid_multipart"},
		{name: "one name twice", body: form("file/a.md", "x", "file/b/a.md", "y"), want: "400 invalid_request_error invalid_multipart"},
		{name: "too many files", body: manyFiles(maxUploads + 1), want: "400 invalid_request_error invalid_multipart"},
		{name: "unknown type", body: form("file/a.md", "x", "file/a.exe", "x"), want: "415 invalid_request_error unsupported_file_type"},
		{name: "no type", body: form("file/Makefile", "x"), want: "415 invalid_request_error unsupported_file_type"},
		{name: "unknown field", body: form("file/a.md", "x", "chunk_size", "10"), want: "400 invalid_request_error unknown_rag_option"},
		{name: "field twice", body: form("file/a.md", "x", "collection", "a", "collection", "b"), want: "400 invalid_request_error invalid_rag_option"},
		{name: "huge field", body: form("file/a.md", "x", "collection", long), want: "400 invalid_request_error invalid_rag_option"},
		{name: "class and selector", body: form("file/a.md", "x", "class", "a", "select", "b"), want: "400 invalid_request_error invalid_rag_option"},
		{name: "bad collection", body: form("file/a.md", "x", "collection", "../x"), want: "400 invalid_request_error invalid_rag_option"},
		{name: "over the limit", body: form("file/a.md", strings.Repeat("x", 2<<20)), want: "413 invalid_request_error request_too_large"},
		{name: "over the limit behind the form", body: form("file/a.md", "x") + strings.Repeat("x", 2<<20), want: "413 invalid_request_error request_too_large"},

		{name: "no url", body: `{}`, want: "400 invalid_request_error invalid_url"},
		{name: "a path", body: `{"url":"/etc/passwd"}`, want: "400 invalid_request_error invalid_url"},
		{name: "a file url", body: `{"url":"file:///etc/passwd"}`, want: "400 invalid_request_error invalid_url"},
		{name: "standard input", body: `{"url":"-"}`, want: "400 invalid_request_error invalid_url"},
		{name: "no host", body: `{"url":"http:/etc/passwd"}`, want: "400 invalid_request_error invalid_url"},
		{name: "unknown member", body: `{"url":"https://e.example","depth":3}`, want: "400 invalid_request_error invalid_json"},
		{name: "goes on", body: `{"url":"https://e.example"}{}`, want: "400 invalid_request_error invalid_json"},
		{name: "not JSON", body: `{`, want: "400 invalid_request_error invalid_json"},
	} {
		s, docs := documentServer(t, nil)
		w := post(s, test.body)
		got, asked := "", docs.take()
		if w.Code != http.StatusOK {
			got = errorCode(t, w)
		}
		if got != test.want || asked != test.asked {
			t.Errorf("%s: got %s, asked %s, want %s, %s (%s)", test.name, got, asked, test.want, test.asked, w.Body)
		}
		check(test.name)
	}
	s, _ := documentServer(t, nil)
	for _, kind := range []string{"multipart/form-data", "text/plain", "multipart/mixed; boundary=xyz", "application/pdf"} {
		if w := post(s, form("file/a.md", "x"), "Content-Type", kind); w.Code != http.StatusBadRequest && w.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%s: got %d %s, want it refused", kind, w.Code, w.Body)
		}
		check(kind)
	}
}

func manyFiles(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf("file/%d.md", i), "x")
	}
	return form(parts...)
}

func TestUnsupportedTypeNamesWhatThereIs(t *testing.T) {
	s, _ := documentServer(t, nil)
	if got := post(s, form("file/a.exe", "x")).Body.String(); !strings.Contains(got, `\"a.exe\"; supported: .md .txt"`) || !strings.Contains(got, `"param":"file"`) {
		t.Errorf("got %s, want the file and the extensions in it", got)
	}
}

// TestUploadIsThere while it is indexed, as it was sent, and gone afterwards.
func TestUploadIsThere(t *testing.T) {
	check := emptyTemp(t)
	s, docs := documentServer(t, nil)
	content := "x\r\n--xy\r\n\x00\xff"
	docs.ingest = func(_ context.Context, in Ingest, on func(IngestProgress)) (Ingested, error) {
		for _, f := range in.Files {
			b, err := os.ReadFile(f.Path)
			if string(b) != content || err != nil {
				t.Errorf("got %q, %v for %s, want %q", b, err, f.Name, content)
			}
			if strings.Contains(f.Path, f.Name) {
				t.Errorf("got the path %s, want one without the client's name", f.Path)
			}
		}
		return Ingested{}, errors.New("stop")
	}
	post(s, form("file/a.md", content, "file/b.md", content))
	check("after an error")
	docs.ingest = func(context.Context, Ingest, func(IngestProgress)) (Ingested, error) { panic("stop") }
	post(s, form("file/a.md", content))
	check("after a panic")
}

func TestProgressEvents(t *testing.T) {
	s, docs := documentServer(t, nil)
	docs.ingest = func(_ context.Context, _ Ingest, on func(IngestProgress)) (Ingested, error) {
		on(IngestProgress{Stage: StageLoad})
		for i := range 1000 {
			on(IngestProgress{Stage: StageLoad, Documents: i, Chunks: 12, Total: 12})
		}
		on(IngestProgress{Stage: StageEmbed, Documents: 1000, Chunks: 12, Done: 5, Total: 12})
		on(IngestProgress{Stage: StageCommit, Documents: 1000, Chunks: 12, Done: 12, Total: 12})
		return Ingested{Documents: 1, Chunks: 12, Added: 1, Failed: []IngestFailure{{"b.md", "no text"}}, Generation: 2, IDs: []string{"a.md"}}, nil
	}
	w := post(s, form("file/a.md", "x"), "Accept", "text/event-stream")
	lines := strings.Split(w.Body.String(), "\n\n")
	if n := len(lines); n < 5 || n > 100 {
		t.Errorf("got %d events, want few of the thousand", n)
	}
	var got []string
	for _, line := range lines {
		if !strings.Contains(line, `"stage":"load","documents":`) || strings.Contains(line, `"documents":0,`) {
			got = append(got, line)
		}
	}
	want := []string{
		`data: {"type":"progress","stage":"load","documents":0,"chunks":0,"done":0,"total":0}`,
		`data: {"type":"progress","stage":"embed","documents":1000,"chunks":12,"done":5,"total":12}`,
		`data: {"type":"progress","stage":"commit","documents":1000,"chunks":12,"done":12,"total":12}`,
		`data: {"type":"done","documents":1,"chunks":12,"added":1,"updated":0,"deleted":0,"unchanged":0,"failed":[{"source":"b.md","error":"no text"}],"generation":2,"ids":["a.md"]}`,
		`data: [DONE]`, ``,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if got := w.Header().Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
		t.Errorf("got Content-Type %s", got)
	}

	w = post(s, form("file/a.md", "x"))
	if got, want := w.Body.String(), strings.Replace(strings.TrimPrefix(want[3], "data: "), `"type":"done",`, "", 1); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestLateFailure: before the first event an error has its status, afterwards
// it is an event and the connection is cut.
func TestLateFailure(t *testing.T) {
	check := emptyTemp(t)
	s, docs := documentServer(t, nil)
	srv := httptest.NewServer(s)
	defer srv.Close()
	for _, late := range []bool{false, true} {
		docs.ingest = func(_ context.Context, _ Ingest, on func(IngestProgress)) (Ingested, error) {
			if late {
				on(IngestProgress{Stage: StageLoad})
			}
			return Ingested{}, errors.New("stop")
		}
		body, status, err := postTo(t.Context(), srv, form("file/a.md", "x"))
		wantStatus, want := http.StatusInternalServerError, `{"error":{"message":"internal error: see the server's log","type":"server_error","param":null,"code":"internal"}}`
		if late {
			wantStatus, want = http.StatusOK, "data: {\"type\":\"progress\",\"stage\":\"load\",\"documents\":0,\"chunks\":0,\"done\":0,\"total\":0}\n\ndata: "+want+"\n"
		}
		if status != wantStatus || body != want+"\n" || late != (err != nil) {
			t.Errorf("late %t: got %d, %v, %s\nwant %s", late, status, err, body, want)
		}
	}
	check("after a late error")
}

func postTo(ctx context.Context, srv *httptest.Server, body string) (answer string, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/v1/rag/documents", strings.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Content-Type", "multipart/form-data; boundary=xyz")
	req.Header.Set("Accept", "text/event-stream")
	resp, err := srv.Client().Do(req)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), resp.StatusCode, err
}

// TestRefusalIsReadBehindALargeBody by clients that send all before they read.
func TestRefusalIsReadBehindALargeBody(t *testing.T) {
	s, _ := documentServer(t, func(o *Options) { o.MaxBodyBytes = 32 << 20 })
	off, _ := documentServer(t, func(o *Options) { o.MaxBodyBytes, o.Writing = 32<<20, WriteNever })
	large := strings.Repeat("x", 16<<20)
	for _, test := range []struct {
		server *Server
		body   string
		status int
	}{{off, form("file/a.md", large), http.StatusForbidden}, {s, form("file/a.exe", large), http.StatusUnsupportedMediaType}, {s, form("file/", "x", "file/a.md", large), http.StatusBadRequest}} {
		srv := httptest.NewServer(test.server)
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(conn, "POST /v1/rag/documents HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=xyz\r\nContent-Length: %d\r\n\r\n%s", len(test.body), test.body)
		if err != nil {
			t.Errorf("send: %v", err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != test.status {
			t.Errorf("got %v, %v, want %d", resp, err, test.status)
		} else {
			resp.Body.Close()
		}
		conn.Close()
		srv.Close()
	}
}

// TestClientGoneEndsTheRun by its context, and the upload is removed.
func TestClientGoneEndsTheRun(t *testing.T) {
	check := emptyTemp(t)
	s, docs := documentServer(t, nil)
	ended := make(chan error, 1)
	docs.ingest = func(ctx context.Context, _ Ingest, on func(IngestProgress)) (Ingested, error) {
		on(IngestProgress{Stage: StageLoad})
		<-ctx.Done()
		ended <- ctx.Err()
		return Ingested{}, ctx.Err()
	}
	srv := httptest.NewServer(s)
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/v1/rag/documents", strings.NewReader(form("file/a.md", "x")+"an epilogue"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "multipart/form-data; boundary=xyz")
	req.Header.Set("Accept", "text/event-stream")
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cancel()
	resp.Body.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the run canceled", err)
	}
	srv.Close() // waits for the handler
	check("after the client went")
}

// TestUploadStaysOnDisk: 64 MiB pass without being in memory.
func TestUploadStaysOnDisk(t *testing.T) {
	const size = 64 << 20
	check := emptyTemp(t)
	s, docs := documentServer(t, func(o *Options) { o.MaxBodyBytes = size + 1<<10 })
	var got int64
	docs.ingest = func(_ context.Context, in Ingest, _ func(IngestProgress)) (Ingested, error) {
		info, err := os.Stat(in.Files[0].Path)
		if err == nil {
			got = info.Size()
		}
		return Ingested{}, err
	}
	head, tail, _ := strings.Cut(form("file/a.md", "CONTENT"), "CONTENT")
	body := io.MultiReader(strings.NewReader(head), io.LimitReader(letters{}, size), strings.NewReader(tail))
	r := httptest.NewRequest(http.MethodPost, "http://localhost/v1/rag/documents", body)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=xyz")
	w := httptest.NewRecorder()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s.ServeHTTP(recorder{w}, r)
	runtime.ReadMemStats(&after)
	if w.Code != http.StatusOK || got != size {
		t.Errorf("got %d with %d bytes, want 200 with %d", w.Code, got, size)
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 4<<20 {
		t.Errorf("got %d bytes allocated for an upload of %d, want a buffer or two", taken, size)
	}
	check("after a large upload")
}

// letters are x without end.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestCleanName(t *testing.T) {
	for raw, want := range map[string]string{
		"a.md": "a.md", "/etc/passwd": "passwd", `C:\docs\a.md`: "a.md", "../../a.md": "a.md", `..\a.md`: "a.md", "a/": "", "": "", ".": "", "..": "", " . ": "",
		" a b.md ": "a b.md", "a.md. ": "a.md", ".env": ".env", "a\x00b\n.md": "ab.md", "\u202egpj.md": "gpj.md", "e\u0301.md": "é.md", "\xff.md": "\uFFFD.md",
		"日本語.pdf": "日本語.pdf", "a#b?c%2Fd.md": "a#b?c%2Fd.md",
		strings.Repeat("é", 300) + ".md":    strings.Repeat("é", 98) + ".md",
		"a." + strings.Repeat("x", 300):     "a." + strings.Repeat("x", maxName-2),
		"a.md" + strings.Repeat(" .", 1000): "a.md",
	} {
		if got := cleanName(raw); got != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}

func FuzzCleanName(f *testing.F) {
	for _, seed := range []string{"a.md", "../a.md", `..\a`, "..", "\x00", "\u202e", "e\u0301.md", strings.Repeat("é", 300) + ".md", "a. \u00a0.", "a" + strings.Repeat(" ", 300) + ".md"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		name := cleanName(raw)
		if strings.ContainsAny(name, "/\\\x00\n\r") || name == "." || name == ".." || len(name) > maxName || !utf8.ValidString(name) || strings.TrimSpace(name) != name {
			t.Errorf("%q: got %q, want a name", raw, name)
		}
		if again := cleanName(name); again != name {
			t.Errorf("%q: got %q, and of that %q", raw, name, again)
		}
	})
}

// FuzzForm sends any body as a form: it is refused or read, never worse, and
// nothing stays behind.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{form("file/a.md", "x"), form("collection", "c", "file/a.md", "x")[:90], "--xyz", "--xyz\r\n\r\n--xyz--", strings.ReplaceAll(form("file/a.md", "x"), "\r\n", "\n")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		check := emptyTemp(t)
		s, docs := documentServer(t, nil)
		docs.ingest = func(_ context.Context, in Ingest, _ func(IngestProgress)) (Ingested, error) {
			for _, file := range in.Files {
				if name := file.Name; cleanName(name) != name || name == "" {
					t.Errorf("got the name %q", name)
				}
			}
			return Ingested{}, nil
		}
		if w := post(s, body, "Content-Type", "multipart/form-data; boundary=xyz"); w.Code != http.StatusOK && w.Code/100 != 4 {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		check("after it")
	})
}
