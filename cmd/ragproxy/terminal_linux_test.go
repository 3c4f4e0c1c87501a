package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal with a program in it.
type terminal struct {
	t      *testing.T
	keys   *os.File
	mu     sync.Mutex
	screen bytes.Buffer
}

func startInTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { keys.Close() })
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, keys: keys}
	go func() { _, _ = io.Copy(x, keys) }() // ends with the program
	return x
}

func (x *terminal) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.screen.Write(p)
}

// shows waits until the screen holds text so many times.
func (x *terminal) shows(text string, times int) {
	x.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		x.mu.Lock()
		n := strings.Count(x.screen.String(), text)
		x.mu.Unlock()
		if n >= times {
			return
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.t.Fatalf("the terminal never showed %q %d times:\n%q", text, times, x.screen.String())
}

func (x *terminal) types(text string) {
	x.t.Helper()
	if _, err := io.WriteString(x.keys, text); err != nil {
		x.t.Fatal(err)
	}
}

// TestChatAtATerminal types: a question whose answer does not end is stopped,
// asked again from the history of lines, and the conversation is ended.
func TestChatAtATerminal(t *testing.T) {
	const ctrlC, up = "\x03", "\x1b[A"
	bodies := make(chan string, 10)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- string(body)
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, `data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Half an \u001b[31manswer"}}]}`+"\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer upstream.Close()
	cmd := exec.Command("ragproxy", "chat")
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "HOME="+cmd.Dir, "XDG_DATA_HOME="+cmd.Dir, "TERM=xterm", "NO_COLOR=", "CLICOLOR_FORCE=",
		"RAGPROXY_UPSTREAM_BASE_URL="+upstream.URL+"/v1", "RAGPROXY_REWRITE_MODE=never")
	x := startInTerminal(t, cmd)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	x.shows("Ctrl-D ends", 1)
	x.shows("> ", 1)
	x.types("first line\\\rsecond line\r")
	x.shows("Half an [31manswer", 1)
	x.types(ctrlC)
	x.shows("stopped", 1)
	x.shows("> ", 2)
	x.types(up + "\r")
	x.shows("Half an [31manswer", 2)
	x.types(ctrlC)
	x.shows("stopped", 2)
	x.types(ctrlC)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("got %v, want exit code 0", err)
		}
	case <-time.After(time.Minute):
		cmd.Process.Kill()
		t.Fatal("Ctrl-C at the prompt did not end the conversation")
	}
	if got := gjson.Get(<-bodies, "messages.@reverse.0.content").String(); !strings.Contains(got, "first line\nsecond line") {
		t.Errorf("got the question %q, want both lines", got)
	}
	second := gjson.Parse(<-bodies)
	if got := second.Get(`messages.#(role=="assistant").content`).String(); got != "Half an \x1b[31manswer" {
		t.Errorf("got the history %s, want the half of an answer in it", second.Get("messages"))
	}
	if got := second.Get("messages.@reverse.0.content").String(); !strings.Contains(got, "second line") {
		t.Errorf("got the question %q, want the line before", got)
	}
}

// TestAskAtATerminal sees colours and a link, and none of a dumb terminal.
func TestAskAtATerminal(t *testing.T) {
	for kind, want := range map[string]string{"xterm-256color": "\x1b[36m[1]\x1b[0m", "dumb": "\r\n[1] page.txt"} {
		dir := t.TempDir()
		env := append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "TERM="+kind, "NO_COLOR=", "CLICOLOR_FORCE=")
		if err := os.WriteFile(dir+"/page.txt", []byte("Apples grow on trees."), 0o600); err != nil {
			t.Fatal(err)
		}
		index := exec.Command("ragproxy", "index", "page.txt")
		index.Dir, index.Env = dir, env
		if out, err := index.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		cmd := exec.Command("ragproxy", "ask", "--rewrite", "always", "Where do apples grow?")
		cmd.Dir, cmd.Env = dir, env
		x := startInTerminal(t, cmd)
		x.shows(want, 1)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: got %v, want exit code 0", kind, err)
		}
		x.shows("page.txt#chunk-0", 1)
		x.mu.Lock()
		if got := strings.Contains(x.screen.String(), "\x1b]8;;file://"); got != (kind != "dumb") {
			t.Errorf("%s: a link to the file: %v\n%q", kind, got, x.screen.String())
		}
		x.mu.Unlock()
	}
}
