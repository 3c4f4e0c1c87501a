package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "rewrite the want sections of testdata")

// TestLoadTranscripts runs testdata/*.txtar. A case is files to write (.env and
// ragproxy.yaml among them) and:
//
//	-- env --     NAME=value a line
//	-- flags --   key=value a line
//	-- options -- file=NAME, ignore-openai
//	-- want --    warnings, then the problems or the values that are no defaults
//	-- print --   if there: all that Print writes
//
// $DIR stands for the case's folder.
func TestLoadTranscripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("got no cases (%v), want testdata/*.txtar", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { runTranscript(t, path) })
	}
}

func runTranscript(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	o := LoadOptions{Dir: dir, Env: []string{"HOME=" + filepath.Join(dir, "home")}, Flags: map[string]string{}}
	for _, f := range archive.Files {
		text := strings.ReplaceAll(string(f.Data), "$DIR", dir)
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			name, value, _ := strings.Cut(line, "=")
			switch {
			case f.Name == "env":
				o.Env = append(o.Env, line)
			case f.Name == "flags":
				o.Flags[name] = value
			case f.Name == "options" && name == "file":
				o.File = filepath.Join(dir, value)
			case f.Name == "options" && name == "ignore-openai":
				o.IgnoreOpenAI = true
			}
		}
		writeFile(t, filepath.Join(dir, f.Name), text)
	}
	c, warnings, err := Load(o)
	got := map[string]string{"want": describe(c, warnings, err)}
	if c != nil {
		var b strings.Builder
		if err := c.Print(&b); err != nil {
			t.Fatal(err)
		}
		got["print"] = b.String()
	}
	compare(t, path, archive, dir, got)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func compare(t *testing.T, path string, archive *txtar.Archive, dir string, got map[string]string) {
	seen := false
	for i, f := range archive.Files {
		if f.Name != "want" && f.Name != "print" {
			continue
		}
		seen = true
		text := strings.ReplaceAll(got[f.Name], dir, "$DIR")
		if *update {
			archive.Files[i].Data = []byte(text)
		} else if diff := cmp.Diff(string(f.Data), text); diff != "" {
			t.Errorf("%s: got other than want (-want +got; -update rewrites it):\n%s", f.Name, diff)
		}
	}
	if !seen {
		t.Errorf("got no want section in %s, want one", path)
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func describe(c *Config, warnings []string, err error) string {
	var b strings.Builder
	for _, w := range warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	if err != nil {
		if problems := (*Error)(nil); !errors.As(err, &problems) {
			b.WriteString("error: ")
		}
		fmt.Fprintln(&b, err)
		return b.String()
	}
	for _, f := range leaves(c, "") {
		source := c.Source(f.key)
		if source == "default" || source == "as upstream.base_url" || source == "in data_dir" {
			continue
		}
		value := fmt.Sprintf("%v", deref(f.field))
		fmt.Fprintf(&b, "%s: %s  # %s\n", f.key, value, source)
	}
	if c.Source("upstream.base_url") != "default" {
		fmt.Fprintf(&b, "because %s\n", c.UpstreamReason())
	}
	if key := c.RerankKey(); key != "" {
		fmt.Fprintf(&b, "RerankKey() = %q\n", key)
	}
	if key := c.RewriteKey(); key != c.Upstream.APIKey {
		fmt.Fprintf(&b, "RewriteKey() = %q\n", key)
	}
	for _, to := range c.Traces() {
		fmt.Fprintf(&b, "traces to %s with %v  # %s\n", to.URL, to.Headers, to.Source)
	}
	if c.Embedding.Provider == "openai" {
		fmt.Fprintf(&b, "embedding %s at %s, EmbeddingKey() = %q\n", c.Embedding.Model, c.Embedding.BaseURL, c.EmbeddingKey())
	}
	return b.String()
}

func deref(field any) any {
	switch p := field.(type) {
	case *string:
		return *p
	case *[]string:
		return *p
	case *Events:
		return []string(*p)
	case *[]Alias:
		var b strings.Builder
		for i := range *p {
			b.WriteString("\n ")
			for _, f := range leaves(&(*p)[i], "") {
				if !isUnset(f.field) {
					fmt.Fprintf(&b, " %s=%v", f.key, deref(f.field))
				}
			}
		}
		return b.String()
	case *int:
		return *p
	case *float64:
		return *p
	case *bool:
		return *p
	case **bool:
		return **p
	case *Bytes:
		return int64(*p)
	case fmt.Stringer: // durations
		return p
	}
	return field
}

func TestDefaultIsValid(t *testing.T) {
	c, warnings, err := Load(LoadOptions{Dir: t.TempDir(), Env: []string{"HOME=/home/u"}})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("got %v, %v, want no problem and no warning", err, warnings)
	}
	if want := filepath.FromSlash("/home/u/.local/share/ragproxy"); c.DataDir != want {
		t.Errorf("got data_dir %s, want %s", c.DataDir, want)
	}
	if c.Upstream.BaseURL != Builtin || c.UpstreamReason() == "" {
		t.Errorf("got upstream %s (%s), want builtin with a reason", c.Upstream.BaseURL, c.UpstreamReason())
	}
}

// Two keys with one variable would shadow each other.
func TestVariableNamesAreUnique(t *testing.T) {
	seen := map[string]string{}
	for _, f := range leaves(Default(), "") {
		name := envName(f.key)
		if other, ok := seen[name]; ok {
			t.Errorf("got %s for %s and %s, want a name for each", name, other, f.key)
		}
		seen[name] = f.key
	}
	if _, ok := seen["RAGPROXY_RETRIEVAL_TOP_K"]; !ok {
		t.Errorf("got %v, want RAGPROXY_RETRIEVAL_TOP_K among them", seen)
	}
}

// Every key must be reachable from the environment: the trap of AutomaticEnv.
func TestEveryKeyReadsItsVariable(t *testing.T) {
	special := map[string]string{
		"listen": ":1", "upstream.base_url": "http://u/v1", "embedding.base_url": "http://e/v1", "rewrite.base_url": "http://r/v1",
		"degrade.rewrite": "fail", "degrade.embed": "fail", "degrade.vector": "fail", "degrade.bm25": "fail", "degrade.rerank": "fail", "degrade.index": "fail",
		"rerank.kind": "tei", "engine.kind": "postgres", "engine.url": "postgres://h/d", "rerank.base_url": "http://k/v1",
		"embedding.provider": "openai", "log_level": "debug", "rewrite.mode": "never", "index.vector": "exact",
		"prompt.placement": "user", "stream.dialect": "plain", "stream.events": "summary", "aliases": `[{"name":"a","model":"m"}]`,
		"auth.open_to_everyone": "true", "server.hosts": "h.example", "cors.origins": "https://a.example", "upstream.proxy_url": "http://p:1",
		"load.allow_addresses": "127.0.0.1:1", "load.allow_private": "true", "stream.markdown": "true", "stream.reasoning": "true", "retrieval.vector_weight": "0.25", "retrieval.fusion": "rrf", "rewrite.history": "false", "guard.links": "false", "load.keep_hidden": "true", "documents.write": "false", "retrieval.min_score": "0.25",
		"observability.metrics": "false", "observability.metrics_listen": ":2", "observability.trace_content": "true",
	}
	dir := t.TempDir()
	for _, f := range leaves(Default(), "") {
		value := special[f.key]
		switch f.field.(type) {
		case *int, *Bytes:
			value = "7"
		case *string:
			if strings.HasSuffix(f.key, "_file") {
				value = filepath.Join(dir, "template")
				writeFile(t, value, "x")
			}
			if value == "" {
				value = "text"
			}
		default:
			if value == "" {
				value = "7s"
			}
		}
		env := []string{"HOME=/h", envName(f.key) + "=" + value}
		switch f.key { // one does not go without the other
		case "tls.cert_file":
			env = append(env, envName("tls.key_file")+"="+value)
		case "tls.key_file":
			env = append(env, envName("tls.cert_file")+"="+value)
		case "engine.kind":
			env = append(env, "RAGPROXY_ENGINE_URL=postgres://h/d")
		case "engine.url":
			env = append(env, "RAGPROXY_ENGINE_KIND=postgres")
		}
		if f.key == "rerank.kind" { // which is nothing without an address
			env = append(env, "RAGPROXY_RERANK_BASE_URL=http://k/v1")
		}
		c, warnings, err := Load(LoadOptions{Dir: dir, Env: env})
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: got %v, %v, want it read", f.key, err, warnings)
			continue
		}
		if got, want := c.Source(f.key), "env: "+envName(f.key); got != want {
			t.Errorf("%s: got source %q, want %q", f.key, got, want)
		}
		if cmp.Equal(fieldOf(c, f.key), fieldOf(Default(), f.key)) {
			t.Errorf("%s: got the default after %s=%s, want another value", f.key, envName(f.key), value)
		}
	}
}

