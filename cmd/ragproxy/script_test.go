package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts run the real command: `exec ragproxy` starts this test
// binary again, as a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ragproxy": main, "jq": jq})
}

// TestScripts is the command line's specification, a script for each part of
// it in testdata/script. Scripts reach nothing but loopback.
func TestScripts(t *testing.T) {
	p := scriptParams()
	p.Dir = filepath.Join("testdata", "script")
	testscript.Run(t, p)
}

// scriptParams are what scripts have: a home of their own, and commands.
func scriptParams() testscript.Params {
	return testscript.Params{
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "home", "data"))
			// A port on which nothing listens.
			env.Setenv("CLOSED", "127.0.0.1:1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails":       fails,
			"httpserve":   httpServe,
			"embedserve":  embedServe,
			"answerserve": answerServe,
			"silentserve": silentServe,
			"busyport":    busyPort,
			"await":       await,
			"request":     request,
			"awaitstatus": awaitStatus,
			"lastword":    lastWord,
			"makecert":    makeCert,
			"hangup":      hangup,
			"terminate":   terminate,
		},
	}
}

// fails CODE PROGRAM ARGS... runs a program that must end with this exit code.
func fails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fails code program [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		ts.Fatalf("got %v, want exit code %d", err, want)
	}
	if got := ended.ExitCode(); got != want {
		ts.Fatalf("got exit code %d, want %d", got, want)
	}
}

// httpServe serves a folder until the script ends: httpserve DIR VAR sets VAR
// to its base URL and VAR_ADDRESS to its host:port.
func httpServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: httpserve dir var")
	}
	srv := httptest.NewServer(http.FileServer(http.Dir(ts.MkAbs(args[0]))))
	ts.Defer(srv.Close)
	ts.Setenv(args[1], srv.URL)
	ts.Setenv(args[1]+"_ADDRESS", srv.Listener.Addr().String())
}

// busyPort VAR takes a port until the script ends.
func busyPort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: busyport var")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

// await FILE REGEXP VAR waits until a file, into which something in the
// background writes, matches, and sets VAR to the first group.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: await file regexp var")
	}
	want := regexp.MustCompile(`(?m)` + args[1])
	var text []byte
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		text, _ = os.ReadFile(ts.MkAbs(args[0])) // not there yet
		if m := want.FindSubmatch(text); m != nil {
			ts.Setenv(args[2], string(m[1]))
			return
		}
	}
	ts.Fatalf("%s never matched %s:\n%s", args[0], args[1], text)
}

// request METHOD URL [BODYFILE] prints "HTTP <status>" and the answer's body.
// The variable AUTH is the header Authorization.
func request(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: request method url [bodyfile]")
	}
	out := exchange(ts, args)
	_, err := out.WriteTo(ts.Stdout())
	ts.Check(err)
}

// awaitStatus METHOD URL BODYFILE STATUS asks until the answer has the status.
func awaitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: awaitstatus method url bodyfile status")
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		if last = exchange(ts, args[:3]).String(); strings.HasPrefix(last, "HTTP "+args[3]+"\n") {
			return
		}
	}
	ts.Fatalf("the status never was %s: %s", args[3], last)
}

// lastWord VAR sets VAR to the last word that the last command printed.
func lastWord(ts *testscript.TestScript, neg bool, args []string) {
	words := strings.Fields(ts.ReadFile("stdout"))
	if neg || len(args) != 1 || len(words) == 0 {
		ts.Fatalf("usage: lastword var, after a command that prints")
	}
	ts.Setenv(args[0], words[len(words)-1])
}

// makeCert CERT KEY writes a certificate that signs itself, and its key.
func makeCert(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: makecert cert key")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"rag.example"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	ts.Check(err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
}

// hangup sends SIGHUP to what runs in the background.
func hangup(ts *testscript.TestScript, neg bool, args []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGHUP))
	}
}

func exchange(ts *testscript.TestScript, args []string) *bytes.Buffer {
	var body io.Reader
	if len(args) == 3 {
		body = strings.NewReader(ts.ReadFile(args[2]))
	}
	req, err := http.NewRequest(args[0], args[1], body)
	ts.Check(err)
	if auth := ts.Getenv("AUTH"); auth != "" {
		req.Header.Set("Authorization", auth)
	}
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	return bytes.NewBufferString("HTTP " + strconv.Itoa(resp.StatusCode) + "\n" + string(answer))
}

// terminate sends SIGTERM to what runs in the background.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: terminate")
	}
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}
