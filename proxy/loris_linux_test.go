package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lorisEnv is how many connections TestSlowLoris holds; lorisServerEnv makes
// TestLorisServer the server that it holds them to.
const (
	lorisEnv       = "RAGPROXY_LORIS_CONNECTIONS"
	lorisServerEnv = "RAGPROXY_LORIS_UPSTREAM"
)

// TestSlowLoris holds many connections whose requests never end, half of them
// in the header and half in the body: they must cost little, and others must
// be served. The server is a process of its own, so that its memory can be
// told from the test's.
func TestSlowLoris(t *testing.T) {
	n := 500
	if many, err := strconv.Atoi(os.Getenv(lorisEnv)); err == nil {
		n = many
	}
	raiseLimit(t, n+200)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, answer) }))
	defer up.Close()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestLorisServer$")
	cmd.Env = append(os.Environ(), lorisServerEnv+"="+up.URL+"/v1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer stdin.Close()
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address = strings.TrimSpace(address)
	served(t, address, 20)
	before := peak(t, cmd.Process.Pid)
	for i := range n {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer conn.Close()
		start := "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Slow: "
		if i%2 == 0 {
			start = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{\"messages\":["
		}
		if _, err := io.WriteString(conn, start); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		if i%100 == 0 {
			served(t, address, 1)
		}
	}
	served(t, address, 100)
	cost := peak(t, cmd.Process.Pid) - before
	t.Logf("%d connections cost %d MB at the peak, %.1f KB each", n, cost>>10, float64(cost)/float64(n))
	if limit := min(40*n+10<<10, 200<<10); cost > limit && !underRace() { // whose shadow memory is several times as much
		t.Errorf("%d connections cost %d KB, want at most %d", n, cost, limit)
	}
}

// served asks as another client would.
func served(t *testing.T, address string, times int) {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for range times {
		resp, err := client.Post("http://"+address+"/v1/chat/completions", "application/json", strings.NewReader(chatOnce))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("got %s %s (%v), want 200 beside the slow ones", resp.Status, body, err)
		}
	}
}

// peak is the most that a process ever held in memory, in KB.
func peak(t *testing.T, pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		t.Fatalf("got no VmHWM in %s", status)
	}
	n, err := strconv.Atoi(string(fields[0]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func raiseLimit(t *testing.T, files int) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < uint64(files) {
		t.Skipf("this system allows %d open files, the test needs %d", limit.Cur, files)
	}
}

// TestLorisServer is the other process.
func TestLorisServer(t *testing.T) {
	upstream := os.Getenv(lorisServerEnv)
	if upstream == "" {
		t.Skip(lorisServerEnv + " is not set: this is a part of TestSlowLoris")
	}
	opts := testOptions(t, upstream, &fakeSearcher{})
	opts.Timeouts = Timeouts{Header: time.Hour, Write: time.Minute, Drain: time.Millisecond}
	opts.Limits, opts.MaxHeaderBytes = Limits{BodyTimeout: time.Hour}, 64<<10
	base, stop, ended := run(t, New(opts))
	fmt.Println(strings.TrimPrefix(base, "http://"))
	io.Copy(io.Discard, os.Stdin) // until the test ends
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