func fieldOf(c *Config, key string) any {
	for _, f := range leaves(c, "") {
		if f.key == key {
			return f.field
		}
	}
	return nil
}

func TestFromFlags(t *testing.T) {
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	flags.String("listen", "x", "")
	flags.IntP("top-k", "k", 4, "")
	flags.StringSlice("events", nil, "")
	flags.Bool("json", false, "")
	if err := flags.Parse([]string{"-k", "7", "--events", "rewrite,summary", "--json"}); err != nil {
		t.Fatal(err)
	}
	got := FromFlags(flags, map[string]string{"listen": "listen", "top-k": "retrieval.top_k", "events": "stream.events"})
	want := map[string]string{"retrieval.top_k": "7", "stream.events": "rewrite,summary"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("got other flags than want (-want +got):\n%s", diff)
	}
	if _, _, err := Load(LoadOptions{Dir: t.TempDir(), Flags: map[string]string{"no.such": "1"}}); err == nil {
		t.Error("got no error, want one for a flag of an unknown key")
	}
}

func TestSameOrigin(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"https://api.openai.com/v1", "https://API.openai.com:443/other", true},
		{"http://h/v1", "http://h:80", true},
		{"http://[::1]:8080/v1", "http://[::1]:8080/", true},
		{"http://h/v1", "https://h/v1", false},
		{"http://h:1/v1", "http://h:2/v1", false},
		{"https://api.openai.com/v1", "https://api.openai.com.evil.example/v1", false},
		{"https://api.openai.com/v1", "https://api.openai.com@evil.example/v1", false},
		{"builtin", "builtin", false},
		{"", "", false},
	} {
		if got := SameOrigin(tc.a, tc.b); got != tc.want {
			t.Errorf("SameOrigin(%q, %q): got %t, want %t", tc.a, tc.b, got, tc.want)
		}
	}
}

