package main

import (
	"debug/buildinfo"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBOM(t *testing.T) {
	info := &debug.BuildInfo{
		GoVersion: "go1.26.8", Main: debug.Module{Path: "example.org/x", Version: "v1.2.3"},
		Deps: []*debug.Module{
			{Path: "example.org/a/v2", Version: "v2.0.0", Sum: "h1:aa="},
			{Path: "example.org/old", Version: "v1.0.0+incompatible", Replace: &debug.Module{Path: "example.org/new", Version: "v1.1.0+incompatible", Sum: "h1:bb="}},
		},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "false"}},
	}
	sum := strings.Repeat("0123456789abcdef", 4)
	b := newBOM(info, "x-linux-amd64", sum)
	if want := "urn:uuid:01234567-89ab-8def-a123-456789abcdef"; b.SerialNumber != want {
		t.Errorf("got serial number %s, want %s", b.SerialNumber, want)
	}
	main := "pkg:golang/example.org/x@v1.2.3"
	parts := []string{"pkg:golang/std@1.26.8", "pkg:golang/example.org/a/v2@v2.0.0", "pkg:golang/example.org/new@v1.1.0%2Bincompatible"}
	if diff := cmp.Diff([]dependency{{Ref: main, DependsOn: parts}}, b.Dependencies); diff != "" {
		t.Errorf("dependencies (-want +got)\n%s", diff)
	}
	if b.Metadata.Timestamp != "2026-01-02T03:04:05Z" || b.Metadata.Component.PURL != main || b.Metadata.Component.Hashes[0].Content != sum {
		t.Errorf("got metadata %+v, want the commit's time, %s and the sum", b.Metadata, main)
	}
}

// TestBOMOfABinary reads a real one: this test's own.
func TestBOMOfABinary(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := buildinfo.ReadFile(self); err != nil {
		t.Skipf("this test's binary says nothing of itself: %v", err)
	}
	sum, err := fileSum(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bom.json")
	if err := writeBOM(path, "../..", self, sum); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got bom
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if got.Format != "CycloneDX" || got.SpecVersion != "1.6" {
		t.Errorf("got %s %s, want CycloneDX 1.6", got.Format, got.SpecVersion)
	}
	for _, want := range []string{"std", "all-MiniLM-L6-v2", "@embedpdf/pdfium"} {
		if !slices.ContainsFunc(got.Components, func(c component) bool { return c.Name == want }) {
			t.Errorf("the list lacks %s", want)
		}
	}
}

// TestEmbeddedPartsAreThoseOfNOTICE finds each in the words for people, too,
// and nothing there that the list lacks.
func TestEmbeddedPartsAreThoseOfNOTICE(t *testing.T) {
	notice, err := os.ReadFile("../../NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range embeddedParts() {
		if !strings.Contains(string(notice), part.file) || !strings.Contains(string(notice), part.version) {
			t.Errorf("NOTICE does not tell %s %s", part.file, part.version)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^  In:\s+(\S+\.(?:bin|wasm))`).FindAllStringSubmatch(string(notice), -1) {
		if !slices.ContainsFunc(embeddedParts(), func(e embedded) bool { return e.file == m[1] }) {
			t.Errorf("NOTICE tells %s, the list of what the binary is made of does not", m[1])
		}
	}
}

func TestTargets(t *testing.T) {
	for text, want := range map[string]string{"linux/amd64": "ragproxy-linux-amd64", "windows/amd64": "ragproxy-windows-amd64.exe"} {
		got, err := parseTarget(text)
		if err != nil || got.name() != want {
			t.Errorf("%s: got %q, %v, want %q", text, got.name(), err, want)
		}
	}
	for _, text := range []string{"", "linux", "/amd64", "linux/"} {
		if got, err := parseTarget(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestSums(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"b": "", "a": "abc"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeSums(dir, []string{"b", "a"}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	// The sums of "abc" and of nothing are FIPS 180's examples.
	want := "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n" +
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b\n"
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
