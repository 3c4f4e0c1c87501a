package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/ragproxy/ragproxy/config"
)

// TestDocYAML loads every yaml block as a configuration. One whose fence names
// another file than ragproxy.yaml is of another program: it must parse.
func TestDocYAML(t *testing.T) {
	loaded := 0
	for _, p := range documentation(t) {
		for _, b := range p.blocks {
			kind, file, _ := strings.Cut(b.info, " ")
			if kind != "yaml" {
				continue
			}
			if file != "" && file != "ragproxy.yaml" {
				var any any
				if err := yaml.Unmarshal([]byte(b.text), &any); err != nil {
					t.Errorf("%s:%d: %v", p.name, b.line, err)
				}
				continue
			}
			loaded++
			dir := t.TempDir()
			for name, text := range map[string]string{"ragproxy.yaml": b.text, "answer.tmpl": "x", "rewrite.tmpl": "x", "cert.pem": "x", "key.pem": "x"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, warnings, err := config.Load(config.LoadOptions{Dir: dir, Env: []string{"HOME=" + dir}})
			if err != nil || len(warnings) > 0 {
				t.Errorf("%s:%d: got %v and warnings %v, want neither", p.name, b.line, err, warnings)
			}
		}
	}
	if loaded < 3 {
		t.Errorf("got %d configurations: the check misses some", loaded)
	}
}

var (
	omission  = regexp.MustCompile(`,?\s*\.\.\.[^"{}\[\]]*`)
	jsonBlock = regexp.MustCompile(`^(?:data: )?\{`)
)

// TestDocJSON parses every JSON block and every event. "..." stands for what
// is left out.
func TestDocJSON(t *testing.T) {
	parsed := 0
	for _, p := range documentation(t) {
		for _, b := range p.blocks {
			if b.info != "json" && (b.info != "" || !jsonBlock.MatchString(b.text)) {
				continue
			}
			texts := []string{b.text}
			if strings.HasPrefix(b.text, "data: ") {
				texts = strings.Split(b.text, "\n")
			}
			for _, text := range texts {
				if text = strings.TrimPrefix(text, "data: "); text == "" || text == "[DONE]" {
					continue
				}
				parsed++
				if !json.Valid([]byte(text)) && !json.Valid([]byte(omission.ReplaceAllString(text, ""))) {
					t.Errorf("%s:%d: no JSON: %s", p.name, b.line, text)
				}
			}
		}
	}
	if parsed < 5 {
		t.Errorf("got %d pieces of JSON: the check misses some", parsed)
	}
}

var (
	ourVariable = regexp.MustCompile(`\bRAGPROXY_[A-Z0-9_]*`)
	ownVariable = regexp.MustCompile(`["$]\{?(RAGPROXY_[A-Z0-9_]+)["}:]`)
	keySpan     = regexp.MustCompile(`^([a-z_]+)\.([a-z0-9_]+)(?:: .*)?$`)
)

// TestDocNames holds every variable and every key of the configuration that
// the documentation names to those there are.
func TestDocNames(t *testing.T) {
	keys := map[string]bool{}
	configKeys(reflect.TypeFor[config.Config](), "", keys)
	variables := readVariables(t)
	for key := range keys {
		variables["RAGPROXY_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))] = true
	}
	var texts = map[string]string{}
	for _, p := range documentation(t) {
		texts[p.name] = ""
	}
	for _, name := range []string{"docs/deploy/compose.yaml", "docs/deploy/kubernetes.yaml", "docs/deploy/ragproxy.service", "Dockerfile"} {
		texts[name] = ""
	}
	for name := range texts {
		b, err := os.ReadFile(filepath.Join(project, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		for _, variable := range ourVariable.FindAllString(string(b), -1) {
			if !variables[variable] && !strings.HasSuffix(variable, "_") { // RAGPROXY_<KEY>, RAGPROXY_*
				t.Errorf("%s names %s, which nothing reads", name, variable)
			}
		}
	}
	for _, p := range documentation(t) {
		for _, span := range p.spans {
			m := keySpan.FindStringSubmatch(span)
			if m == nil || !hasSection(keys, m[1]) || keys[m[1]+"."+m[2]] || isEvent(m[1]+"."+m[2]) {
				continue
			}
			if _, err := os.Stat(filepath.Join(project, m[1], m[1]+"."+m[2])); err != nil {
				t.Errorf("%s names `%s`, which is no key", p.name, span)
			}
		}
	}
}

func configKeys(typ reflect.Type, prefix string, into map[string]bool) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		switch key := f.Tag.Get("key"); {
		case key == "":
		case f.Type.Kind() == reflect.Struct:
			configKeys(f.Type, prefix+key+".", into)
		default:
			into[prefix+key] = true
		}
	}
}

func hasSection(keys map[string]bool, section string) bool {
	for key := range keys {
		if strings.HasPrefix(key, section+".") {
			return true
		}
	}
	return false
}

// isEvent tells the wire's event names, which look like keys.
func isEvent(name string) bool {
	return slices.Contains([]string{"rewrite.delta", "rewrite.done", "rewrite.failed", "retrieval.started", "retrieval.done", "retrieval.failed", "guard.flagged"}, name)
}

// readVariables are the variables that the project's own programs and tests
// read beside the keys.
func readVariables(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir(project, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && d.Name() != ".." && d.Name() != ".ci" && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			return err
		}
		if ext := filepath.Ext(name); ext != ".go" && ext != ".py" && ext != ".sh" && d.Name() != "Makefile" && d.Name() != "run" {
			return nil
		}
		source, err := os.ReadFile(name)
		for _, m := range ownVariable.FindAllSubmatch(source, -1) {
			all[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