// The text of a broken .env is never repeated: it holds secrets.
func TestBrokenDotenvKeepsItsSecret(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, ".env"), "OPENAI_API_KEY sk-verysecret\n")
	_, _, err := Load(LoadOptions{Dir: dir, Env: []string{"HOME=/h"}})
	if err == nil || !strings.Contains(err.Error(), ".env") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want an error that names .env and not its text", err)
	}
}

func TestUnreadableConfigFolder(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "file"), "")
	_, _, err := Load(LoadOptions{Dir: dir, Env: []string{"XDG_CONFIG_HOME=" + filepath.Join(dir, "file")}})
	if err == nil {
		t.Error("got no error, want one: the config folder is a file")
	}
}

func TestBytes(t *testing.T) {
	for in, want := range map[string]Bytes{
		"0": 0, "1": 1, "64MiB": 64 * MiB, "64 mib": 64 * MiB, "64MB": 64e6, "1k": 1000, "2Ki": 2048, "1GB": 1e9, "3b": 3, "-1MiB": -MiB,
	} {
		if got, err := parseBytes(in); err != nil || got != want {
			t.Errorf("parseBytes(%q): got %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "MiB", "1.5MiB", "1TBx", "0x10", "9999999999999999999", "9223372036854775807k", "1 2"} {
		if got, err := parseBytes(in); err == nil {
			t.Errorf("parseBytes(%q): got %d, want an error", in, got)
		}
	}
	for in, want := range map[Bytes]string{0: "0", 5: "5", 1000: "1000", 2048: "2KiB", 64 * MiB: "64MiB", 3 * GiB: "3GiB", 1536 * MiB: "1536MiB"} {
		if got := in.String(); got != want {
			t.Errorf("Bytes(%d): got %s, want %s", int64(in), got, want)
		}
	}
}

func FuzzLoadFile(f *testing.F) {
	for _, seed := range []string{"", "listen: :1\n", "retrieval:\n  top_k: [1]\n", "a: &a [*a]", "1: 2\n", "retrieval.top_k: 3", "? [x]\n: y",
		"aliases:\n  - {name: a, model: b, 1: 2}\n", "Listen: a\nlisten: b\n", `{"retrieval":{"top_k":1e999}}`, "[[aliases]]\nname='a'\n", "retrieval: {1: 2}"} {
		for format := range 3 {
			f.Add([]byte(seed), format)
		}
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw []byte, format int) {
		name := []string{"c.yaml", "c.toml", "c.json"}[uint(format)%3]
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, err := Load(LoadOptions{File: path, Dir: dir, Env: []string{"HOME=/h"}})
		if (c == nil) == (err == nil) {
			t.Fatalf("got %v and %v, want a tree or an error", c, err)
		}
		if c != nil {
			if err := c.Print(&strings.Builder{}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzDotenv(f *testing.F) {
	for _, seed := range []string{"", "A=1\n", "RAGPROXY_RETRIEVAL_TOP_K=3", "A='", "A=${A}", "export B: 2", "RAGPROXY_ALIASES=[{}]"} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := os.WriteFile(filepath.Join(dir, ".env"), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, err := Load(LoadOptions{Dir: dir, Env: []string{"HOME=/h"}})
		if (c == nil) == (err == nil) {
			t.Fatalf("got %v and %v, want a tree or an error", c, err)
		}
	})
}
