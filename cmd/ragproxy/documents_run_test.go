package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/ragproxy/ragproxy/index"
	"github.com/ragproxy/ragproxy/proxy"
	"github.com/ragproxy/ragproxy/proxy/access"
)

// TestUploadsAtOnce wait for each other, and none is lost.
func TestUploadsAtOnce(t *testing.T) {
	a := startAPI(t, map[string]string{"limits.queue_timeout": "1m"}, &lengths{}, nil)
	var wg sync.WaitGroup
	var want []string
	for i := range 8 {
		name := fmt.Sprintf("f%d.md", i)
		want = append(want, name)
		wg.Go(func() {
			kind, body := multipartOf(name, "fox "+name)
			if status, answer, err := a.ask(t.Context(), http.MethodPost, "documents", kind, body, "Accept", "text/event-stream"); status != 200 || err != nil || !strings.HasSuffix(answer, "data: [DONE]\n\n") {
				t.Errorf("%s: got %d %v %s", name, status, err, answer)
			}
			if status, answer, err := a.ask(t.Context(), http.MethodGet, "documents/"+name, "", nil); status != 200 || err != nil {
				t.Errorf("%s: got %d %v %s at once after its upload", name, status, err, answer)
			}
		})
	}
	wg.Wait()
	if got := a.ids("default"); got != strings.Join(want, " ") {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestBusyCollection is refused while somebody else writes it, before the
// answer begins.
func TestBusyCollection(t *testing.T) {
	a := startAPI(t, map[string]string{"limits.queue_timeout": "0s"}, &lengths{}, nil)
	a.upload("a.md", "a")
	other, err := a.idx.Build(t.Context(), index.BuildOptions{Collection: "default"})
	if err != nil {
		t.Fatal(err)
	}
	kind, body := multipartOf("b.md", "b")
	for _, method := range []string{http.MethodPost, http.MethodDelete} {
		path := map[string]string{http.MethodPost: "documents", http.MethodDelete: "documents/a.md"}[method]
		status, answer, err := a.ask(t.Context(), method, path, kind, body, "Accept", "text/event-stream")
		if status != http.StatusConflict || gjson.Get(answer, "error.code").String() != "index_busy" || err != nil {
			t.Errorf("%s: got %d %s (%v), want 409 index_busy", method, status, answer, err)
		}
	}
	if status, answer := a.do(http.MethodPost, "documents", kind, bytes.ReplaceAll(body, []byte("b.md"), []byte("c.md"))); status != http.StatusConflict {
		t.Errorf("got %d %s, want 409", status, answer)
	}
	if err := other.Abort(); err != nil {
		t.Fatal(err)
	}
	if r := a.upload("b.md", "b"); r.Get("added").Int() != 1 {
		t.Errorf("got %s, want b.md added once the other run has ended", r.Raw)
	}
}

// TestWaitingForAnotherRun: what is handed in meanwhile is indexed after it.
func TestWaitingForAnotherRun(t *testing.T) {
	e := &lengths{}
	a := startAPI(t, map[string]string{"limits.queue_timeout": "1m"}, e, nil)
	other, err := a.idx.Build(t.Context(), index.BuildOptions{Collection: "default"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Add(t.Context(), "src", index.Document{ID: "other", Text: "text"}); err != nil {
		t.Fatal(err)
	}
	before, done := e.spaces.Load(), make(chan string, 1)
	go func() {
		kind, body := multipartOf("b.md", "b")
		_, answer, err := a.ask(t.Context(), http.MethodPost, "documents", kind, body)
		if err != nil {
			answer = err.Error()
		}
		done <- answer
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for e.spaces.Load() < before+2 { // asked before each try
		select {
		case answer := <-done:
			t.Fatalf("got %s, want it to wait", answer)
		case <-tick.C:
		}
	}
	if _, err := other.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := gjson.Parse(<-done); r.Get("added").Int() != 1 || r.Get("documents").Int() != 2 {
		t.Errorf("got %s, want b.md beside the other run's document", r.Raw)
	}
}

// TestCanceledUpload leaves the collection as it was, and free.
func TestCanceledUpload(t *testing.T) {
	e := &lengths{}
	a := startAPI(t, nil, e, nil)
	a.upload("a.md", "a")
	ctx, cancel := context.WithCancel(t.Context())
	e.documents = func(ctx context.Context) error {
		cancel() // the client goes while it is embedded
		<-ctx.Done()
		return ctx.Err()
	}
	kind, body := multipartOf("a.md", "another a", "b.md", "b")
	if _, _, err := a.ask(ctx, http.MethodPost, "documents", kind, body, "Accept", "text/event-stream"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the client's own end", err)
	}
	e.documents = nil
	if got := a.ids("default"); got != "a.md" {
		t.Errorf("got %s, want what was there", got)
	}
	if r := a.upload("c.md", "c"); r.Get("added").Int() != 1 || r.Get("documents").Int() != 2 {
		t.Errorf("got %s, want the collection free for the next one", r.Raw)
	}
	if err := a.idx.Verify("default"); err != nil {
		t.Error(err)
	}
}

// TestDeadEmbedder is told by a status before the first event, by an event
// afterwards; deleting needs none.
func TestDeadEmbedder(t *testing.T) {
	e := &lengths{}
	a := startAPI(t, nil, e, nil)
	a.upload("a.md", "a")
	e.documents = func(context.Context) error { return errors.New("refused by 10.0.0.1") }
	kind, body := multipartOf("b.md", "b")
	status, answer := a.do(http.MethodPost, "documents", kind, body)
	if status != http.StatusBadGateway || gjson.Get(answer, "error.code").String() != "embedding_failed" || strings.Contains(answer, "10.0.0.1") {
		t.Errorf("got %d %s, want 502 embedding_failed", status, answer)
	}
	status, answer, err := a.ask(t.Context(), http.MethodPost, "documents", kind, body, "Accept", "text/event-stream")
	if status != http.StatusOK || err == nil || strings.Contains(answer, "[DONE]") || !strings.HasSuffix(answer, `"code":"embedding_failed"}}`+"\n\n") {
		t.Errorf("got %d %s (%v), want an error event and a cut", status, answer, err)
	}
	if got := a.ids("default"); got != "a.md" {
		t.Errorf("got %s, want what was there", got)
	}
	if status, _ := a.do(http.MethodDelete, "documents/a.md", "", nil); status != http.StatusOK {
		t.Errorf("got %d, want a.md deleted all the same", status)
	}
}

func TestReadOnlyDataDir(t *testing.T) {
	if os.Getuid() <= 0 {
		t.Skip("root writes everywhere, and Windows has no such folders")
	}
	a := startAPI(t, nil, &lengths{}, nil)
	a.upload("a.md", "a")
	folder := filepath.Join(a.dir, "collections", "default")
	for _, path := range []string{filepath.Join(folder, "lock"), folder} {
		if err := os.Chmod(path, 0o500); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(path, 0o700) })
	}
	kind, body := multipartOf("b.md", "b")
	if status, answer := a.do(http.MethodPost, "documents", kind, body); status != http.StatusServiceUnavailable || gjson.Get(answer, "error.code").String() != "index_read_only" {
		t.Errorf("got %d %s, want 503 index_read_only", status, answer)
	}
	if got := a.ids("default"); got != "a.md" {
		t.Errorf("got %s, want it read all the same", got)
	}
}

func TestPatience(t *testing.T) {
	tries := 0
	busy := func() error { tries++; return fmt.Errorf("x: %w", index.ErrBusy) }
	if err := patiently(t.Context(), 0, busy); !errors.Is(err, index.ErrBusy) || tries != 1 {
		t.Errorf("got %v after %d tries, want the first one's error", err, tries)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := patiently(ctx, time.Hour, busy); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestWhoMayWriteByConfiguration(t *testing.T) {
	for flag, want := range map[string]proxy.Writing{"": proxy.WriteGuarded, "true": proxy.WriteOpen, "false": proxy.WriteNever} {
		flags := map[string]string{}
		if flag != "" {
			flags["documents.write"] = flag
		}
		if got := writing(testConfig(t, flags)); got != want {
			t.Errorf("documents.write %q: got %v, want %v", flag, got, want)
		}
	}
}

// TestFilteredKeyReads what its filter shows, as if there were nothing else.
func TestFilteredKeyReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	secrets := map[string]string{}
	for _, k := range []access.Key{{Name: "guest", Filter: map[string]any{"public": true}}, {Name: "writer", Write: true}, {Name: "docs", Write: true, Collections: []string{"docs"}}} {
		secret, err := access.NewFile(path).Add(k)
		if err != nil {
			t.Fatal(err)
		}
		secrets[k.Name] = secret
	}
	store, err := access.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	a := startAPI(t, nil, &lengths{}, func(o *proxy.Options) { o.Keys = store })
	a.key = secrets["writer"]
	var lines strings.Builder
	for i := range 20 {
		fmt.Fprintf(&lines, "{\"id\":\"d%02d\",\"text\":\"fox %d\",\"metadata\":{\"public\":%t}}\n", i, i, i%5 == 0)
	}
	a.upload("a.jsonl", lines.String())
	a.key = secrets["guest"]
	if got := a.ids("default&limit=3"); got != "d00 d05 d10" {
		t.Errorf("got %s, want the first public ones", got)
	}
	if _, answer := a.get("documents?limit=4"); gjson.Get(answer, "has_more").Bool() {
		t.Error("got has_more behind the last public document, which tells of the others")
	}
	for id, want := range map[string]int{"d05": 200, "d06": 404, "nope": 404} {
		status, answer := a.get("documents/" + id)
		if status != want {
			t.Errorf("%s: got %d, want %d", id, status, want)
		}
		if strings.ReplaceAll(answer, id, "ID") != `{"error":{"message":"the collection \"default\" has no such document","type":"not_found_error","param":"id","code":"document_not_found"}}`+"\n" && want == 404 {
			t.Errorf("%s: got %s, want the same words for what is hidden and what is not there", id, answer)
		}
	}
	kind, body := multipartOf("b.md", "b", "=collection", "default")
	for name, want := range map[string]string{"guest": "write_forbidden", "docs": "collection_forbidden"} {
		a.key = secrets[name]
		if status, answer := a.do(http.MethodPost, "documents", kind, body); status != 403 || gjson.Get(answer, "error.code").String() != want {
			t.Errorf("%s: got %d %s, want %s", name, status, answer, want)
		}
		if status, answer := a.do(http.MethodDelete, "documents/d05?collection=default", "", nil); status != 403 || gjson.Get(answer, "error.code").String() != want {
			t.Errorf("%s: got %d %s, want %s", name, status, answer, want)
		}
	}
	a.key = secrets["docs"]
	a.upload("b.md", "b")
	if got := a.ids("docs"); got != "b.md" {
		t.Errorf("got %s in the key's own collection, want b.md where it names none", got)
	}
	a.key = secrets["writer"]
	if _, answer := a.get("documents?limit=1000"); gjson.Get(answer, "data.#").Int() != 20 {
		t.Errorf("got %s, want all 20 documents as they were", answer)
	}
}
