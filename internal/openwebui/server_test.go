package openwebui

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ragproxy/ragproxy/internal/child"
)

// startProxy indexes testdata in chunks of a paragraph and serves it as the
// model "docs"; it gives the base URL, with /v1.
func startProxy(t *testing.T, upstream string) string {
	t.Helper()
	dir := t.TempDir()
	binary, err := child.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	index := exec.Command(binary, "index", "testdata/pages.jsonl", "--data-dir", data, "--chunk-size", "350", "--chunk-overlap", "0")
	index.Env = environment("RAGPROXY_", "OPENAI_")
	if out, err := index.CombinedOutput(); err != nil {
		t.Fatalf("index: %v\n%s", err, out)
	}
	cmd := exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", data)
	cmd.Env = append(environment("RAGPROXY_", "OPENAI_"), "RAGPROXY_UPSTREAM_BASE_URL="+upstream,
		`RAGPROXY_ALIASES=[{"name":"docs","model":"model","dialect":"openwebui"}]`)
	proxy, err := child.Start(context.Background(), dir, "ragproxy", cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		proxy.Stop()
		showLog(t, proxy.Log)
	})
	return proxy.URL
}

// environment is this one's, less the variables that begin so.
func environment(less ...string) []string {
	var out []string
next:
	for _, v := range os.Environ() {
		for _, prefix := range less {
			if strings.HasPrefix(v, prefix) {
				continue next
			}
		}
		out = append(out, v)
	}
	return out
}

func showLog(t *testing.T, path string) {
	if !t.Failed() {
		return
	}
	said, err := os.ReadFile(path)
	t.Logf("%s (%v):\n%s", filepath.Base(path), err, said)
}

// settings turn off what Open WebUI would ask of other machines or of the
// model by itself; the slim build has no local models.
var settings = []string{
	"WEBUI_AUTH=False", "WEBUI_SECRET_KEY=no-secret-for-it-is-a-test-on-loopback", "ENABLE_OLLAMA_API=False", "OPENAI_API_KEY=sk-test",
	"USE_SLIM_DOCKER=true", "OFFLINE_MODE=true", "HF_HUB_OFFLINE=1", "ENABLE_VERSION_UPDATE_CHECK=False",
	"ANONYMIZED_TELEMETRY=False", "DO_NOT_TRACK=true", "SCARF_NO_ANALYTICS=true",
	"DEFAULT_MODELS=docs", "ENABLE_TITLE_GENERATION=False", "ENABLE_TAGS_GENERATION=False",
	"ENABLE_FOLLOW_UP_GENERATION=False", "ENABLE_AUTOCOMPLETE_GENERATION=False", "ENABLE_COMMUNITY_SHARING=False",
}

// startWebUI runs Open WebUI over the proxy and gives its address.
func startWebUI(t *testing.T, installed, proxy string) string {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close() // it takes no listener, only a number
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	log, err := os.Create(filepath.Join(dir, "open-webui.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(installed, "venv", "bin", "open-webui"), "serve", "--host", "127.0.0.1", "--port", strconv.Itoa(port))
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Env = append(environment("RAGPROXY_", "OPENAI_", "ENABLE_"), settings...)
	cmd.Env = append(cmd.Env, "DATA_DIR="+dir, "OPENAI_API_BASE_URL="+proxy, "CORS_ALLOW_ORIGIN="+base)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start Open WebUI: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
		showLog(t, log.Name())
	})
	for deadline := time.After(4 * time.Minute); !healthy(base); { // the first start makes its database
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("Open WebUI ended: %v", err)
		case <-deadline:
			t.Fatal("Open WebUI does not answer")
		case <-time.After(200 * time.Millisecond):
		}
	}
	return base
}

func healthy(base string) bool {
	resp, err := http.Get(base + "/health")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// skipNews tells Open WebUI that its list of changes has been read, which else
// covers the page, and gives its version.
func skipNews(t *testing.T, base string) string {
	t.Helper()
	var version struct{ Version string }
	call(t, base+"/api/version", "", nil, &version)
	var user struct{ Token string }
	call(t, base+"/api/v1/auths/signin", "", map[string]string{"email": "", "password": ""}, &user)
	call(t, base+"/api/v1/users/user/settings/update", user.Token, map[string]any{"ui": map[string]any{"version": version.Version}}, &struct{}{})
	return version.Version
}

// call gets, or posts the body if there is one.
func call(t *testing.T, address, token string, body, result any) {
	t.Helper()
	method, raw := http.MethodGet, ""
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		method, raw = http.MethodPost, string(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %s, want 200", address, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(result); err != nil {
		t.Fatalf("%s: %v", address, err)
	}
}
